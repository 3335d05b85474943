"""A span block read back into arrays: only the columns that aggregate folds, as numbers.

Everything that is text in the block becomes a code or a hash here, so folding is arithmetic.
"""

from collections import defaultdict
from collections.abc import Hashable, Iterable, Iterator
from dataclasses import dataclass
from itertools import compress, count
from typing import Annotated, Any, TypeVar

import msgspec
import numpy as np
from numpy.typing import NDArray

from pipeline.model.columns import CHECKS, COUNTS, REQUEST_KINDS, SERIES, SPEND, TOKENS
from pipeline.model.log_time import LONGEST_SOURCE
from pipeline.operators.kernels import identity
from pipeline.operators.siphash import Key, siphash_rows
from pipeline.operators.tellers import comparable, layer_of
from pipeline.operators.told_columns import DETAILS, KINDS, THROUGH
from pipeline.operators.window import Family, Series

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

Value = TypeVar("Value", bound=Hashable)

SUMS = (*COUNTS, *TOKENS, "ttft_count")
"""What a series adds up in 64 bits, in order; money and time need more."""

CALLS = Family(
    names=SERIES,
    sums=SUMS,
    totals={"cost_nusd": "cost", **{name: name for name in SPEND}, "latency_sum_ns": "latency", "ttft_sum_ns": "ttft"},
    squares={"cost_sq": "cost", "latency_sq": "latency"},
    digests={"latency_digest": "latency", "ttft_digest": "ttft", "tps_digest": "tps"},
    ladders={
        "latency": ("latency", 1),
        "ttft": ("ttft", 1),
        "tps": ("tps", 1000),
        "cost": ("cost", 1),
    },
)
"""What a pane of calls adds up."""

VALUES = {"latency": np.float64, "ttft": np.float64, "tps": np.float64, "cost": np.int64, **dict.fromkeys(SPEND, np.int64)}
"""What is known of a call beside its sums, and as what."""

TOLD = {
    "span": np.uint64,
    "parent": np.uint64,
    "start_ns": np.int64,
    "end_ns": np.int64,
    "call": np.bool_,
    "kind": np.uint8,
    "through": np.bool_,
    "teller": np.uint32,
    "layer": np.uint8,
    "model": np.uint64,
    "response": np.uint64,
    "input": np.int64,
    "output": np.int64,
    "reasoning": np.int64,
    "details": np.uint8,
    **dict.fromkeys(("error", "stream", "ttft", "cached", "priced"), np.bool_),
}
"""What of a span says whether it repeats another: the columns of `told_twice.Told` but for the bounds."""

Nanoseconds = Annotated[int, msgspec.Meta(ge=0, lt=1 << 62)]
Count = Annotated[int, msgspec.Meta(ge=0, lt=1 << 53)]
"""What floats hold exactly: decode writes nothing outside."""

Tokens = Annotated[int, msgspec.Meta(ge=0, le=1 << 32)]
"""What sums of 64 bits can take. decode writes less, but wrote so much once, and its old blocks are read like new ones."""


class _Block(msgspec.Struct):
    """The columns folded; the others are skipped unread."""

    trace_id: list[str]
    span_id: list[str]
    parent_span_id: list[str]
    start_ns: list[Nanoseconds]
    end_ns: list[Nanoseconds]
    source: list[str]
    environment: list[str]
    route: list[str]
    model: list[str]
    release: list[str]
    cohort: list[str]
    language: list[str]
    kind: list[str]
    stream: list[bool | None]
    status: list[str]
    latency_ns: list[Count]
    ttft_ns: list[Count | None]
    input_tokens: list[Tokens | None]
    output_tokens: list[Tokens | None]
    cache_read_tokens: list[Tokens | None]
    cache_write_tokens: list[Tokens | None]
    reasoning_tokens: list[Tokens | None]
    audio_input_tokens: list[Tokens | None]
    audio_output_tokens: list[Tokens | None]
    cost_nusd: list[Count | None]
    cost_source: list[str]
    refusal: list[bool | None]
    citation: list[bool | None]
    schema_valid: list[bool | None]
    dialect: list[str]
    scope_name: list[str]
    response_id: list[str]
    recorded_ns: list[Nanoseconds] = []
    cost_input_nusd: list[Count] = []
    cost_cache_read_nusd: list[Count] = []
    cost_cache_write_nusd: list[Count] = []
    cost_output_nusd: list[Count] = []
    cost_reasoning_nusd: list[Count] = []


