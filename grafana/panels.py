"""How a stat, a chart and a table look on every board: one way each.

Widths are of 24 columns, heights of Grafana's 30-pixel rows. Every panel takes its unit, its description and one query;
the data source is the board's variable.
"""

from collections.abc import Mapping, Sequence
from typing import TypeAlias, TypeVar

from grafana_foundation_sdk.builders import common as build
from grafana_foundation_sdk.builders import dashboard, heatmap, stat, table, timeseries
from grafana_foundation_sdk.models import common
from grafana_foundation_sdk.models.dashboard import (
    DataSourceRef,
    DynamicConfigValue,
    FieldColorModeId,
    Threshold,
    ThresholdsMode,
)
from grafana_foundation_sdk.models.heatmap import HeatmapColorMode

from grafana.measures import SAMPLE
from grafana.sql import DATASOURCE_TYPE, OTHERS, Query, Target

DATASOURCE = DataSourceRef(type_val=DATASOURCE_TYPE, uid="${datasource}")

GOOD, WARN, BAD = "green", "orange", "red"
GREY = "#808080"
Panel: TypeAlias = stat.Panel | table.Panel | timeseries.Panel | heatmap.Panel

SomePanel = TypeVar("SomePanel", stat.Panel, table.Panel, timeseries.Panel, heatmap.Panel)


def limits(warn: float, bad: float) -> dashboard.ThresholdsConfig:
    """Good below `warn`, bad from `bad`, both in the panel's own unit."""
    steps = [Threshold(value=None, color=GOOD), Threshold(value=warn, color=WARN), Threshold(value=bad, color=BAD)]
    return dashboard.ThresholdsConfig().mode(ThresholdsMode.ABSOLUTE).steps(steps)


PLAIN = dashboard.ThresholdsConfig().mode(ThresholdsMode.ABSOLUTE).steps([Threshold(value=None, color="text")])


def properties(values: Mapping[str, object]) -> list[DynamicConfigValue]:
    """Field overrides by Grafana's property path, e.g. `custom.width`."""
    return [DynamicConfigValue(id_val=path, value=value) for path, value in values.items()]


def numbers(
    title: str,
    about: str,
    query: Query,
    unit: str,
    width: int,
    thresholds: dashboard.ThresholdsConfig = PLAIN,
    units: Mapping[str, str] | None = None,
    colours: Mapping[str, tuple[str, float]] | None = None,
) -> stat.Panel:
    """Each column of the query's one row as a number; `units` for columns that differ from `unit`, `colours` from a number on
    for those that differ from `thresholds`.
    """
    panel = (
        stat.Panel()
        .no_value("too few")
        .thresholds(thresholds)
        .color_mode(common.BigValueColorMode.VALUE)
        .graph_mode(common.BigValueGraphMode.NONE)
        .text_mode(common.BigValueTextMode.VALUE_AND_NAME)
        .orientation(common.VizOrientation.VERTICAL)
        .wide_layout(False)  # else the label of a number in a wide panel stands at the other end of it
        .text(build.VizTextDisplayOptions().title_size(14))  # left to itself the label of one number fills the panel
        .reduce_options(build.ReduceDataOptions().calcs(["lastNotNull"]).fields("").values(False))
    )
    for column, of_column in (units or {}).items():
        panel.override_by_name(column, properties({"unit": of_column}))
    for column, (colour, least) in (colours or {}).items():
        steps = [Threshold(value=None, color="text"), Threshold(value=least, color=colour)]
        own = dashboard.ThresholdsConfig().mode(ThresholdsMode.ABSOLUTE).steps(steps).build().to_json()
        panel.override_by_name(column, properties({"thresholds": own}))
    return _dressed(panel, title, about, query, unit, width, 4)


