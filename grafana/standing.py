"""How every slice stands by a look of watch: the table *Slices, worst first*."""

# ruff: noqa: S608 - the SQL of a board is made of constants

from grafana.alerts import OF_ROUTE, SLICE, amount, plain
from grafana.evidence import odds
from grafana.panels import BAD, GOOD, SHORT_MOMENT, WARN, Panel, cells, properties, sample, within, words
from grafana.sql import Query, named

VERDICTS = {"broken": BAD, "likely": WARN, "crossed": WARN, "not enough data": "text", "kept": GOOD}

_CHANGE = "concat(toString(round(100 * detectable, 1)), if(in_points, ' points', ' %'))"
_EVIDENCE = (
    "multiIf(kind = 'burn_rate' OR log_e_value IS NULL OR hypotheses = 0, '', "
    f"log_e_value <= 0, 'none', concat(ifNull({odds('log_e_value')}, ''), ' of ', ifNull({odds('needed')}, '')))"
)
_MORE = "multiIf(verdict != 'not enough data', NULL, finds_nothing, 'not known', missing >= 1e9, 'far more', toString(missing))"
_SIDE = "if(direction = 'at_least', '≥ ', '≤ ')"
_RANK = ", ".join(f"'{verdict}'" for verdict in VERDICTS)
_ORDER = (
    f"indexOf([{_RANK}], Verdict), indexOf(['page', 'ticket', 'info'], Severity), log_e_value - needed DESC NULLS LAST, "
    "Environment, Route, Rule, Slice"
)

_LOOKS = "SELECT contract, partition, max(at_ns) AS last FROM standings WHERE $__timeFilter(at) GROUP BY contract, partition"
LAST = (
    f"SELECT contract, partition, last FROM ({_LOOKS})\n"
    "WHERE last > (SELECT max(at_ns) FROM standings WHERE $__timeFilter(at)) - 86400000000000"
)
LOOK = (
    "SELECT *, at, if(first_seen_ns = 0, NULL, fromUnixTimestamp64Milli(intDiv(first_seen_ns, 1000000), 'UTC')) AS first_seen\n"
    f"FROM standings FINAL\nWHERE $__timeFilter(at)\n  AND {OF_ROUTE}\n  AND (contract, partition, at_ns) IN ({LAST})\n"
    "  AND (contract, contract_hash) IN (SELECT name, hash FROM contracts_in_force)"
)
"""The last look within the range at each contract that is in force, as it is now; of partitions that had one in its last day.
What watch says by now: `latest_standings`.
"""


def slices() -> Query:
    """A row for each rule and slice, worst first."""
    columns = (
        "verdict AS Verdict",
        named("route"),
        f"{SLICE} AS Slice",
        f"{plain('rule')} AS Rule",
        "n",
        f"{amount('estimate')} AS Estimate",
        f"{amount('low')} AS Low",
        f"{amount('high')} AS High",
        f"concat({_SIDE}, {amount('bound')}) AS Bound",
        f"{_EVIDENCE} AS Evidence",
        f'{_MORE} AS "More needed"',
        f"if(detectable IS NULL OR detectable > 10 OR finds_nothing, NULL, {_CHANGE}) AS Finds",
        "severity AS Severity",
        named("environment"),
        "first_seen AS Since",
        f"{plain('contract')} AS Contract",
        "at AS Look",
    )
    return Query("SELECT\n  " + ",\n  ".join(columns) + f"\nFROM (\n{LOOK}\n)\nORDER BY {_ORDER}\nLIMIT 200", table=True)


PIXELS = {
    "Verdict": 82,
    "Route": 84,
    "Slice": 108,
    "n": 58,
    "Estimate": 76,
    "Low": 68,
    "High": 68,
    "Bound": 82,
    "Evidence": 100,
    "More needed": 70,
    "Finds": 66,
    "Severity": 70,
    "Environment": 100,
    "Since": 92,
    "Contract": 78,
}
"""All of a row fits on a screen of 1,440 with the rule, which has what is left. Look, the same in most rows, is not shown."""

SLICES: Panel = cells(
    "Slices, worst first",
    "How every promise stands in every slice, by the last look of watch within the range. Broken: it fires. Likely: its "
    "evidence puts it on a list of which at most the contract's rate of false discoveries is expected to be wrong; nobody is "
    "paged. Crossed: the estimate lies beyond the bound, no claim. Evidence: odds that it is no chance, of what a page needs. "
    "More needed: calls, traces or scores until something can be said; not known where none of the changes that are looked for "
    "would be found. Finds: the smallest change that would be found. "
    "Severity: of the alert, if it came. Of a contract the worst 200 are told, in each partition of panes.",
    slices(),
    "short",
    12,
    "",
    {
        **{name: within(width) for name, width in PIXELS.items()},
        "Verdict": [*words(VERDICTS), *within(PIXELS["Verdict"])],
        "Rule": properties({"custom.wrapText": True, "custom.minWidth": 176}),
        "n": [*sample(100), *within(PIXELS["n"])],
        "Since": [*SHORT_MOMENT, *properties({"custom.width": PIXELS["Since"]})],
        "Look": properties({"custom.hideFrom": {"viz": True}}),
    },
)
