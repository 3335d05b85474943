"""The board *Contract*: what was promised of the selected routes, whether it is kept, and what is broken now."""

from grafana_foundation_sdk.models.dashboard import Dashboard

from grafana.alerts import BROKEN, COLUMNS, broken, told
from grafana.budgets import budgets
from grafana.panels import (
    BAD,
    GOOD,
    SHARE,
    WARN,
    WIDE,
    Panel,
    cells,
    coloured,
    limits,
    numbers,
    properties,
    rising,
    sample,
    within,
    words,
)
from grafana.promised import OF_ROUTE, asked, counted, objectives
from grafana.sql import Query
from grafana.standing import SLICES
from grafana.variables import assemble, component, view, worked_out

UID = "tailrace-contract"
STATUSES = {"kept": GOOD, "crossed": WARN, "broken": BAD, "no data": "text"}
PIXELS = {
    "Status": 64,
    "Environment": 100,
    "Route": 86,
    "Target": 88,
    "Estimate": 92,
    "n": 60,
    "Low": 66,
    "High": 66,
    "Slices": 56,
    "Window": 66,
    "Severity": 68,
    "Minimum": 75,
    "Owner": 78,
    "Contract": 78,
    "Versions": 72,
}
"""Of the table of objectives: all of it fits on a screen of 1,440 with the objective, which has what is left."""

PROMISED_WINDOWS = worked_out(
    "promised", "Promised", "Which windows the objectives in force are about, and which ends with the range.", asked()
)

NOW: tuple[Panel, ...] = (
    numbers(
        "Objectives",
        "How the objectives of the contracts in force stand, one for each route they are about. Crossed: the estimate "
        "lies beyond the bound, "
        "and nothing is claimed. Broken: watch has evidence, of the route or of a slice. No data: fewer than the minimum.",
        counted(),
        "short",
        12,
        colours={"crossed": (WARN, 1), "broken": (BAD, 1)},
    ),
    numbers(
        "Firing",
        "Alerts of the selected routes that are firing now, of everything watch looks at: bounds, releases, budgets.",
        Query(
            "SELECT countIf(severity = 'page') AS Pages, countIf(severity = 'ticket') AS Tickets\nFROM latest_alerts\n"
            f"WHERE state = 'firing' AND first_seen <= $__toTime\n  AND {OF_ROUTE}",
            table=True,
        ),
        "short",
        12,
        limits(1, 1),
    ),
    cells(
        "Broken now",
        "What is firing, since when, of which slice and whose it is, in the alert's own words: pages before tickets.",
        broken(),
        "short",
        9,
        "",
        BROKEN,
    ),
)

PROMISED: tuple[Panel, ...] = (
    cells(
        "Objectives one by one",
        "Each objective and route: the target, the estimate over the objective's own window up to the newest of the "
        "range, and how many "
        "calls, traces or scores it is of. Low and high: the running interval of an alert, where one is firing. "
        "Slices: how many of them "
        "are firing. Versions: those of the evaluator that the estimate is of, and who scored if others did too; watch judges "
        "them together. A contract that was applied before this board was there shows once it is applied again.",
        objectives(),
        "short",
        12,
        "",
        {
            **{name: within(width) for name, width in PIXELS.items()},
            "Status": [*words(STATUSES), *within(PIXELS["Status"])],
            "Window": properties({"unit": "ns", "custom.width": PIXELS["Window"]}),
            "Slices": [*coloured("short", 1, 5), *within(PIXELS["Slices"])],
            "Objective": properties({"custom.wrapText": True, "custom.minWidth": 200}),
        },
    ),
    SLICES,
    cells(
        "Error budgets",
        "Over their period up to the end of the range: which share of it is left, 0 % and less is used up. Seen: hours that were "
        "counted.",
        budgets(),
        "percentunit",
        7,
        "",
        {
            "Left": rising("percentunit", 0, 0.25),
            **{name: properties(SHARE) for name in ("Bad", "Allowed")},
            "n": sample(100),
            "Budget": WIDE,
            "Period": properties({"unit": "ns"}),
            "Seen": properties({"unit": "ns"}),
        },
    ),
    cells(
        "Told within the range",
        "Every alert of the selected routes in the range, also those that are over, newest first.",
        told(),
        "short",
        9,
        "",
        COLUMNS,
    ),
)


def board() -> Dashboard:
    """The board, ready to be rendered."""
    return assemble(
        UID,
        "Contract",
        "What was promised of a route, whether it is kept, what is broken now, and what is left of error budgets.",
        [view(), PROMISED_WINDOWS, component("environment"), component("route")],
        {"Now": NOW, "What was promised": PROMISED},
    )
