"""Means of scores over whatever a board selects, each with its 95 % interval: `pipeline/operators/estimates.py` in SQL over sums.

The views `quality_by_cohort` say the same for the slices they have; a test holds both against each other.
"""

# ruff: noqa: S608 - the SQL of a board is made of constants

from grafana.sql import FROM_START, IN_ANY_ORDER, MOST_LINES, SCORE_ROWS, SERIES, Query, named, shown, where

SELECTED = where(*SERIES, "evaluator")
ANY_RELEASE = where(*(column for column in SERIES if column != "release"), "evaluator")

STATUSES = ("ok", "failed", "skipped", "over_budget", "invalid", "timeout")
SUMS = (
    *("scores", *STATUSES, "incomplete", "checked", "fails", "weight", "weight_sq", "value_sum", "value_weight_sq"),
    *("shifted_weight_sq", "checked_weight", "checked_weight_sq", "fails_weight", "fails_weight_sq", "judge_cost_nusd"),
)
Z_SQ = 3.841458820694124
"""Of a normal distribution's 95 %."""

MEAN = "toFloat64(value_sum) / 1e6 / nullIf(toFloat64(weight), 0)"
FAILS = "toFloat64(fails_weight) / nullIf(toFloat64(checked_weight), 0)"


def _spread(mean: str, square: str, cross: str) -> str:
    return f"greatest(0, {square} - 2 * ({mean}) * ({cross}) + pow({mean}, 2))"


def _interval(mean: str, n: str, spread: str) -> str:
    """(low, high) of a mean between 0 and 1."""
    centre = f"((n * m + {Z_SQ / 2}) / (n + {Z_SQ}))"
    half = f"sqrt({Z_SQ} * (n * (s + pow(m - {centre}, 2)) + {Z_SQ} * (0.25 + pow(0.5 - {centre}, 2)))) / (n + {Z_SQ})"
    ends = f"(greatest(0, {centre} - {half}), least(1, {centre} + {half}))"
    return f"arrayMap((m, n, s) -> {ends}, [{mean}], [{n}], [{spread}])[1]"


_W_SQ, _C_SQ = "nullIf(toFloat64(weight_sq), 0)", "nullIf(toFloat64(checked_weight_sq), 0)"
_SHIFTED = "toInt256(shifted_weight_sq) - toInt256(weight_sq) * 1000000000000 - toInt256(value_weight_sq)"
MEAN_INTERVAL = _interval(
    MEAN,
    f"pow(toFloat64(weight), 2) / {_W_SQ}",
    _spread(MEAN, f"toFloat64(value_weight_sq) / 1e12 / {_W_SQ}", f"toFloat64({_SHIFTED}) / 2e12 / {_W_SQ}"),
)
FAILS_INTERVAL = _interval(
    FAILS,
    f"pow(toFloat64(checked_weight), 2) / {_C_SQ}",
    _spread(FAILS, f"toFloat64(fails_weight_sq) / {_C_SQ}", f"toFloat64(fails_weight_sq) / {_C_SQ}"),
)


def summed(keys: tuple[str, ...], selected: str = SELECTED, only: str = "") -> str:
    """Rows of sums, one for each of `keys`: columns of the view as the board shows them, or `… AS name`."""
    own = [key if " AS " in key else named(key) for key in keys]
    names = [key.rpartition(" AS ")[2] for key in own]
    sums = (f"sum{'If' if only else ''}(s.{name}{f', {only}' if only else ''}) AS {name}" for name in SUMS)
    return "SELECT\n  " + ",\n  ".join((*own, *sums)) + f"\nFROM {SCORE_ROWS} AS s\nWHERE {selected}\nGROUP BY {', '.join(names)}"


OF = ("evaluator", f"{shown('evaluator_version')} AS Version", "scorer")
"""What is never put together: another version is another measure."""


def mean_over_time(by: str = "") -> Query:
    """The mean of each evaluator and version, or of each value of `by` as well, a line each."""
    keys = (FROM_START, *OF, *((by,) if by else ()))
    line = f"concat(Evaluator, ' ', Version{f', {chr(39)} {chr(39)}, {by.capitalize()}' if by else ''})"
    largest = (
        f"\n  AND {by} IN (SELECT {by} FROM {SCORE_ROWS} WHERE {SELECTED} GROUP BY {by} ORDER BY sum(ok) DESC, {by} "
        f"LIMIT {MOST_LINES})"
        if by
        else ""
    )
    return Query(
        f"SELECT time, {line} AS Line, {MEAN} AS mean FROM (\n{summed(keys, SELECTED + largest)}\n)\nWHERE ok > "
        f"0\nORDER BY time, Line{IN_ANY_ORDER}"
    )
