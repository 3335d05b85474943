"""Blocks of samples read: one value a span, as few and large as they are."""

import re
import sys
from dataclasses import dataclass
from typing import Annotated, Any

import msgspec

from pipeline.model.columns import SAMPLES, SERIES, Column
from pipeline.model.log_time import LONGEST_SOURCE

TRACE_ID = re.compile(r"[0-9a-f]{32}")
SPAN_ID = re.compile(r"[0-9a-f]{16}")

_Whole = Annotated[int, msgspec.Meta(ge=0, lt=1 << 62)]
"""As in spans: a score of a trace whose time lies outside could not be read, nor could those that stand beside it."""

_TYPES: dict[str, Any] = {"string": str, "integer": _Whole, "number": float, "boolean": bool}


def _list_of(column: Column) -> Any:
    kind: Any = _TYPES[column.type]
    return list[kind | None] if column.nullable else list[kind]


_Block = msgspec.defstruct("_Block", [(column.name, _list_of(column)) for column in SAMPLES], forbid_unknown_fields=True)
_decoder: msgspec.json.Decoder[Any] = msgspec.json.Decoder(_Block)


@dataclass(frozen=True, slots=True)
class SampleRow:
    """One span of a chosen trace, as `pipeline.model.columns.SAMPLES` has it. size, held: characters and bytes of its texts."""

    trace_id: str
    span_id: str
    is_root: bool
    start_ns: int
    end_ns: int
    series: tuple[str, ...]
    kind: str
    status: str
    finish_reason: str
    refusal: bool | None
    citation: bool | None
    schema_valid: bool | None
    question: str
    answer: str
    documents: str
    tool_name: str
    tool_arguments: str
    tool_result: str
    output_schema: str
    wants_json: bool
    cut: bool
    ceiling: float
    source: str
    recorded_ns: int
    size: int
    held: int


def read_samples(value: bytes) -> list[SampleRow]:
    """The rows of a block of SAMPLES. Raises ValueError for anything else."""
    try:
        block = _decoder.decode(value)
    except (msgspec.MsgspecError, RecursionError) as error:
        raise ValueError(str(error)) from None
    lists = {name: getattr(block, name) for name in _Block.__struct_fields__}
    if len({len(values) for values in lists.values()}) != 1:
        raise ValueError("ragged block")
    if any(len(source) > LONGEST_SOURCE for source in lists["source"]):
        raise ValueError("source is no log id")
    if not all(map(TRACE_ID.fullmatch, lists["trace_id"])) or not all(map(SPAN_ID.fullmatch, lists["span_id"])):
        raise ValueError("an id is none")
    if not all(0 < ceiling <= 1 for ceiling in lists["ceiling"]):
        raise ValueError("ceiling is no share")
    series = zip(*(lists[name] for name in SERIES), strict=True)
    return [
        SampleRow(
            **{name: value for name, value in zip(lists, row, strict=True) if name in _KEPT},
            is_root=not lists["parent_span_id"][i],
            series=key,
            size=sum(len(lists[name][i]) for name in _TEXTS),
            held=sum(_held(lists[name][i]) for name in _TEXTS),
        )
        for i, (row, key) in enumerate(zip(zip(*lists.values(), strict=True), series, strict=True))
    ]


_KEPT = frozenset(SampleRow.__slots__) - {"is_root", "series", "size", "held"}
_TEXTS = ("question", "answer", "documents", "tool_arguments", "tool_result", "output_schema")


def _held(text: str) -> int:
    """Bytes of memory of a text: one rare character makes all wide. In whole bytes a character, so the same everywhere."""
    return len(text) * (sys.getsizeof(text) // len(text)) if len(text) > SHORT else 4 * len(text)


SHORT = 100
"""Characters up to which a text's header outweighs it."""