LATER = ("recorded_ns", *SPEND)
"""Columns that old blocks lack; zeros then."""

NUMBERS = ("latency_ns", "ttft_ns", "cost_nusd", "stream", *TOKENS)

PRICED = ("cached", "unpriced")
"""Words for where a cost comes from that matter."""

MODEL = SERIES.index("model")

WHOLE = ("input", "output", "reasoning")
"""Tokens by which calls are compared."""

_decoder = msgspec.json.Decoder(_Block)


@dataclass(frozen=True, slots=True)
class SpanColumns:
    """n spans of a block.

    end_ns, ids: (n,) event time and hash of (trace id, span id).
    recorded_ns: (n,) append time of the OTLP record, 0 if the block does not know it (schema version 1).
    sources: distinct log ids of the OTLP records; source_code: (n,) index into it.
    trace, trace_hash: (n, 2) words of the trace's id, (n,) its hash. told: by name (n,), see TOLD.
    series: distinct series of the spans; code: (n,) index into it.
    request: (n,) index into the request columns below, -1 for a span that is no model call.
    sums: (m, len(SUMS)). values: by name of VALUES (m,), nan where a float is not known; costs are nano-USD, 0 where none.
    """

    end_ns: Ints
    ids: NDArray[np.uint64]
    recorded_ns: Ints
    sources: list[str]
    source_code: Ints
    trace: NDArray[np.uint64]
    trace_hash: NDArray[np.uint64]
    told: dict[str, NDArray[Any]]
    series: list[Series]
    code: Ints
    request: Ints
    sums: Ints
    values: dict[str, NDArray[Any]]

    def __len__(self) -> int:
        return len(self.end_ns)


def read_span_block(value: bytes, key: Key) -> SpanColumns:
    """Read a block of `pipeline.model.columns.SPANS`, ids hashed under `key`. Raises ValueError for anything else."""
    try:
        block = _decoder.decode(value)
    except (msgspec.MsgspecError, RecursionError) as error:
        raise ValueError(str(error)) from None
    n = len(block.end_ns)
    for name in LATER:
        if not getattr(block, name):
            setattr(block, name, [0] * n)
    if any(len(getattr(block, name)) != n for name in _Block.__struct_fields__):
        raise ValueError("ragged block")
    kinds, kind = _coded(block.kind, n)
    request = np.array([k in REQUEST_KINDS for k in kinds], np.bool_)[kind]
    where = np.flatnonzero(request)
    position = np.full(n, -1, np.int64)
    position[where] = np.arange(len(where))
    sources, source_code = _coded(block.source, n)
    if max(map(len, sources), default=0) > LONGEST_SOURCE:
        raise ValueError("source is no log id")
    series, code = _series([getattr(block, name) for name in SERIES], n)
    said: dict[str, NDArray[Any]] = {name: _numbers(getattr(block, name)) for name in NUMBERS}
    said |= {"error": next(_are(block.status, "error")), **dict(zip(PRICED, _are(block.cost_source, *PRICED), strict=True))}
    numbers = {name: values[where] for name, values in said.items()}
    ids = _ids(block.trace_id, block.span_id)
    trace = np.ascontiguousarray(ids[:, :2])
    ends = np.fromiter(block.end_ns, np.int64, n)
    return SpanColumns(
        ends,
        identity(ids, key),
        np.fromiter(block.recorded_ns, np.int64, n),
        sources,
        source_code,
        trace,
        siphash_rows(trace, *key),
        _told(
            block,
            said,
            {
                "span": ids[:, 2],
                "end_ns": ends,
                "call": request,
                "kind": _kinds(kinds)[kind],
                "model": _hashes([comparable(one[MODEL]) for one in series])[code] if n else np.zeros(0, np.uint64),
            },
        ),
        series,
        code,
        position,
        _sums(block, numbers, where),
        {
            "latency": numbers["latency_ns"],
            "ttft": numbers["ttft_ns"],
            "tps": speed(numbers["output_tokens"], numbers["latency_ns"], numbers["ttft_ns"]),
            "cost": _or(0, numbers["cost_nusd"]).astype(np.int64),
            **{name: np.array(getattr(block, name), np.int64)[where] for name in SPEND},
        },
    )