def chart(
    title: str,
    about: str,
    query: Query,
    unit: str,
    width: int,
    label: str = "",
    stacked: bool = False,
    interval: str = "1m",
    bars: bool = False,
) -> timeseries.Panel:
    """Lines over time, from zero; with `label` one for each of its values; a column `n` is drawn as faint bars behind. `bars`
    instead of lines: for points that stand for so much time that there may be one alone.

    Gaps stay gaps: nothing was served then, which is not zero latency.
    """
    panel = (
        timeseries.Panel()
        .interval(interval)
        .min(0)
        .line_width(1)
        .fill_opacity(25 if stacked else 0)
        .show_points(common.VisibilityMode.AUTO)
        .span_nulls(False)
        .color_scheme(dashboard.FieldColor().mode(FieldColorModeId.PALETTE_CLASSIC))
        .legend(
            build.VizLegendOptions()
            .display_mode(common.LegendDisplayMode.LIST)
            .placement(common.LegendPlacement.BOTTOM)
            .show_legend(True)
            .calcs([])
        )
        .tooltip(build.VizTooltipOptions().mode(common.TooltipDisplayMode.MULTI).sort(common.SortOrder.DESCENDING))
        .override_by_name(
            SAMPLE,
            properties(
                {
                    "unit": "short",
                    "custom.axisPlacement": "right",
                    "custom.axisLabel": "requests",
                    "custom.drawStyle": "bars",
                    "custom.fillOpacity": 15,
                    "custom.lineWidth": 0,
                    "color": {"mode": "fixed", "fixedColor": "text"},
                }
            ),
        )
    )
    if unit in LEAST_TOP:
        panel.axis_soft_max(LEAST_TOP[unit])
    if label:
        panel.display_name(f"${{__field.labels.{label}}}")
    if bars:
        panel.draw_style(common.GraphDrawStyle.BARS).bar_width_factor(0.9).fill_opacity(60)
    if label and stacked:
        panel.override_by_name(OTHERS, properties({"color": {"mode": "fixed", "fixedColor": GREY}}))
    if stacked:
        panel.stacking(build.StackingConfig().mode(common.StackingMode.NORMAL).group("A"))
    return _dressed(panel, title, about, query, unit, width, 9)


LEAST_TOP = {"percentunit": 0.01}
"""Of a scale: lines that are all zero would stand below 10,000 %."""

LONGEST_WORD = {1: 62, 7: 74, 9: 84, 11: 102}
"""Pixels that a heading with a word of so many letters or more needs: words stand below each other, so more columns fit on a
screen. Of the columns without a width of their own all are equally wide, so a table fits if none needs more than its part.
"""


def cells(
    title: str,
    about: str,
    query: Query,
    unit: str,
    height: int,
    sort: str,
    columns: Mapping[str, Sequence[DynamicConfigValue]],
    width: int = 24,
    rising: bool = False,
    nothing: str = "No rows in the range and selection",
) -> table.Panel:
    """Rows as they are, sorted by `sort` from the largest, or `rising`; "": as the query orders them. `columns` says
    how each differs; `nothing` is what is said where there is no row.
    """
    panel = table.Panel().no_value(nothing).cell_height(common.TableCellHeight.SM).thresholds(PLAIN)
    panel.override_by_field_type("string", properties({"unit": "string"}))  # else release 2026.10 is the number 2026.1, in USD
    panel.override_by_regexp("/.*/", properties({"noValue": "–", "custom.wrapHeaderText": True}))
    for letters, least in LONGEST_WORD.items():
        panel.override_by_regexp(f"/\\S{{{letters},}}/", properties({"custom.minWidth": least}))
    if sort:
        panel.sort_by([build.TableSortByFieldState().display_name(sort).desc(not rising)])
    for column, of_column in columns.items():
        panel.override_by_name(column, list(of_column))
    return _dressed(panel, title, about, query, unit, width, height)


def ladder(title: str, about: str, query: Query, unit: str, width: int = 24) -> heatmap.Panel:
    """Counts by time and step of a ladder: each column of the query but `time` is a step, named by its upper edge in `unit`."""
    panel = (
        heatmap.Panel()
        .interval("1m")
        .calculate(False)
        .rows_frame(heatmap.RowsHeatmapOptions().layout(common.HeatmapCellLayout.LE).value("calls"))
        .y_axis(heatmap.YAxisConfig().unit(unit).axis_placement(common.AxisPlacement.LEFT))
        .color(heatmap.HeatmapColorOptions().mode(HeatmapColorMode.SCHEME).scheme("Oranges").steps(32).exponent(0.5))
        .show_legend()
    )
    return _dressed(panel, title, about, query, "short", width, 9)


