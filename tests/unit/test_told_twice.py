"""One call told by several spans, by hand: each way calls are told twice, and what must not be taken for it."""

from dataclasses import replace

import pytest

from pipeline.operators.tellers import Layer, comparable, layer_of
from pipeline.operators.told_twice import Rule, stands
from tests.told import CHAIN, EMBEDDING, MS, NOTHING, TOOL, Said, decided, said, told_of

CLIENT, LIBRARY, GATEWAY, OWN = Layer.CLIENT, Layer.LIBRARY, Layer.GATEWAY, Layer.OWN_CLIENT
UNKNOWN = Layer.UNKNOWN


def counted(*spans: Said) -> list[int]:
    """The span ids that count."""
    return sorted({stood for stood, _ in decided(spans).values()})


def rules(*spans: Said) -> dict[int, Rule]:
    return {span: rule for span, (_, rule) in decided(spans).items()}


def test_one_span_is_one_call() -> None:
    assert decided([said(1), said(2, kind=TOOL)]) == {1: (1, Rule.ALONE)}
    assert decided([said(1, kind=TOOL)]) == {}


def test_a_framework_over_its_client_is_one_call_and_the_client_stands() -> None:
    assert decided([said(1), said(2, 1, 298, CLIENT, parent=1)]) == {1: (2, Rule.PARENT), 2: (2, Rule.PARENT)}


def test_siblings_of_two_layers_are_one_call() -> None:
    assert decided([said(1, parent=9), said(2, 1, 298, CLIENT, parent=9)]) == {1: (2, Rule.BESIDE), 2: (2, Rule.BESIDE)}


def test_a_library_beside_its_instrumentor() -> None:
    assert counted(said(1, layer=CLIENT, parent=9), said(2, 1, 298, LIBRARY, parent=9)) == [2]


def test_three_layers_are_one_call() -> None:
    assert counted(said(1), said(2, 1, 297, CLIENT, parent=8), said(3, 2, 290, GATEWAY, parent=8)) == [3]


def test_wrappers_through_spans_that_call_nothing() -> None:
    assert counted(said(1), said(2, kind=CHAIN, parent=1), said(3, 1, 298, CLIENT, parent=2)) == [3]


def test_what_a_tool_calls_is_a_call_of_its_own() -> None:
    """Though it says the same, lies within and is told by the layer below."""
    assert counted(said(1), said(2, kind=TOOL, parent=1), said(3, 1, 298, CLIENT, parent=2)) == [1, 3]


def test_parallel_identical_calls_are_matched_one_to_one() -> None:
    """Six siblings are three calls; times as recorded."""
    frameworks = [said(1, 618.19, 351.46), said(2, 618.86, 352.11), said(3, 619.06, 351.52)]
    clients = [said(4, 620.30, 346.76, CLIENT), said(5, 620.97, 347.94, CLIENT), said(6, 621.54, 346.60, CLIENT)]
    answer = decided(frameworks + clients)
    assert sorted({stood for stood, _ in answer.values()}) == [4, 5, 6]
    assert len({answer[span][0] for span in (1, 2, 3)}) == 3


def test_identical_calls_of_one_teller_are_never_merged() -> None:
    assert counted(said(1), said(2), said(3, 10, 100)) == [1, 2, 3]
    assert counted(said(1, layer=CLIENT), said(2, layer=CLIENT), said(3, layer=CLIENT)) == [1, 2, 3]


def test_fan_out_of_two_hundred_told_twice() -> None:
    frameworks = [said(1000 + i, i / 10, 500 + i / 10) for i in range(200)]
    clients = [said(2000 + i, 20 + i / 10, 470, CLIENT) for i in range(200)]
    assert counted(*frameworks, *clients) == [2000 + i for i in range(200)]


def test_one_that_is_told_twice_beside_one_that_is_not() -> None:
    """The framework's call went through the client; the client's second call had no framework around it."""
    assert len(counted(said(1), said(2, 1, 298, CLIENT), said(3, 1, 290, CLIENT))) == 2


