"""The variables above a board, and the assembly of a board from rows of panels.

All values come from the data of the time range, so nothing has to be configured when a route or a release appears.
"""

# ruff: noqa: S608 - the SQL of a board is made of constants

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import count

from grafana_foundation_sdk.builders import dashboard
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.models.dashboard import (
    Dashboard,
    DashboardCursorSync,
    DashboardLinkType,
    VariableHide,
    VariableModel,
    VariableOption,
    VariableRefresh,
    VariableSort,
)

from grafana.panels import DATASOURCE, Panel
from grafana.sql import DATASOURCE_TYPE, IN_ANY_ORDER, PLUGIN_VERSION, SCORE_ROWS, SCORE_VIEW, SEEN, UNKNOWN, VIEW, shown, where

TAG = "tailrace"

SINCE = (
    "SELECT release, row_number() OVER (ORDER BY min(window_start) DESC, release) AS age\n"
    f"FROM {SEEN}\nWHERE {where('environment', 'route')}\n  AND release != ''\nGROUP BY release"
)
"""Releases numbered from the newest, by when the range first saw them."""

RELEASES = {
    "baseline": f"SELECT {shown('release')} AS value FROM (\n{SINCE}\n)\nORDER BY age != 2, age",
    "candidate": f"SELECT {shown('release')} AS value FROM (\n{SINCE}\n)\nORDER BY age",
}
"""The first row is the default: the newest release is compared with the one before."""


def _variable(name: str, label: str, about: str, sql: str) -> dashboard.QueryVariable:
    query: dict[str, object] = {
        "refId": name,
        "editorType": "sql",
        "queryType": "sql",
        "pluginVersion": PLUGIN_VERSION,
        "rawSql": sql,
    }
    return (
        dashboard.QueryVariable(name)
        .label(label)
        .description(about)
        .datasource(DATASOURCE)
        .query(query)
        .definition(sql)
        .refresh(VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(VariableSort.DISABLED)
    )


@dataclass(frozen=True, slots=True)
class _OutOfAddress(Builder[VariableModel]):
    """A variable that no address names."""

    variable: Builder[VariableModel]

    def build(self) -> VariableModel:
        model = self.variable.build()
        model.skip_url_sync = True
        return model


def worked_out(name: str, label: str, about: str, sql: str) -> Builder[VariableModel]:
    """What nobody chooses and nobody sees: it follows the time range."""
    hidden = _variable(name, label, about, sql).hide(VariableHide.HIDE_VARIABLE).allow_custom_value(False)
    return _OutOfAddress(hidden)


def scores() -> Builder[VariableModel]:
    """The same of the views of scores."""
    about = "The finest of the minute, hourly and daily views of scores that reaches back to the start of the range."
    return worked_out("scores", "Resolution", about, SCORE_VIEW)


def view() -> Builder[VariableModel]:
    """Which of the `performance` views all panels read; follows the time range, so nobody has to think of it."""
    about = "The finest of the minute, hourly and daily views that reaches back to the start of the range."
    return worked_out("view", "Resolution", about, VIEW)


def component(name: str) -> Builder[VariableModel]:
    """Several or all values of one component of the series key; all but the environment are those of the environment."""
    selected = where(*(["environment"] if name != "environment" else []))
    sql = f"SELECT DISTINCT {shown(name)} AS value\nFROM {SEEN}\nWHERE {selected}\nORDER BY value"
    everything = VariableOption(selected=True, text="All", value="$__all")
    about = f"Shows only these; {UNKNOWN} are spans that did not say their {name}."
    return _variable(name, name.capitalize(), about, sql).multi(True).include_all(True).current(everything)


def of_scores(name: str) -> Builder[VariableModel]:
    """Several or all values of a column that only scores have."""
    sql = f"SELECT DISTINCT {shown(name)} AS value\nFROM {SCORE_ROWS}\nWHERE {where('environment', 'route')}\nORDER BY value"
    sql += IN_ANY_ORDER
    everything = VariableOption(selected=True, text="All", value="$__all")
    about = f"Shows only what this {name} says."
    return _variable(name, name.capitalize(), about, sql).multi(True).include_all(True).current(everything)


def text(name: str, label: str, about: str, default: str) -> Builder[VariableModel]:
    """What people type."""
    typed = VariableOption(selected=True, text=default, value=default)
    return dashboard.TextBoxVariable(name).label(label).description(about).default_value(default).current(typed)


def side(name: str) -> Builder[VariableModel]:
    """One of the two releases that are compared."""
    return _variable(name, name.capitalize(), f"The {name} of the comparison.", RELEASES[name])


BETWEEN = dashboard.DashboardLink("Boards").type(DashboardLinkType.DASHBOARDS).tags([TAG]).keep_time(True).include_vars(True)
"""The bar that leads to every other board, with its time range and what is selected."""


def assemble(
    uid: str,
    title: str,
    about: str,
    variables: Sequence[Builder[VariableModel]],
    rows: Mapping[str, Sequence[Panel]],
    begins: str = "now-6h",
) -> Dashboard:
    """The board: panels numbered in reading order and laid out from left to right, a heading above each row. `begins`: of the
    time range with which it opens.
    """
    board = (
        dashboard.Dashboard(title)
        .uid(uid)
        .description(about)
        .tags([TAG])
        .editable()
        .tooltip(DashboardCursorSync.CROSSHAIR)
        .time(begins, "now")
        .timezone("browser")
        .refresh("30s")
        .link(BETWEEN)
        .variables([dashboard.DatasourceVariable("datasource").label("Data source").type(DATASOURCE_TYPE), *variables])
    )
    number = count(1)
    for heading, panels in rows.items():
        board.with_row(dashboard.Row(heading).id(next(number)))
        for panel in panels:
            board.with_panel(panel.id(next(number)))
    return board.build()