def _told(block: _Block, said: dict[str, Any], known: dict[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """What says whether spans repeat each other, see TOLD. Hashes hold within this process. Who tells, and of which
    response, is asked of calls alone.
    """
    n, calls = len(block.end_ns), np.flatnonzero(known["call"])
    chosen = known["call"].tolist()
    scopes, scope = _coded_of(block.scope_name, chosen, len(calls))
    dialects, dialect = _coded_of(block.dialect, chosen, len(calls))
    hashes = [hash((s, d)) & 0xFFFFFFFF for s in scopes for d in dialects]
    tellers = np.array(hashes, np.uint32).reshape(len(scopes), len(dialects))
    of_calls: dict[str, NDArray[Any]] = {
        "teller": tellers[scope, dialect],
        "layer": np.array([layer_of(s) for s in scopes], np.uint8)[scope],
        "response": _hashes(_chosen(block.response_id, chosen)),
    }
    through = np.array([kind in THROUGH for kind in KINDS], np.bool_)
    return known | {
        "parent": _parents(block.parent_span_id),
        "start_ns": np.fromiter(block.start_ns, np.int64, n),
        "through": through[known["kind"]],
        **{name: _spread(values, calls, n) for name, values in of_calls.items()},
        **{name: _or(-1, said[f"{name}_tokens"]).astype(np.int64) for name in WHOLE},
        "details": sum((~np.isnan(said[name]) for name in DETAILS), np.zeros(n, np.uint8)),
        "error": said["error"],
        "stream": said["stream"] == 1,
        "ttft": ~np.isnan(said["ttft_ns"]),
        "cached": said["cached"],
        "priced": ~np.isnan(said["cost_nusd"]),
    }


def _kinds(kinds: list[str]) -> NDArray[np.uint8]:
    return np.array([KINDS.index(kind) if kind in KINDS else len(KINDS) - 1 for kind in kinds], np.uint8)


def _are(values: list[str], *ones: str) -> Iterator[NDArray[np.bool_]]:
    """For each of `ones` which of the values are it."""
    found, code = _coded(values, len(values))
    for one in ones:
        yield np.array([value == one for value in found], np.bool_)[code] if found else np.zeros(0, np.bool_)


def _hashes(values: list[str]) -> NDArray[np.uint64]:
    """A hash of each text, 0 of the empty one. Equal means equal, in this process."""
    if values and not values[0] and values.count("") == len(values):
        return np.zeros(len(values), np.uint64)
    return np.fromiter(map(hash, values), np.int64, len(values)).view(np.uint64)


def _chosen(values: list[Value], chosen: list[bool]) -> list[Value]:
    """The values of some rows, in order."""
    return list(compress(values, chosen))


def _coded_of(values: list[Value], chosen: list[bool], k: int) -> tuple[list[Value], Ints]:
    """As `_coded`, of some rows, k of them. What is the same everywhere is not looked at row by row."""
    return ([values[0]], np.zeros(k, np.int64)) if k and _is_same(values) else _coded(_chosen(values, chosen), k)


def _spread(values: NDArray[Any], rows: NDArray[np.intp], n: int) -> NDArray[Any]:
    """(n,) the values at these rows, zeros elsewhere."""
    out = np.zeros(n, values.dtype)
    out[rows] = values
    return out


def _parents(values: list[str]) -> NDArray[np.uint64]:
    """Ids of parents as words, 0 for none. Raises ValueError if one is not hex of the right length."""
    length = np.fromiter(map(len, values), np.int64, len(values))
    known = length == 16
    if not np.all(known | (length == 0)):
        raise ValueError("parent_span_id of the wrong length")
    words = np.frombuffer(bytes.fromhex("".join(values)), np.uint64)
    if len(words) != np.count_nonzero(known):
        raise ValueError("parent_span_id is no hex")  # spaces between digits are passed over
    parents = np.zeros(len(values), np.uint64)
    parents[known] = words
    return parents


def _series(columns: list[list[str]], n: int) -> tuple[list[Series], Ints]:
    """Distinct series, and (n,) the index of each row's. Most columns of most blocks are the same in every row: these are
    compared once and hashed never.
    """
    varying = [i for i, column in enumerate(columns) if column.count(column[0]) != n] if n else []
    if not varying:
        return [tuple(column[0] for column in columns)] if n else [], np.zeros(n, np.int64)
    found, code = _coded(zip(*(columns[i] for i in varying), strict=True), n)
    same = [column[0] if i not in varying else "" for i, column in enumerate(columns)]
    return [tuple(_filled(same, varying, key)) for key in found], code


def _filled(row: list[str], places: list[int], values: tuple[str, ...]) -> list[str]:
    """The row with `values` at `places`."""
    filled = row.copy()
    for place, value in zip(places, values, strict=True):
        filled[place] = value
    return filled


def _coded(values: Iterable[Value], n: int) -> tuple[list[Value], Ints]:
    """The distinct values in order of appearance, and (n,) the index of each."""
    if isinstance(values, list) and n and _is_same(values):
        return [values[0]], np.zeros(n, np.int64)
    codes: dict[Value, int] = defaultdict(count().__next__)
    code = np.fromiter(map(codes.__getitem__, values), np.int64, n)
    return list(codes), code


def _is_same(values: list[Value]) -> bool:
    n = len(values)
    return values[0] == values[n // 2] == values[-1] and values.count(values[0]) == n


def _sums(block: _Block, numbers: dict[str, Any], where: NDArray[np.intp]) -> Ints:
    """The (m, len(SUMS)) matrix of what each request adds."""
    error = numbers["error"]
    unknown = np.isnan(numbers["input_tokens"]) & np.isnan(numbers["output_tokens"])
    columns: dict[str, Any] = {name: _or(0, numbers[name]) for name in TOKENS}
    columns |= {
        "requests": np.ones(len(where)),
        "errors": error,
        "streamed": numbers["stream"] == 1,
        "unknown_usage": unknown & ~error,
        "unpriced": numbers["unpriced"],
        "ttft_count": ~np.isnan(numbers["ttft_ns"]),
    }
    for flag, (checked, found) in CHECKS.items():
        values = _numbers(getattr(block, flag))[where]
        columns[checked], columns[found] = ~np.isnan(values), values == 1
    matrix = np.empty((len(SUMS), len(where)), np.int64)
    for j, name in enumerate(SUMS):
        matrix[j] = columns[name]
    return np.ascontiguousarray(matrix.T)


def speed(output: Floats, latency: Floats, ttft: Floats) -> Floats:
    """Output tokens per second after the first token; nan where either is unknown. Times in nanoseconds."""
    after = latency - ttft
    found = np.full(len(after), np.nan)
    np.divide(output * 1e9, after, out=found, where=after > 0)
    return found


def _numbers(values: list[Any]) -> Floats:
    """Integers below 2^53 or truth values as floats, null as nan."""
    if values and values[0] is None and values.count(None) == len(values):
        return np.full(len(values), np.nan)
    return np.array(values, np.float64)


def _or(other: float, values: Floats) -> Floats:
    """The values, another for nan."""
    return np.where(np.isnan(values), other, values)


def _ids(traces: list[str], spans: list[str]) -> NDArray[np.uint64]:
    """(n, 3) words of the ids. Raises ValueError if they are not hex of the right length."""
    if set(map(len, traces)) - {32} or set(map(len, spans)) - {16}:
        raise ValueError("trace_id or span_id of the wrong length")
    raw = (bytes.fromhex("".join(traces)), bytes.fromhex("".join(spans)))
    trace, span = (np.frombuffer(r, np.uint64) for r in raw)
    return np.column_stack((trace.reshape(-1, 2), span))
