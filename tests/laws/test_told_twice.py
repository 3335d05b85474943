"""What is told twice: the compiled way is the plain one, in any order; of random traces whose truth is known, nothing is lost."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.operators.tellers import Layer
from pipeline.operators.told_twice import Rule, stands
from tests.laws.call_mix import Mix
from tests.laws.plain_told_twice import plain
from tests.told import CHAIN, EMBEDDING, LLM, MS, TOOL, Said, told_of

few = st.integers(0, 3)

spans = st.builds(
    Said,
    span=st.just(0),
    parent=st.integers(0, 9),
    start_ns=st.integers(0, 12).map(lambda ms: ms * MS),
    end_ns=st.integers(0, 12).map(lambda ms: ms * MS),
    kind=st.sampled_from((LLM, LLM, LLM, LLM, EMBEDDING, CHAIN, TOOL)),
    teller=st.integers(1, 3),
    layer=st.sampled_from(list(Layer)),
    model=st.sampled_from((0, 1, 1, 1, 2)),
    response=st.sampled_from((0, 0, 0, 1, 2)),
    input=st.sampled_from((-1, 10, 10, 20, 30)),
    output=st.sampled_from((-1, 5, 5, 6, 10)),
    reasoning=st.sampled_from((-1, 0, 1, 5)),
    details=few,
    error=st.sampled_from((False, False, False, True)),
    stream=st.booleans(),
    ttft=st.booleans(),
    cached=st.sampled_from((False, False, True)),
    priced=st.booleans(),
    trace=st.integers(0, 2),
)


def numbered(given_spans: Sequence[Said]) -> list[Said]:
    """The spans with ids of their own, each lasting as many ms as its end said, under one of those before it or under none."""
    spans = [replace(s, span=i, parent=s.parent % i, end_ns=s.start_ns + s.end_ns) for i, s in enumerate(given_spans, 1)]
    return sorted(spans, key=lambda s: s.trace)


def shuffled(told: list[Said], seed: int) -> list[Said]:
    """The same traces in another order."""
    other = Random(seed).sample(told, len(told))
    return sorted(other, key=lambda s: s.trace)


def fast(told: list[Said]) -> dict[int, tuple[object, ...]]:
    """As `plain` answers."""
    calls = stands(told_of(told))

    def span(i: int) -> int:
        return told[i].span if i >= 0 else 0

    return {
        s.span: (
            *(span(int(column[i])) for column in (calls.row, calls.usage, calls.ttft)),
            bool(calls.stream[i]),
            Rule(int(calls.rule[i])),
            int(calls.began_ns[i]),
        )
        for i, s in enumerate(told)
        if calls.row[i] >= 0
    }


@settings(max_examples=400)
@given(st.lists(spans, max_size=14).map(numbered), st.integers(0, 1000))
def test_the_fast_way_is_the_plain_way_in_any_order(told: list[Said], seed: int) -> None:
    assert fast(told) == fast(shuffled(told, seed)) == plain(told)


@given(st.lists(spans, max_size=14), st.integers(0, 1000))
def test_spans_that_are_their_own_ancestors_are_decided_all_the_same(given_spans: list[Said], seed: int) -> None:
    told = [replace(s, span=i, trace=0, end_ns=s.start_ns + s.end_ns) for i, s in enumerate(given_spans, 1)]
    assert fast(told) == fast(shuffled(told, seed))


@given(st.lists(spans, max_size=14).map(numbered))
def test_what_stands_stands_for_itself(told: list[Said]) -> None:
    answer = fast(told)
    assert set(answer) == {s.span for s in told if s.call}
    assert all(answer[found[0]][0] == found[0] for found in answer.values())  # type: ignore[index]


def test_of_a_thousand_random_traces_no_call_is_lost_none_counted_twice_none_merged() -> None:
    mix = Mix(Random(14))
    for trace in range(1000):
        mix.add_trace(trace)
    answer = fast(mix.spans)
    rows = {s.span: s for s in mix.spans}
    standing = {stood: usage for stood, usage, *_ in answer.values()}
    found = Counter((rows[s].trace, -1 if rows[s].error else rows[usage].input) for s, usage in standing.items())  # type: ignore[index]
    assert found == Counter((trace, use) for trace, use, _ in mix.calls)
    assert len(standing) == len(mix.calls) > 4000
    told = [(answer[span][0], rows[span].teller, rows[span].silent) for _, _, spans in mix.calls for span in spans]
    assert not [one for one, times in Counter(told).items() if times > 1], "two spans of one teller taken for one call"


def test_a_trace_of_ten_thousand_calls_told_twice() -> None:
    """Half of them at once: nobody looks at more than LOOK candidates for a span, and none is merged falsely for it."""
    mix = Mix(Random(5))
    mix.tell(0, 10, Layer.UNKNOWN, kind=CHAIN)
    mix.use = {"input": 57, "model": 1}
    for i in range(5000):
        mix.call(mix.tell(i % 100, 900, Layer.FRAMEWORK), mix.tell(i % 100 + 0.5, 899, Layer.CLIENT))
    standing = Counter(stood for stood, *_ in fast(mix.spans).values())
    assert len(standing) == 5000
    assert set(standing.values()) == {2}