def test_a_call_that_its_framework_tells_already_is_no_other_frameworks() -> None:
    """The second framework's call holds it in time, but its own client told nothing."""
    assert counted(said(1), said(2, 1, 298, CLIENT, parent=1), said(3, 0, 301)) == [2, 3]


def test_retries_count_each() -> None:
    """The framework tells the last attempt's end; each attempt is told by the client, the failed ones without a response id."""
    spans = [said(1, 0, 400), said(2, 1, 60, CLIENT, error=True), said(3, 80, 60, CLIENT, error=True), said(4, 150, 249, CLIENT)]
    assert counted(*spans) == [2, 3, 4]
    assert counted(*(replace(s, parent=1) if s.span > 1 else s for s in spans)) == [2, 3, 4]


def test_failed_calls_have_no_response_id_and_are_told_twice_too() -> None:
    assert counted(said(1, 0, 70, error=True), said(2, 1, 66, CLIENT, error=True)) == [2]
    assert counted(said(1, 0, 70, error=True), said(2, 1, 66, CLIENT, parent=1, error=True, model=0)) == [2]


def test_an_attempt_that_failed_under_a_call_that_went_well_is_another() -> None:
    assert counted(said(1, model=2), said(2, 1, 25, parent=1, error=True)) == [1, 2]


def test_attempts_that_all_failed_are_what_their_wrapper_tells() -> None:
    tries = [said(i, i * 100, 60, CLIENT, parent=1, error=True) for i in (2, 3, 4)]
    assert counted(said(1, 0, 500, error=True), *tries) == [2, 3, 4]


def test_a_wrapper_that_sums_its_steps() -> None:
    steps = [said(2, 10, 200, CLIENT, parent=1), said(3, 300, 200, CLIENT, parent=1)]
    wrapper = said(1, 0, 600, input=114, output=38)
    assert counted(wrapper, *steps) == [2, 3]
    assert rules(wrapper, *steps) == {1: Rule.STEPS, 2: Rule.ALONE, 3: Rule.ALONE}
    assert counted(replace(wrapper, **NOTHING), *steps) == [2, 3]
    assert counted(replace(wrapper, input=115), *steps) == [1, 2, 3]


def test_a_wrapper_that_sums_what_its_tools_called_too() -> None:
    spans = [said(1, 0, 900, input=157, output=29), said(2, 1, 200, CLIENT, parent=1), said(3, 250, 400, kind=TOOL, parent=1)]
    assert counted(*spans, said(4, 300, 200, CLIENT, parent=3, input=100, output=10)) == [2, 4]


def test_wrappers_in_wrappers() -> None:
    """A workflow over two turns, each over the client's call that alone knows the usage."""
    turns = [said(2, 10, 210, parent=1, **NOTHING), said(3, 300, 210, parent=1, **NOTHING)]
    calls = [said(4, 12, 200, CLIENT, parent=2), said(5, 302, 200, CLIENT, parent=3)]
    assert counted(said(1, 0, 600, layer=UNKNOWN, input=114, output=38), *turns, *calls) == [4, 5]


def test_the_same_teller_twice_under_one_another() -> None:
    """An outer span without usage around one that has it, or both without; but not with other usage."""
    outer, inner = said(1, kind=EMBEDDING, **NOTHING), said(2, 1, 298, parent=1, kind=EMBEDDING)
    assert counted(outer, inner) == [2]
    assert counted(replace(outer, kind=0), replace(inner, kind=0, **NOTHING)) == [2]
    assert counted(replace(outer, input=58, output=19), inner) == [1, 2]


def test_equal_response_ids_are_one_call() -> None:
    assert rules(said(1, response=7), said(2, 1, 298, UNKNOWN, response=7)) == dict.fromkeys((1, 2), Rule.RESPONSE_ID)
    assert counted(said(1, response=7, parent=9), said(2, response=7, parent=9)) == [1]  # written twice under two span ids


def test_other_response_ids_are_other_calls() -> None:
    assert counted(said(1, response=7), said(2, 1, 298, CLIENT, response=8)) == [1, 2]


