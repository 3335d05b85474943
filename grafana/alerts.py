"""What watch told, as boards show it: rows of `latest_alerts` and `alerts`, with amounts as people read them."""

from collections.abc import Iterable

from grafana.panels import BAD, GOOD, WARN, WRAPPED, opening, properties, words
from grafana.sql import SERIES, Query, among, shown
from pipeline.model.metrics import MEASURES

SEVERITIES = {"page": BAD, "ticket": WARN, "info": "text"}
STATES = {"firing": BAD, "resolved": GOOD}


def amount(value: str, unit: str = "unit") -> str:
    """An amount in a base unit as text, for rows that differ in it; null if there is none."""
    of = {
        "ns": f"multiIf(abs({value}) >= 60e9, concat(toString(round({value} / 60e9, 2)), ' min'), "
        f"abs({value}) >= 1e9, concat(toString(round({value} / 1e9, 3)), ' s'), concat(toString(round({value} / 1e6, "
        f"2)), ' ms'))",
        "nusd": f"concat(toString(if(abs({value}) >= 1e9, round({value} / 1e9, 2), round({value} / 1e9, 6))), ' USD')",
        "share": f"concat(toString(round(100 * {value}, 3)), ' %')",
        "tokens_per_second": f"concat(toString(round({value}, 2)), ' tokens/s')",
        "times": f"concat(toString(round({value}, 2)), ' times')",
    }
    cases = ", ".join(f"{unit} = '{name}', {text}" for name, text in of.items())
    return f"if({value} IS NULL, NULL, multiIf({cases}, toString(round({value}, 4))))"


def plain(column: str) -> str:
    """A text without what begins Grafana's own words."""
    return f"replaceAll({column}, char(36), '%24')"


_PAIRS = f"arrayMap((k, v) -> concat(k, ' ', {shown('v')}), mapKeys(slice), mapValues(slice))"
SLICE = f"if(empty(slice), 'all of it', arrayStringConcat({_PAIRS}, ', '))"

OF_ROUTE = "\n  AND ".join(map(among, ("environment", "route")))


def _encoded(value: str) -> str:
    return f"encodeURLComponent({shown(value)})"


def _among(names: Iterable[str]) -> str:
    return f"({', '.join(f'{chr(39)}{name}{chr(39)}' for name in names)})"


_IS_SCORE = f"(match(metric, '[.](mean|fail)$') AND splitByChar('.', metric)[1] NOT IN {_among(MEASURES)})"
_EVALUATOR = "replaceRegexpOne(metric, '[.](mean|fail)$', '')"
_SLICE = f"arrayFilter(one -> one.1 IN {_among(SERIES)}, arrayZip(mapKeys(slice), mapValues(slice)))"
_SELECTED = (
    f"'&var-environment=', {_encoded('environment')}, '&var-route=', {_encoded('route')}, "
    f"arrayStringConcat(arrayMap(one -> concat('&var-', one.1, '=', {_encoded('one.2')}), {_SLICE})), "
    f"if({_IS_SCORE}, concat('&var-evaluator=', {_encoded(_EVALUATOR)}), '')"
)
BOARD = (
    f"concat('/d/tailrace-', multiIf(kind = 'pipeline', 'operations', {_IS_SCORE}, 'quality', 'performance'), "
    "'?from=', toString(intDiv(first_seen_ns, 1000000) - 3600000), '&to=', toString(1000 * toUnixTimestamp($__toTime)), "
    f"if(kind = 'pipeline', '', concat({_SELECTED})))"
)
"""Where the slice is seen, from an hour before it began on: on *Quality by cohort* where scores told of it."""


def _rows(source: str, condition: str, order: str, *times: str) -> Query:
    """What its words say, where it is and of how many, has no column beside them."""
    columns = (
        "state AS State",
        "severity AS Severity",
        f"{plain('text')} AS Says",
        *times,
        f"{plain('owner')} AS Owner",
        f"{SLICE} AS Slice",
        f"{plain('rule')} AS Rule",
        f"{BOARD} AS Board",
    )
    return Query(
        "SELECT\n  "
        + ",\n  ".join(columns)
        + f"\nFROM {source}\nWHERE {condition}\n  AND {OF_ROUTE}\nORDER BY {order}\nLIMIT 200",
        table=True,
    )


TOLD = "(SELECT *, at, fromUnixTimestamp64Milli(intDiv(first_seen_ns, 1000000), 'UTC') AS first_seen FROM alerts FINAL)"


def told(condition: str = "1 = 1") -> Query:
    """Alerts as they were told within the range, newest first."""
    times = ("at AS At", "first_seen AS Since")
    return _rows(TOLD, f"$__timeFilter(at)\n  AND {condition}", "At DESC, Severity, Rule", *times)


def broken() -> Query:
    """What is firing now, of what began before the end of the range: pages before tickets, the newest first."""
    rank = "indexOf(['info', 'ticket', 'page'], Severity)"
    firing = "state = 'firing' AND first_seen <= $__toTime"
    return _rows("latest_alerts", firing, f"{rank} DESC, at DESC, Rule", "first_seen AS Since")


WIDTHS = {"State": 80, "Severity": 80, "Since": 160, "Owner": 130, "Slice": 180, "Rule": 210}
"""Pixels; what is left is for the words, which take as many lines as they need."""

BROKEN = {
    **{column: properties({"custom.width": width}) for column, width in WIDTHS.items()},
    "Since": properties({"unit": "dateTimeAsIso", "custom.width": WIDTHS["Since"]}),
    "State": [*words(STATES), *properties({"custom.width": WIDTHS["State"]})],
    "Severity": [*words(SEVERITIES), *properties({"custom.width": WIDTHS["Severity"]})],
    "Says": WRAPPED,
    **{name: properties({"custom.wrapText": True, "custom.width": WIDTHS[name]}) for name in ("Slice", "Rule")},
    "Board": opening("the board with this slice"),
}
COLUMNS = BROKEN | {"At": BROKEN["Since"]}
