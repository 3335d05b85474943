"""Rows of `spans` as the columns that `told_twice.py` decides by."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.model.columns import OTHER_KINDS, REQUEST_KINDS
from pipeline.operators.tellers import comparable, layer_of
from pipeline.operators.told_twice import Ints, Told

KINDS = (*REQUEST_KINDS, *OTHER_KINDS)
"""Codes of kinds, in order; a kind nobody knows is `other`."""

THROUGH = ("chain", "other")
"""Kinds that call nothing of their own. What a tool, an agent or an evaluator calls is a call of its own."""

DETAILS = ("cache_read_tokens", "cache_write_tokens", "reasoning_tokens", "audio_input_tokens", "audio_output_tokens")

COLUMNS = (
    *("trace_id", "span_id", "parent_span_id", "start_ns", "end_ns", "kind", "scope_name", "dialect", "model", "response_id"),
    *("input_tokens", "output_tokens", *DETAILS, "status", "stream", "ttft_ns", "cost_source", "cost_nusd"),
)
"""The columns of `pipeline.model.columns.SPANS` that are read."""

Values = Mapping[str, Sequence[Any] | NDArray[Any]]


def read_told(columns: Values) -> tuple[Told, Ints]:
    """The spans of the rows by trace, and (n,) the row each was.

    Hashes are those of this process: equal means equal, and they must not be kept beyond it.
    """
    n = len(columns["span_id"])
    traces, trace = np.unique(np.array(columns["trace_id"], "U32"), return_inverse=True)
    order = np.argsort(trace, kind="stable")
    of = {name: [columns[name][i] for i in order.tolist()] for name in COLUMNS}
    kind = np.array([KINDS.index(value) if value in KINDS else len(KINDS) - 1 for value in of["kind"]], np.uint8)
    scopes = list(zip(of["scope_name"], of["dialect"], strict=True))
    tellers = {teller: code for code, teller in enumerate(dict.fromkeys(scopes))}
    tokens = {name: _tokens(of[name]) for name in ("input_tokens", "output_tokens", *DETAILS)}
    told = Told(
        first=np.append(0, np.cumsum(np.bincount(trace, minlength=len(traces)))).astype(np.int64),
        span=_ids(of["span_id"]),
        parent=_ids(of["parent_span_id"]),
        start_ns=np.array(of["start_ns"], np.int64),
        end_ns=np.array(of["end_ns"], np.int64),
        call=kind < len(REQUEST_KINDS),
        kind=kind,
        through=np.array([value in THROUGH for value in of["kind"]], np.bool_),
        teller=np.array([tellers[teller] for teller in scopes], np.uint32),
        layer=np.array([layer_of(scope) for scope in of["scope_name"]], np.uint8),
        model=_hashes([comparable(model) for model in of["model"]]),
        response=_hashes(of["response_id"]),
        input=tokens["input_tokens"],
        output=tokens["output_tokens"],
        reasoning=tokens["reasoning_tokens"],
        details=np.sum([tokens[name] >= 0 for name in DETAILS], axis=0).astype(np.uint8),
        error=np.array([value == "error" for value in of["status"]], np.bool_),
        stream=np.array([value is True for value in of["stream"]], np.bool_),
        ttft=np.array([value is not None for value in of["ttft_ns"]], np.bool_),
        cached=np.array([value == "cached" for value in of["cost_source"]], np.bool_),
        priced=np.array([value is not None for value in of["cost_nusd"]], np.bool_),
    )
    assert len(told.span) == n
    return told, order


def _tokens(values: Sequence[int | None]) -> Ints:
    """Counts, -1 for none."""
    return np.array([-1 if value is None else value for value in values], np.int64)


def _ids(values: Sequence[str]) -> NDArray[np.uint64]:
    """Ids of 16 hex digits as numbers, 0 for none."""
    return np.array([int(value or "0", 16) for value in values], np.uint64)


def _hashes(values: Sequence[str]) -> NDArray[np.uint64]:
    """A hash of each text, 0 for the empty one."""
    return np.array([hash(value) for value in values], np.int64).view(np.uint64)
