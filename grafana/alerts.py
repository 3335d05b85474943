"""What watch told, as boards show it: rows of `latest_alerts` and `alerts`, with amounts as people read them."""

from grafana.panels import BAD, GOOD, WARN, WRAPPED, properties, words
from grafana.sql import Query, among, shown

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


WIDTHS = {"State": 80, "Severity": 80, "Since": 160, "Owner": 130, "Slice": 180, "Rule": 220}
"""Pixels; what is left is for the words, which take as many lines as they need."""

BROKEN = {
    **{column: properties({"custom.width": width}) for column, width in WIDTHS.items()},
    "Since": properties({"unit": "dateTimeAsIso", "custom.width": WIDTHS["Since"]}),
    "State": [*words(STATES), *properties({"custom.width": WIDTHS["State"]})],
    "Severity": [*words(SEVERITIES), *properties({"custom.width": WIDTHS["Severity"]})],
    "Says": WRAPPED,
    **{name: properties({"custom.wrapText": True, "custom.width": WIDTHS[name]}) for name in ("Slice", "Rule")},
}
COLUMNS = BROKEN | {"At": BROKEN["Since"]}
