"""The board *Behaviour*: what answers show without a judge, over time and by cohort: refusals, citations, the schema they keep.

Each share is of the answers of which it can be told, so its n is a number of its own.
"""

from grafana_foundation_sdk.models.dashboard import Dashboard

from grafana.measures import CITED, REFUSED, SAMPLES, SCHEMA_KEPT, N
from grafana.panels import SHARE, Panel, cells, chart, coloured, narrowing, numbers, properties, sample
from grafana.sql import SERIES, over_time, ratio, rows, total
from grafana.variables import assemble, component, view

UID = "tailrace-behaviour"
ENOUGH = 100
"""Answers below which a share is marked: one of 2 % is known to about three points then."""

SHARES = {
    "Refusals": (REFUSED, "Refusals over the answers that were looked at; how an answer reads is known of English only."),
    "Citations": (
        CITED,
        "Answers that cite, over those that are to: of the routes that are named for it, or with a search in their request.",
    ),
    "Schema kept": (SCHEMA_KEPT, "Answers that are the JSON they are to be and keep its schema, over those that are to be JSON."),
}
FROM_EVERYBODY = "In points of the share, less that of everybody who is selected."


def _vector() -> tuple[Panel, ...]:
    return tuple(
        numbers(
            name,
            about,
            total(f'{ratio(*of)} AS "{name}"', f'{of[1]} AS "Looked at"'),
            "percentunit",
            8,
            units={"Looked at": "short"},
        )
        for name, (of, about) in SHARES.items()
    )


def _charts(*columns: str) -> tuple[Panel, ...]:
    return tuple(
        chart(f"{name} by {column}", about, over_time(f"{ratio(*of)} AS share", by=column), "percentunit", 8, column.capitalize())
        for column in columns
        for name, (of, about) in SHARES.items()
    )


def _table(by: tuple[str, ...], height: int) -> Panel:
    shares = [
        column
        for name, (of, _) in SHARES.items()
        for column in (
            f'{of[1]} AS "n {name}"',
            f'{ratio(*of)} AS "{name}"',
            f'{ratio(*of)} - sum({of[0]}) OVER () / nullIf(sum({of[1]}) OVER (), 0) AS "Δ {name}"',
        )
    ]
    return cells(
        " × ".join(by).capitalize(),
        f"Each share with the number of answers of which it can be told. Δ: {FROM_EVERYBODY} Most refusals first; "
        f"click a name to narrow "
        "the board to it.",
        rows(SAMPLES, *shares, by=by, order='"Δ Refusals" DESC NULLS LAST', having=f"{N} > 0"),
        "percentunit",
        height,
        "Δ Refusals",
        {
            **{column.capitalize(): narrowing(UID, column) for column in by},
            "n": properties({"unit": "short"}),
            **{f"n {name}": sample(ENOUGH) for name in SHARES},
            **{name: properties(SHARE) for name in SHARES},
            **{f"Δ {name}": properties(SHARE) for name in SHARES},
            "Δ Refusals": coloured("percentunit", 0.02, 0.05),
        },
    )


def board() -> Dashboard:
    """The board, ready to be rendered."""
    return assemble(
        UID,
        "Behaviour",
        "What answers show without a judge: refusals, citations and the schema they are to keep, over time and by cohort.",
        [view(), *map(component, SERIES)],
        {
            "The whole range": _vector(),
            "Over time": _charts("cohort", "release", "language"),
            "Slices": (_table(("route", "cohort"), 9), _table(("route", "model", "release"), 9)),
        },
    )