def test_a_cached_reply_repeats_the_id_and_is_another_call() -> None:
    first = [said(1, 0, 300, CLIENT, response=7), said(2, 5, 290, GATEWAY, response=7)]
    again = [said(3, 400, 20, CLIENT, response=7), said(4, 405, 1, GATEWAY, response=7, cached=True)]
    assert counted(*first, *again) == [2, 4]
    assert counted(first[1], again[1]) == [2, 4]
    assert counted(first[0], again[0]) == [1, 3]


def test_a_reply_from_the_cache_stands_so_that_it_costs_nothing() -> None:
    assert counted(said(1, 0, 18, CLIENT, details=2), said(2, 7, 1, GATEWAY, cached=True)) == [2]


def test_who_tells_an_id_later_tells_of_the_same_call_if_nobody_told_it_twice() -> None:
    assert counted(said(1, 0, 300, CLIENT, response=7), said(2, 302, 0, UNKNOWN, response=7)) == [1]


def test_parallel_calls_with_an_id_that_is_always_the_same() -> None:
    """Some local servers give one id to all: what each teller told is not merged, what both told is matched."""
    spans = [said(i, i, 300 - 2 * i, CLIENT, response=7, output=i) for i in (1, 2, 3)]
    assert counted(*spans) == [1, 2, 3]
    assert len(counted(*spans, *(said(10 + i, i - 0.5, 302, response=7, output=i) for i in (1, 2, 3)))) == 3


def test_a_stream_told_by_its_request_and_a_record_of_no_length() -> None:
    spans = [said(1, 751, 2, CLIENT, parent=9, **NOTHING), said(2, 1048, 0, CLIENT, parent=9, response=7, stream=True)]
    assert decided(spans) == {1: (2, Rule.RECORD), 2: (2, Rule.RECORD)}
    calls = stands(told_of(spans))
    assert calls.began_ns.tolist()[1] == 751 * MS
    assert calls.stream.tolist() == [True, True]


def test_a_record_belongs_to_the_newest_request_before_it() -> None:
    """The first one's record never came; it is a call without usage."""
    requests = [said(1, 0, 2, CLIENT, **NOTHING), said(2, 500, 2, CLIENT, **NOTHING)]
    assert counted(*requests, said(3, 800, 0, CLIENT, stream=True)) == [1, 3]


def test_a_framework_over_a_request_and_its_record() -> None:
    request, record = said(2, 1, 2, CLIENT, **NOTHING), said(3, 299, 0, CLIENT, stream=True)
    assert counted(said(1), request, record) == [3]


def test_a_gateway_knows_the_model_behind_an_alias() -> None:
    assert counted(said(1, layer=CLIENT, model=1, priced=False), said(2, 5, 290, GATEWAY, model=2)) == [2]
    assert counted(said(1, layer=CLIENT, model=1, **NOTHING), said(2, 5, 290, GATEWAY, model=2, **NOTHING)) == [1, 2]


def test_what_sends_its_requests_itself_runs_through_no_client() -> None:
    assert counted(said(1, layer=OWN), said(2, 1, 298, CLIENT)) == [1, 2]
    assert counted(said(1, layer=OWN), said(2, 1, 298, GATEWAY)) == [2]


def test_tellers_nobody_knows_are_not_merged_by_time() -> None:
    assert counted(said(1, layer=UNKNOWN, teller=7), said(2, 1, 298, UNKNOWN, teller=8)) == [1, 2]
    assert counted(said(1, layer=UNKNOWN), said(2, 1, 298, CLIENT)) == [1, 2]


def test_branches_of_a_trace_are_not_merged_by_time() -> None:
    """Two parallel branches ask the same: one through the framework, one through the client."""
    branches = [said(8, kind=CHAIN, parent=7), said(9, kind=CHAIN, parent=7), said(7, kind=CHAIN)]
    assert counted(*branches, said(1, parent=8), said(2, 1, 298, CLIENT, parent=9)) == [1, 2]
    assert counted(*branches, said(1, parent=8), said(2, 1, 298, CLIENT, parent=7)) == [2]


