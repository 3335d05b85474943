"""Scores for tests: rows of what evaluate writes, of the scores that count, and of their panes; changed where the test says."""

from collections.abc import Sequence
from typing import Any

from pipeline.model.columns import SCORES, SERIES
from pipeline.model.score_columns import COUNTED_SCORES, SCORE_COUNTS, SCORE_PANES, SCORE_SERIES, SCORE_SQUARES, SCORE_SUMS
from pipeline.model.stream import Record, Source
from pipeline.operators.blocks import encode_rows
from tests.panes import MINUTE_NS, NOON_NS

SOURCE = Source("tailrace.scores.v1", 0, "test")

PLAIN: dict[str, Any] = {
    **dict.fromkeys(SERIES, ""),
    "environment": "prod",
    "route": "support",
    "evaluator": "judge",
    "evaluator_version": "1",
    "scorer": "evaluate",
    "status": "ok",
    "value": 0.75,
    "passed": True,
    "label": "",
    "status_reason": "",
    "explanation": "",
    "inclusion_probability": 1.0,
    "control": 0.5,
    "control_probability": 1.0,
    "incomplete": False,
    "trace_ns": NOON_NS - MINUTE_NS,
    "judge_model": "",
    "prompt_hash": "",
    "judge_input_tokens": 0,
    "judge_output_tokens": 0,
    "judge_cost_nusd": None,
    "source": "tailrace.samples.v1:0:test",
    "offset": 0,
    "settled": 0,
    "schema_version": 3,
}


def score(trace: int, **changes: Any) -> dict[str, Any]:
    """A score of a trace, of the offset with its number."""
    return PLAIN | {"trace_id": f"{trace:032x}", "offset": trace} | changes


def skipped(trace: int, **changes: Any) -> dict[str, Any]:
    """One without a value."""
    return score(trace, status="skipped", value=None, passed=None, **changes)


def record(offset: int, append_ns: int, rows: Sequence[dict[str, Any]]) -> Record:
    """A block of scores as read from the log."""
    return Record(SOURCE, offset, append_ns, encode_rows(SCORES, rows))


def counted_score(trace: int, **changes: Any) -> dict[str, Any]:
    """A score that counts, known at noon."""
    row = score(trace) | {"source": str(SOURCE), "offset": 5, "known_ns": NOON_NS} | changes
    return {column.name: row[column.name] for column in COUNTED_SCORES}


def score_pane(rows: Sequence[dict[str, Any]], minute: int = 0, **changes: Any) -> dict[str, Any]:
    """The pane of some scores of one series in the window that starts so many minutes after noon."""
    start = NOON_NS + minute * MINUTE_NS
    sums = dict.fromkeys((*SCORE_COUNTS, *SCORE_SUMS, *SCORE_SQUARES), 0)
    for row in rows:
        for name, number in plain_measures(row).items():
            sums[name] += number
    series = rows[0] if rows else PLAIN
    return (
        {"window_start_ns": start, "window_end_ns": start + MINUTE_NS, "source": str(SOURCE), "revision": 1, "firing": "final"}
        | {name: series[name] for name in SCORE_SERIES}
        | {name: number if name in SCORE_COUNTS else str(number) for name, number in sums.items()}
        | {"schema_version": 3}
        | changes
    )


def score_panes(*rows: dict[str, Any]) -> bytes:
    """Panes of scores as a block."""
    return encode_rows(SCORE_PANES, rows)


def plain_measures(row: dict[str, Any]) -> dict[str, int]:
    """What one score adds to a pane, said plainly."""
    ok = row["status"] == "ok"
    w = round(10_000 / row["inclusion_probability"]) if ok else 0
    y, x = round((row["value"] or 0) * 10**6), round((row["control"] or 0) * 10**6)
    checked, failed, controlled = row["passed"] is not None, row["passed"] is False, ok and row["control"] is not None

    def product(a: int, b: int) -> int:
        return (a * b + 500_000) // 1_000_000

    return {
        "scores": 1,
        row["status"]: 1,
        "incomplete": ok and row["incomplete"],
        "checked": checked,
        "fails": failed,
        "controlled": controlled,
        "judge_input_tokens": row["judge_input_tokens"],
        "judge_output_tokens": row["judge_output_tokens"],
        "unpriced": row["judge_cost_nusd"] is None and row["judge_model"] != "",
        "weight": w,
        "value_sum": w * y,
        "value_sq_sum": w * product(y, y),
        "checked_weight": w * checked,
        "fails_weight": w * failed,
        "controlled_weight": w * controlled,
        "control_sum": w * x * controlled,
        "control_sq_sum": w * product(x, x) * controlled,
        "control_value_sum": w * product(x, y) * controlled,
        "controlled_value_sum": w * y * controlled,
        "controlled_value_sq_sum": w * product(y, y) * controlled,
        "judge_cost_nusd": row["judge_cost_nusd"] or 0,
        "weight_sq": w**2,
        "value_weight_sq": (w * y) ** 2,
        "shifted_weight_sq": (w * (10**6 + y)) ** 2,
        "checked_weight_sq": w**2 * checked,
        "fails_weight_sq": w**2 * failed,
        "controlled_weight_sq": w**2 * controlled,
    }
