"""The columns of what becomes of scores: the panes of the family `scores`, and the scores that count.

A score weighs 1 / its inclusion probability, in 1/10,000; values are in millionths. So all sums are of integers and do not
depend on order. What is made of them: `pipeline/operators/estimates.py`.
"""

from pipeline.model.columns import SCORES, SERIES, Column
from pipeline.model.scores import ScoreStatus

SCORE_SERIES = (*SERIES, "evaluator", "evaluator_version", "scorer")
"""The series key of a pane of scores: that of the score's trace, and who said it."""

SCORE_COUNTS: dict[str, str] = {
    "scores": "scores, whatever their status",
    **{status.value: f"of these, with the status {status.value}" for status in ScoreStatus},
    "incomplete": "of the ok scores, those of traces that are not whole",
    "checked": "of the ok scores, those of which it is known whether they passed",
    "fails": "of these, those that did not",
    "controlled": "of the ok scores, those of a trace that has a control",
    "judge_input_tokens": "prompt tokens of judges",
    "judge_output_tokens": "completion tokens of judges",
    "unpriced": "judgements by a model that has no price",
}
"""The counting measures of a pane of scores, in order."""

SCORE_SUMS: dict[str, str] = {
    "weight": "sum of weights of ok scores",
    "value_sum": "of weight times value",
    "value_sq_sum": "of weight times squared value",
    "checked_weight": "of weights of checked scores",
    "fails_weight": "of weights of fails",
    "controlled_weight": "of weights of controlled scores",
    "control_sum": "of weight times control",
    "control_sq_sum": "of weight times squared control",
    "control_value_sum": "of weight times control times value",
    "controlled_value_sum": "of weight times value of controlled scores",
    "controlled_value_sq_sum": "of weight times squared value of controlled scores",
    "judge_cost_nusd": "of costs of judges, nano-USD",
}
"""The sums of a pane of scores, in order; weights in 1/10,000, values, their squares and products in millionths."""

SCORE_SQUARES: dict[str, str] = {
    "weight_sq": "sum of squared weights of ok scores",
    "value_weight_sq": "of squared (weight times value)",
    "shifted_weight_sq": "of squared (weight times (1 + value))",
    "checked_weight_sq": "of squared weights of checked scores",
    "fails_weight_sq": "of squared weights of fails",
    "controlled_weight_sq": "of squared weights of controlled scores",
}
"""The sums of squares of a pane of scores, in order."""

SCORE_PANES: tuple[Column, ...] = (
    Column("window_start_ns", "integer", "start of the window, inclusive"),
    Column("window_end_ns", "integer", "end of the window, exclusive: of the time at which the scores became known"),
    *(Column(name, "string", "of the score's trace; __other__ over the cardinality limit") for name in SERIES),
    Column("evaluator", "string", "name of the evaluator"),
    Column("evaluator_version", "string", "version of the evaluator: another one is another series"),
    Column("scorer", "string", "who scored"),
    Column("source", "string", "log id of the partition of scores: topic:partition:epoch"),
    Column("revision", "integer", "offset up to which the partition was folded; the largest wins"),
    Column("firing", "string", "early or final: no score comes too late"),
    *(Column(name, "integer", doc) for name, doc in SCORE_COUNTS.items()),
    *(Column(name, "string", f"{doc}, decimal digits (128 bits)") for name, doc in (SCORE_SUMS | SCORE_SQUARES).items()),
    Column("schema_version", "integer", "version of these columns"),
)

COUNTED_SCORES: tuple[Column, ...] = (
    *(column for column in SCORES if column.name not in ("source", "offset", "settled", "schema_version")),
    Column("known_ns", "integer", "when it became known, nanoseconds since 1970: its window is the one that holds this"),
    Column("source", "string", "log id of the partition of scores: topic:partition:epoch"),
    Column("offset", "integer", "offset of its message there"),
    Column("schema_version", "integer", "version of these columns"),
)
"""A score that counts: the first of its trace, evaluator, version and scorer."""