@pytest.mark.parametrize(
    "other",
    [
        {"input": 58},
        {"output": 20},
        {"model": 2},
        {"kind": EMBEDDING},
        {"error": True, **NOTHING},
        {"start_ns": -6 * MS},
        {"end_ns": 306 * MS},
        {"trace": 1},
    ],
)
def test_what_differs_is_another_call(other: dict[str, int]) -> None:
    assert counted(said(1), replace(said(2, 1, 298, CLIENT), **other)) == [1, 2]  # type: ignore[arg-type]


def test_a_client_that_holds_its_framework_is_not_its_client() -> None:
    assert counted(said(1, 10, 200), said(2, 0, 300, CLIENT)) == [1, 2]


def test_the_outer_span_may_be_the_one_that_knows_the_usage() -> None:
    """A client that saw the stream begin and no more: what it knows of time is kept."""
    spans = [said(1, details=2), said(2, 2, 3, CLIENT, parent=1, stream=True, ttft=True, **NOTHING)]
    calls = stands(told_of(spans))
    assert (calls.row.tolist(), calls.usage.tolist()) == ([0, 0], [0, 0])
    assert (calls.ttft.tolist(), calls.stream.tolist()) == ([1, 1], [True, True])


def test_one_knows_the_price_and_another_the_cache() -> None:
    calls = stands(told_of([said(1, layer=CLIENT, priced=False, details=2), said(2, 5, 290, GATEWAY)]))
    assert (calls.row.tolist(), calls.usage.tolist()) == ([1, 1], [0, 0])


def test_who_is_closer_to_the_provider_is_believed() -> None:
    """One counts the first chunk of a stream once more."""
    spans = [said(1, layer=CLIENT, response=7, output=20, details=3), said(2, 1, 298, LIBRARY, response=7)]
    assert stands(told_of(spans)).usage.tolist() == [1, 1]


@pytest.mark.parametrize(
    ("scope", "layer"),
    [
        ("openinference.instrumentation.langchain", Layer.FRAMEWORK),
        ("@traceloop/instrumentation-langchain", Layer.FRAMEWORK),
        ("openinference.instrumentation.openai_agents", Layer.FRAMEWORK),
        ("openinference.instrumentation.llama_index", Layer.FRAMEWORK),
        ("pydantic-ai", Layer.FRAMEWORK),
        ("openinference.instrumentation.litellm", Layer.FRAMEWORK),
        ("ai", Layer.OWN_CLIENT),
        ("@mastra/otel", Layer.OWN_CLIENT),
        ("opentelemetry.instrumentation.openai.v1", Layer.CLIENT),
        ("logfire.anthropic", Layer.CLIENT),
        ("@arizeai/openinference-instrumentation-anthropic", Layer.CLIENT),
        ("com.anthropic.sdk.python", Layer.LIBRARY),
        ("litellm", Layer.GATEWAY),
        ("field.test", Layer.UNKNOWN),
        ("", Layer.UNKNOWN),
    ],
)
def test_layers(scope: str, layer: Layer) -> None:
    assert layer_of(scope) is layer


@pytest.mark.parametrize(
    ("said", "name"),
    [
        ("gpt-4o-mini-2024-07-18", "gpt-4o-mini"),
        ("openai/gpt-4o-mini", "gpt-4o-mini"),
        ("claude-sonnet-4-5-20250929", "claude-sonnet-4-5"),
        ("us.anthropic.claude-3-5-haiku-20241022-v1:0", "claude-3-5-haiku"),
        ("models/gemini-2.5-flash", "gemini-2.5-flash"),
        ("gpt-4-0613", "gpt-4"),
        ("claude-3-5-sonnet@20240620", "claude-3-5-sonnet"),
        ("gpt-4o", "gpt-4o"),
        ("", ""),
    ],
)
def test_comparable_names(said: str, name: str) -> None:
    assert comparable(said) == name
