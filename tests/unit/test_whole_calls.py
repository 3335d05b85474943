"""A call that several spans tell counts whole: each part of it from a span that knows it, whatever came first."""

from itertools import permutations
from typing import Any

import pytest

from pipeline.model.log_time import WindowPolicy
from pipeline.stages.aggregate import Aggregate
from tests.replayed import Rows
from tests.spans import SOURCE, record, span
from tests.unit.test_aggregate import NOW, OUTPUTS, S, rows_of

MS = 1_000_000
SILENT = {"input_tokens": None, "output_tokens": None, "cost_nusd": None, "cost_source": ""}


def told(number: int, scope: str, start: int, end: int, **changes: Any) -> dict[str, Any]:
    """A span of the one trace, from `start` to `end` ms."""
    times = {
        "cohort": "a",
        "start_ns": NOW + start * MS,
        "latency_ns": (end - start) * MS,
        "trace_id": f"{9:032x}",
        "parent_span_id": f"{99:016x}",
    }
    return span(number, NOW + end * MS, scope_name=scope, **times | changes)


def counted(rows: Rows, hold_ns: int = 10 * S) -> tuple[dict[str, Any], dict[str, Any]]:
    """The pane and the trace of spans that come each in a block of its own."""
    policy = WindowPolicy(60 * S, 300 * S, 10 * S, 300 * S, 2000, call_hold_ns=hold_ns)
    aggregate = Aggregate(policy, OUTPUTS, 10**6 * S, S)
    state = aggregate.open(SOURCE, None)
    for offset, row in enumerate(rows):
        state, _ = aggregate.step(state, [record(offset, NOW, [row])], 1)
    effects = aggregate.close(state)
    (pane,), (trace,) = rows_of(effects, "panes"), rows_of(effects, "traces")
    return pane, trace


FRAMEWORK = told(
    *(1, "langchain", 0, 300),
    **SILENT | {"stream": True, "ttft_ns": 100 * MS, "refusal": True, "citation": False, "schema_valid": True},
)
CLIENT = told(2, "instrumentation.openai", 1, 299, refusal=None, cost_nusd=77)


@pytest.mark.parametrize("rows", list(permutations([FRAMEWORK, CLIENT])), ids=["framework first", "client first"])
def test_each_part_is_taken_from_who_knows_it(rows: Rows) -> None:
    pane, trace = counted(rows)
    assert {name: pane[name] for name in ("requests", "streamed", "ttft_count", "ttft_sum_ns", "unknown_usage")} == {
        "requests": 1, "streamed": 1, "ttft_count": 1, "ttft_sum_ns": str(100 * MS), "unknown_usage": 0,
    }  # fmt: skip
    assert (pane["input_tokens"], pane["output_tokens"], pane["cost_nusd"], pane["latency_sum_ns"]) == (
        10,
        5,
        "77",
        str(298 * MS),
    )
    assert (pane["refusal_checked"], pane["refusals"], pane["citation_checked"], pane["citations"]) == (1, 1, 1, 0)
    assert (pane["schema_checked"], pane["schema_valid"]) == (1, 1)
    told_of_trace = ("calls", "refusals", "input_tokens", "output_tokens", "cost_nusd", "ttft_ns", "told_twice")
    assert [trace[name] for name in told_of_trace] == [1, 1, 10, 5, 77, 100 * MS, 1]


def test_what_the_span_that_stands_says_itself_it_keeps() -> None:
    pane, _ = counted([FRAMEWORK, CLIENT | {"refusal": False, "stream": False, "ttft_ns": 50 * MS}])
    assert (pane["refusal_checked"], pane["refusals"]) == (1, 0)
    assert (pane["ttft_count"], pane["ttft_sum_ns"]) == (1, str(50 * MS))


def test_the_parts_of_usage_come_from_the_span_that_says_most_of_them() -> None:
    """The gateway, closest to the provider, has the price; the client knows what of it was cached."""
    gateway = told(3, "litellm", 5, 290)
    pane, trace = counted([CLIENT | {"cache_read_tokens": 4} | SILENT | {"input_tokens": 10, "output_tokens": 5}, gateway])
    assert (pane["requests"], pane["input_tokens"], pane["cache_read_tokens"], pane["cost_nusd"]) == (1, 10, 4, "4500")
    assert (trace["cache_read_tokens"], trace["cost_nusd"]) == (4, 4500)


def test_a_stream_lasts_from_its_request_to_its_record() -> None:
    request = told(1, "logfire.openai", 0, 2, **SILENT)
    answer = told(2, "logfire.openai", 320, 320, stream=True, output_tokens=30)
    pane, _ = counted([answer, request])
    assert (pane["requests"], pane["latency_sum_ns"]) == (1, str(320 * MS))


def test_who_comes_when_the_call_is_counted_changes_nothing() -> None:
    pane, trace = counted([CLIENT, FRAMEWORK], hold_ns=0)
    assert (pane["requests"], pane["streamed"], pane["ttft_count"], pane["refusal_checked"]) == (1, 0, 0, 0)
    assert (trace["calls"], trace["told_twice"], trace["ttft_ns"]) == (1, 1, None)