def words(colours: Mapping[str, str]) -> list[DynamicConfigValue]:
    """A column of words, each in its colour."""
    mapped = {word: {"color": colour, "index": i} for i, (word, colour) in enumerate(colours.items())}
    return properties({"mappings": [{"type": "value", "options": mapped}], "custom.cellOptions": {"type": "color-text"}})


SHARE = {"unit": "percentunit", "decimals": 2}
"""Of a column, whose numbers stand below each other."""

SCORE = properties({"unit": "none", "decimals": 3})
"""A column of scores, and of what they differ by."""

WRAPPED = properties({"custom.wrapText": True, "custom.minWidth": 320})
"""A column of sentences, on as many lines as they need. Source: @grafana/ui 13, TableNG/utils, `shouldTextWrap`."""


def coloured(unit: str, warn: float, bad: float) -> list[DynamicConfigValue]:
    """A column whose text takes the colour of its threshold."""
    return _coloured(unit, limits(warn, bad))


def rising(unit: str, warn: float, good: float) -> list[DynamicConfigValue]:
    """The same where more is better: bad below `warn`, good from `good`."""
    steps = [Threshold(value=None, color=BAD), Threshold(value=warn, color=WARN), Threshold(value=good, color=GOOD)]
    return _coloured(unit, dashboard.ThresholdsConfig().mode(ThresholdsMode.ABSOLUTE).steps(steps))


def _coloured(unit: str, colour: dashboard.ThresholdsConfig) -> list[DynamicConfigValue]:
    of_unit = SHARE if unit == SHARE["unit"] else {"unit": unit}
    return properties({**of_unit, "custom.cellOptions": {"type": "color-text"}, "thresholds": colour.build().to_json()})


def opening(what: str, new_tab: bool = False) -> list[DynamicConfigValue]:
    """A column of addresses, shown as the word open."""
    mapped = [{"type": "regex", "options": {"pattern": ".*", "result": {"text": "open", "index": 0}}}]
    link = {"title": f"Open {what}", "url": "${__value.raw}", "targetBlank": new_tab}
    return properties({"mappings": mapped, "links": [link], "custom.width": 62})


def within(pixels: int) -> list[DynamicConfigValue]:
    """A column so wide; what is longer takes another line."""
    return properties({"custom.wrapText": True, "custom.width": pixels})


WIDE = properties({"custom.width": 180})
"""A column of names that are long."""

MOMENT = properties({"unit": "dateTimeAsIso", "custom.width": 160})

SHORT_MOMENT = properties({"unit": "time:MM-DD HH:mm"})
"""Where there is little room: dates break into lines which the height of a row does not know."""


def sample(enough: int) -> list[DynamicConfigValue]:
    """A column of sample sizes, marked where they are smaller than `enough`; 0 is no sample, nothing beside it is shown."""
    few = [Threshold(value=1.0, color=WARN)] if enough > 1 else []
    steps = [Threshold(value=None, color="text"), *few, Threshold(value=float(enough), color="text")]
    return _coloured("short", dashboard.ThresholdsConfig().mode(ThresholdsMode.ABSOLUTE).steps(steps))


def narrowing(uid: str, column: str) -> list[DynamicConfigValue]:
    """A cell that narrows the board `uid` to its value, keeping the time range."""
    wide = WIDE if column in ("model", "evaluator") else []
    url = f"/d/{uid}?${{__url_time_range}}&${{datasource:queryparam}}&var-{column}=${{__value.text:percentencode}}"
    return [*wide, *properties({"links": [{"title": f"Only this {column}", "url": url}]})]


def _dressed(panel: SomePanel, title: str, about: str, query: Query, unit: str, width: int, height: int) -> SomePanel:
    return (
        panel.title(title)
        .description(about)
        .datasource(DATASOURCE)
        .with_target(Target(query))
        .unit(unit)
        .span(width)
        .height(height)
    )
