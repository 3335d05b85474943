"""Blocks of scores read, and what a pane of scores adds up of them."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from pipeline.model.columns import SCHEMA_VERSION, SCORES, Column
from pipeline.model.log_time import LONGEST_SOURCE
from pipeline.model.score_columns import COUNTED_SCORES, SCORE_COUNTS, SCORE_SERIES, SCORE_SQUARES, SCORE_SUMS
from pipeline.model.scores import MOST_TOKENS, ScoreStatus
from pipeline.operators.first_scores import Identity
from pipeline.operators.window import Family, Ints, Measured

SCORE_FAMILY = Family(
    names=SCORE_SERIES,
    sums=tuple(SCORE_COUNTS),
    totals={name: name for name in SCORE_SUMS},
    squares={name: name for name in SCORE_SQUARES},
    digests={},
)
"""What a pane of scores adds up."""

WEIGHT = 10_000
"""A weight of 1 as it is summed."""
VALUE = 1_000_000
"""A value of 1 as it is summed."""
MOST_WEIGHT = 10**10
"""The weight of the rarest score, one in a million: its weighted value fits 64 bits, and the square of that 128."""

_TRACE_ID = re.compile(r"[0-9a-f]{32}")
_Whole = Annotated[int, msgspec.Meta(ge=0, lt=1 << 62)]
_Tokens = Annotated[int, msgspec.Meta(ge=0, le=MOST_TOKENS)]
_Share = Annotated[float, msgspec.Meta(ge=0, le=1)]
_TYPES: dict[str, Any] = {"string": str, "integer": _Whole, "number": _Share, "boolean": bool}
_NARROWER: dict[str, Any] = {
    "judge_input_tokens": _Tokens,
    "judge_output_tokens": _Tokens,
    "status": ScoreStatus,
    "source": Annotated[str, msgspec.Meta(max_length=LONGEST_SOURCE)],
    "inclusion_probability": Annotated[float, msgspec.Meta(gt=0, le=1)],
}


def _list_of(column: Column) -> Any:
    kind: Any = _NARROWER.get(column.name, _TYPES[column.type])
    return list[kind | None] if column.nullable else list[kind]


_Block = msgspec.defstruct("_Block", [(column.name, _list_of(column)) for column in SCORES], forbid_unknown_fields=True)
_decoder: msgspec.json.Decoder[Any] = msgspec.json.Decoder(_Block)


@dataclass(frozen=True, slots=True)
class ScoreBlock:
    """n scores as `pipeline.model.columns.SCORES` has them."""

    columns: dict[str, list[Any]]

    def __len__(self) -> int:
        return len(self.columns["trace_id"])

    def identities(self) -> list[Identity]:
        """Which of them are one: of a trace, an evaluator, its version, and who says so."""
        names = ("trace_id", "evaluator", "evaluator_version", "scorer")
        return list(zip(*(self.columns[name] for name in names), strict=True))

    def counted(self, rows: Sequence[int], known_ns: int, source: str, offset: int) -> dict[str, list[Any]]:
        """Some of them as columns of COUNTED_SCORES."""
        k = len(rows)
        own: dict[str, list[Any]] = {
            "known_ns": [known_ns] * k,
            "source": [source] * k,
            "offset": [offset] * k,
            "schema_version": [SCHEMA_VERSION] * k,
        }
        said = [column.name for column in COUNTED_SCORES if column.name not in own]
        return {name: [self.columns[name][i] for i in rows] for name in said} | own


def read_scores(value: bytes) -> ScoreBlock:
    """A block of SCORES. Raises ValueError for anything else, and for a value that no score can have."""
    try:
        block = _decoder.decode(value)
    except (msgspec.MsgspecError, RecursionError) as error:
        raise ValueError(str(error)) from None
    lists = {name: getattr(block, name) for name in _Block.__struct_fields__}
    if len({len(values) for values in lists.values()}) != 1:
        raise ValueError("ragged block")
    if not all(map(_TRACE_ID.fullmatch, lists["trace_id"])):
        raise ValueError("an id is none")
    if any(settled > offset for settled, offset in zip(lists["settled"], lists["offset"], strict=True)):
        raise ValueError("a score of what is settled")
    ok = [status is ScoreStatus.OK for status in lists["status"]]
    if any((value is not None) != fine for value, fine in zip(lists["value"], ok, strict=True)):
        raise ValueError("a value without the status ok, or none with it")
    if any(passed is not None and not fine for passed, fine in zip(lists["passed"], ok, strict=True)):
        raise ValueError("passed without the status ok")
    return ScoreBlock(lists)


def measured(block: ScoreBlock, rows: Sequence[int]) -> Measured:
    """Some of the scores as what a window adds up."""
    chosen = {name: [values[i] for i in rows] for name, values in block.columns.items()}
    code: dict[tuple[str, ...], int] = {}
    of = [code.setdefault(key, len(code)) for key in zip(*(chosen[name] for name in SCORE_SERIES), strict=True)]
    counts, values = _counts(chosen), _sums(chosen)
    sums = np.column_stack([counts[name] for name in SCORE_COUNTS]).astype(np.int64)
    return Measured(list(code), np.array(of, np.int64), np.ascontiguousarray(sums), values)


def _counts(chosen: dict[str, list[Any]]) -> dict[str, NDArray[Any]]:
    """By the name of a count (n,) what each score adds to it."""
    status = np.array([said.value for said in chosen["status"]])
    ok = status == ScoreStatus.OK.value
    unpriced = [
        cost is None and model != "" for cost, model in zip(chosen["judge_cost_nusd"], chosen["judge_model"], strict=True)
    ]
    return {
        "scores": np.ones(len(ok), np.int64),
        **{said.value: status == said.value for said in ScoreStatus},
        "incomplete": ok & np.array(chosen["incomplete"], bool),
        "checked": np.array([passed is not None for passed in chosen["passed"]], bool),
        "fails": np.array([passed is False for passed in chosen["passed"]], bool),
        "controlled": ok & np.array([control is not None for control in chosen["control"]], bool),
        "judge_input_tokens": np.array(chosen["judge_input_tokens"], np.int64),
        "judge_output_tokens": np.array(chosen["judge_output_tokens"], np.int64),
        "unpriced": np.array(unpriced, bool),
    }


def _sums(chosen: dict[str, list[Any]]) -> dict[str, Ints]:
    """By the name of a sum (n,) what each score adds to it, before it is squared where it is a sum of squares."""
    ok = np.array([value is not None for value in chosen["value"]], bool)
    weight = np.where(ok, weights(chosen["inclusion_probability"]), 0)
    value, control = millionths(chosen["value"]), millionths(chosen["control"])
    checked = np.where([passed is not None for passed in chosen["passed"]], weight, 0)
    fails = np.where([passed is False for passed in chosen["passed"]], weight, 0)
    controlled = np.where([control is not None for control in chosen["control"]], weight, 0)
    return {
        "weight": weight,
        "value_sum": weight * value,
        "value_sq_sum": weight * product(value, value),
        "checked_weight": checked,
        "fails_weight": fails,
        "controlled_weight": controlled,
        "control_sum": controlled * control,
        "control_sq_sum": controlled * product(control, control),
        "control_value_sum": controlled * product(control, value),
        "controlled_value_sum": controlled * value,
        "controlled_value_sq_sum": controlled * product(value, value),
        "judge_cost_nusd": np.array([cost or 0 for cost in chosen["judge_cost_nusd"]], np.int64),
        "weight_sq": weight,
        "value_weight_sq": weight * value,
        "shifted_weight_sq": weight * (VALUE + value),
        "checked_weight_sq": checked,
        "fails_weight_sq": fails,
        "controlled_weight_sq": controlled,
    }


def weights(probabilities: Sequence[float]) -> Ints:
    """What scores weigh, in 1/10,000; of probabilities in (0, 1]."""
    shares = np.maximum(np.array(probabilities, np.float64), WEIGHT / MOST_WEIGHT)
    return np.rint(WEIGHT / shares).astype(np.int64)


def millionths(values: Sequence[float | None]) -> Ints:
    """Values in [0, 1] in millionths; 0 for none."""
    return np.rint(np.array([value or 0.0 for value in values], np.float64) * VALUE).astype(np.int64)


def product(a: Ints, b: Ints) -> Ints:
    """The product of values in millionths, in millionths, halves up."""
    return (a * b + VALUE // 2) // VALUE
