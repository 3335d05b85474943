"""The stage evaluate: which traces are judged, by what share, what is written of them, and what holds the offset."""

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import orjson
import pytest

from pipeline.connectors.evaluating import Bench
from pipeline.model.asks import Answered, Ask
from pipeline.model.log_time import WindowPolicy
from pipeline.model.samples import Sample
from pipeline.model.scores import Score, ScoreStatus
from pipeline.model.stream import Effects, Record
from pipeline.operators.budget import HOUR_NS, Budget
from pipeline.operators.rates import Rates
from pipeline.operators.sampled_traces import Room
from pipeline.operators.sampling import is_in, randomness_of, sampling_key
from pipeline.stages.evaluate import Evaluate, JudgePolicy, Outputs, Partition
from tests.samples import SOURCE, Length, configured, record, sample_row, tick

KEY = sampling_key("")
S = 1_000_000_000
POLICY = WindowPolicy(60 * S, 300 * S, 10 * S, 300 * S, 10, trace_settle_ns=60 * S, trace_idle_ns=900 * S)


def stage(*evaluators: Any, room: Room | None = None, policy: WindowPolicy = POLICY, **judging: Any) -> Evaluate:
    given = {"rate": 1.0, "floor": 0.0, "key": KEY} | judging
    chosen = evaluators if evaluators and hasattr(evaluators[0], "evaluator") else configured(*(evaluators or (Length(),)))
    return Evaluate(policy, JudgePolicy(tuple(chosen), **given), Outputs("scores", "dead", "status", 4), room or Room(), 0)


def answers(stage_: Evaluate, asks: Sequence[Ask]) -> list[Answered]:
    async def all_of() -> list[Answered]:
        bench = Bench(stage_.judging.evaluators, 5, 5)
        return list(await asyncio.gather(*map(bench.answer, asks)))

    return asyncio.run(all_of())


def written(effects: Effects) -> list[dict[str, Any]]:
    rows = []
    for message in effects.messages:
        if message.topic == "scores":
            block = orjson.loads(message.value)
            rows += [dict(zip(block, row, strict=True)) for row in zip(*block.values(), strict=True)]
    return rows


def judged(stage_: Evaluate, log: Sequence[Record], state: Partition | None = None, now_ns: int = 0) -> list[dict[str, Any]]:
    """All rows that come of a log."""
    state = state or stage_.open(SOURCE, None)
    state, effects = stage_.step(state, log, now_ns)
    rows = written(effects)
    stage_.heard(state, answers(stage_, effects.asks))
    state, effects = stage_.step(state, [], now_ns)
    return rows + written(effects)


def log_of(*rows: dict[str, Any], until: int = 2000) -> list[Record]:
    """The rows in one block, and ticks after it every 30 s."""
    return [record(0, 10 * S, rows), *(tick(i, 30 * S * i) for i in range(1, until // 30))]


def test_a_trace_is_judged_once_it_is_whole() -> None:
    one = stage()
    state = one.open(SOURCE, None)
    root, call = sample_row(1, 0, 5 * S, kind="chain", answer="", question=""), sample_row(1, 1, 4 * S)
    state, effects = one.step(state, [record(0, 6 * S, [call]), record(1, 7 * S, [root]), tick(2, 36 * S), tick(3, 65 * S)], 0)
    assert effects.asks == ()
    state, effects = one.step(state, [tick(4, 76 * S)], 0)
    (ask,) = effects.asks
    assert (ask.position, ask.sample.input, ask.sample.output) == (4, "How tall is it?", "It is 330 metres tall.")
    one.heard(state, answers(one, effects.asks))
    (row,) = written(one.step(state, [], 0)[1])
    assert (row["route"], row["evaluator"], row["status"], row["value"], row["incomplete"]) == (
        "support",
        "length",
        "ok",
        0.22,
        False,
    )
    assert (row["inclusion_probability"], row["offset"], row["trace_ns"]) == (1.0, 4, 5 * S)


def test_what_was_asked_holds_the_offset_and_settles_it_once_it_is_heard() -> None:
    one = stage()
    state = one.open(SOURCE, None)
    state, effects = one.step(state, log_of(sample_row(1, 0, 5 * S), until=1500), 0)
    position = effects.asks[0].position
    assert effects.progress is not None
    assert effects.progress.folded == position
    assert effects.progress.committed <= position
    one.heard(state, answers(one, effects.asks))
    state, effects = one.step(state, [], 1)
    assert effects.progress is not None
    assert effects.progress.folded == state.log.position > position


def test_a_span_that_comes_later_changes_nothing() -> None:
    one = stage()
    late = [*log_of(sample_row(1, 0, 5 * S), until=120), record(4, 130 * S, [sample_row(1, 1, 6 * S)]), tick(5, 1100 * S)]
    assert len(judged(one, late)) == 1


@pytest.mark.parametrize(
    ("room", "policy"), [(Room(of_one=600), POLICY), (Room(of_all=600), POLICY), (Room(), replace(POLICY, max_trace_spans=2))]
)
def test_a_trace_that_is_full_is_cut_and_says_so(room: Room, policy: WindowPolicy) -> None:
    one = stage(room=room, policy=policy)
    rows = judged(one, [record(0, 10 * S, [sample_row(1, 1, 5 * S), sample_row(1, 2, 6 * S), sample_row(1, 3, 7 * S)])])
    assert [row["incomplete"] for row in rows] == [True]


def test_without_its_root_a_trace_is_incomplete() -> None:
    (row,) = judged(stage(), log_of(sample_row(1, 1, 5 * S)))
    assert row["incomplete"] is True


def test_route_and_cohort_are_the_roots_and_the_model_that_of_the_answer() -> None:
    rows = [
        sample_row(1, 0, 9 * S, kind="chain", route="checkout", cohort="", model="", answer="", question=""),
        sample_row(1, 1, 5 * S, route="", cohort="enterprise", model="gpt-4o-mini", answer=""),
        sample_row(1, 2, 8 * S, route="other", cohort="free", model="gpt-4o"),
    ]
    (row,) = judged(stage(), log_of(*rows))
    assert (row["route"], row["cohort"], row["model"]) == ("checkout", "enterprise", "gpt-4o")


def test_the_question_is_the_first_and_the_answer_the_last() -> None:
    evaluator = Length()
    rows = [
        sample_row(1, 0, 9 * S, start_ns=1 * S, kind="chain", question="What about it?", answer='{"state": 1}'),
        sample_row(1, 1, 5 * S, start_ns=2 * S, question="Rewrite: what about it?", answer="What about the tower?"),
        sample_row(1, 2, 6 * S, start_ns=5 * S, kind="retriever", question="", answer="", documents='["330 m","Paris"]'),
        sample_row(1, 3, 7 * S, start_ns=6 * S, kind="tool", question="", answer="", tool_name="look", tool_result="sunny"),
        sample_row(1, 4, 8 * S, start_ns=7 * S, question="Context: 330 m", answer="It is 330 m tall."),
    ]
    judged(stage(evaluator), log_of(*rows))
    (sample,) = evaluator.asked
    assert (sample.input, sample.output, sample.context) == ("What about it?", "It is 330 m tall.", ("330 m", "Paris"))
    assert [(tool.name, tool.result) for tool in sample.tools] == [("look", "sunny")]


def many(n: int, route: str, first: int = 1, **changes: Any) -> list[dict[str, Any]]:
    return [sample_row(first + i, 0, 5 * S, route=route, **changes) for i in range(n)]


def test_a_share_is_of_the_slice_and_is_written_beside_the_score() -> None:
    judge = Length("judge", judge=True)
    chosen = configured(judge, routes={"sup*": 0.5}, cohorts={"vip": 1.0})
    rows = judged(
        stage(*chosen, rate=0.1), log_of(*many(200, "support"), *many(200, "other", 1000), *many(50, "other", 5000, cohort="vip"))
    )
    shares = defaultdict(set)
    for row in rows:
        shares[row["route"], row["cohort"]].add(row["inclusion_probability"])
        assert is_in(randomness_of(row["trace_id"], KEY), row["inclusion_probability"])
    assert shares == {("support", ""): {0.5}, ("other", ""): {0.1}, ("other", "vip"): {1.0}}
    counts = {key: sum((row["route"], row["cohort"]) == key for row in rows) for key in shares}
    assert counts["other", "vip"] == 50
    assert 70 < counts["support", ""] < 130
    assert 5 < counts["other", ""] < 40


def test_no_share_is_larger_than_the_ceiling_that_was_kept() -> None:
    rows = judged(stage(), log_of(*many(100, "support", ceiling=0.25)))
    assert {row["inclusion_probability"] for row in rows} == {0.25}
    assert 10 < len(rows) < 45


def test_what_another_key_chose_is_not_judged_and_counted() -> None:
    other = sampling_key("of decode alone")
    one = stage(key=other)
    traces = many(200, "support", ceiling=0.25)
    rows = [row for row in traces if is_in(randomness_of(row["trace_id"], KEY), 0.25)]
    state = one.open(SOURCE, None)
    assert len({row["trace_id"] for row in judged(one, log_of(*rows), state)}) == sum(
        is_in(randomness_of(row["trace_id"], other), 0.25) for row in rows
    )
    assert state.counts["chosen_by_another_key"] > 10


def test_a_judges_share_of_small_slices_is_raised_slowly_and_falls_at_once() -> None:
    rates = Rates(floor=5.0)
    small, large = ("", "small", ""), ("", "large", "")
    shares = []
    for period in range(6):
        rates.roll(period, 0.2)
        shares.append((rates.share(small, 0.02, 0.2), rates.share(large, 0.02, 0.2)))
        for _ in range(8 if period < 4 else 800):
            rates.count(small)
        for _ in range(400):
            rates.count(large)
    assert [small for small, _ in shares] == [0.02, 0.03125, 0.0625, 0.125, 0.125, 0.02]
    assert {large for _, large in shares} == {0.02}


def test_money_is_set_aside_before_it_is_spent_and_shared() -> None:
    budget = Budget(1000, None)
    assert [budget.reserve("a", 300, 0) for _ in range(4)] == [True, True, True, False]
    assert not budget.reserve("b", 300, 0)
    budget.settle("a", 300, 100)
    assert budget.reserve("b", 300, 0)
    for most, cost in ((300, 100), (300, 100), (300, 300)):
        budget.settle("a" if cost == 100 else "b", most, cost)
    assert budget.snapshot().of_day == 600
    assert not budget.reserve("a", 300, 0), "its half is 500, and the rest is not free yet"
    assert budget.reserve("b", 200, 0)
    assert budget.reserve("a", 200, 0.99 * HOUR_NS)  # type: ignore[arg-type]
    assert not budget.reserve("a", 1, 0.99 * HOUR_NS)  # type: ignore[arg-type]


def test_over_budget_is_a_status_and_no_call() -> None:
    judge = Length("judge", judge=True, nusd=100)
    rows = judged(stage(judge, day_nusd=500, hour_nusd=None), log_of(*many(20, "support")))
    assert sorted(row["status"] for row in rows) == ["ok"] * 5 + ["over_budget"] * 15
    assert len(judge.asked) == 5
    assert {row["value"] for row in rows if row["status"] == "over_budget"} == {None}


def test_the_control_stands_beside_every_score_of_its_trace() -> None:
    control = Length("groundedness_lexical")
    rows = judged(stage(control, Length("judge", judge=True)), log_of(*many(3, "support")))
    assert {(row["evaluator"], row["control"], row["control_probability"]) for row in rows} == {
        ("groundedness_lexical", 0.22, 1.0),
        ("judge", 0.22, 1.0),
    }


def test_a_block_that_is_none_is_a_dead_letter_and_the_rest_goes_on() -> None:
    one = stage()
    state = one.open(SOURCE, None)
    broken = replace(record(0, 6 * S, [sample_row(1, 0, 5 * S)]), value=b'{"trace_id":["x"]}')
    unknown = replace(tick(1, 6 * S), key=b"what")
    _, effects = one.step(state, [broken, unknown, record(2, 6 * S, [sample_row(2, 0, 5 * S)])], 0)
    dead = [message for message in effects.messages if message.topic != "status"]
    _, effects = one.step(state, [tick(i, 30 * S * (i - 2)) for i in range(3, 6)], 0)
    assert [message.topic for message in dead] == ["dead"]
    assert len(orjson.loads(dead[0].value)["reason"]) == 2
    assert len(effects.asks) == 1


@pytest.mark.parametrize("time", ["start_ns", "end_ns", "recorded_ns"])
@pytest.mark.parametrize("value", [-1, 1 << 62, 1 << 64, 10**30])
def test_a_time_that_cannot_be_is_a_dead_letter_and_spoils_no_scores_beside_it(time: str, value: int) -> None:
    one = stage()
    wrong = record(0, 6 * S, [sample_row(1, 0, 5 * S)])
    told = f'"{time}":[{orjson.loads(wrong.value or b"")[time][0]}]'
    said = (wrong.value or b"").replace(told.encode(), f'"{time}":[{value}]'.encode())
    _, effects = one.step(one.open(SOURCE, None), [replace(wrong, value=said), *log_of(sample_row(2, 0, 6 * S))[1:]], 0)
    assert [message.topic for message in effects.messages if message.topic != "status"] == ["dead"]
    assert effects.asks == ()


# Whatever an evaluator does, a sample gets a score.


class Bad(Length):
    async def judged(self, sample: Sample) -> Any:
        match self.name:
            case "raises":
                raise ValueError(sample.output)
            case "hangs":
                return await asyncio.Event().wait()
            case "is no score":
                return 0.5
            case "over":
                return Score(ScoreStatus.OK, 1.5)
            case "nan":
                return Score(ScoreStatus.OK, float("nan"))
            case "no value":
                return Score(ScoreStatus.OK)
            case "failed with a value":
                return Score(ScoreStatus.FAILED, 0.0)
            case _:
                return await super().judged(sample)


@pytest.mark.parametrize(
    ("name", "status"),
    [("raises", "failed"), ("hangs", "timeout"), ("is no score", "invalid"), ("over", "invalid"), ("nan", "invalid"),
     ("no value", "invalid"), ("failed with a value", "invalid"), ("fine", "ok")],
)  # fmt: skip
def test_what_an_evaluator_does_wrong_is_a_status(name: str, status: str) -> None:
    async def one() -> Answered:
        bench = Bench(configured(Bad(name), Length("beside")), 0.05, 5)
        return await bench.answer(Ask(0, "t", Sample(output="secret answer"), (0, 1)))

    first, beside = asyncio.run(one()).scores
    assert (first.status.value, beside.status.value) == (status, "ok")
    assert (first.value is None) == (status != "ok")
    assert "secret" not in first.reason


def test_what_is_needed_and_not_there_is_skipped_with_its_name() -> None:
    async def one() -> Answered:
        return await Bench(configured(Length()), 5, 5).answer(Ask(0, "t", Sample(), (0,)))

    (score,) = asyncio.run(one()).scores
    assert (score.status, score.reason) == (ScoreStatus.SKIPPED, "there is no answer")


def test_what_may_be_spent_stands_in_the_progress_before_anybody_is_asked() -> None:
    """Killed a moment later, nobody would know of it: who is killed again and again would pay again and again."""
    one = stage(Length(judge=True, nusd=100), hour_nusd=1000)
    state = one.open(SOURCE, None)
    for _ in range(3):
        for message in log_of(*(sample_row(i, 0, 5 * S) for i in range(1, 5))):
            state, effects = one.step(state, [message], 0)
            if effects.asks:
                break
        assert effects.progress is not None
        state = one.open(SOURCE, effects.progress)
    assert effects.progress.beside.count("1000") >= 1
    (row,) = judged(one, log_of(sample_row(1, 0, 5 * S)), state=state)
    assert row["status"] == "over_budget"


@pytest.mark.parametrize(
    ("cost", "unsure", "spent"), [(None, None, 100), (None, 0, 0), (30, None, 30), (30, 40, 70), (None, 80, 80)]
)
def test_a_judgement_has_cost_what_is_known_and_what_may_be(cost: int | None, unsure: int | None, spent: int) -> None:
    one = stage(Length(judge=True, nusd=100), hour_nusd=1000)
    state = one.open(SOURCE, None)
    state, effects = one.step(state, log_of(sample_row(1, 0, 5 * S)), 0)
    score = Score(ScoreStatus.FAILED, reason="circuit open", judge_cost_nusd=cost, judge_unsure_nusd=unsure)
    one.heard(state, [Answered(ask, (score,)) for ask in effects.asks])
    assert state.budget.snapshot().of_day == spent


def test_one_message_that_closes_many_traces_asks_for_no_more_than_there_is_room_for() -> None:
    rows = [sample_row(i, 0, 5 * S) for i in range(1, 51)]
    one = stage(most_asked=20)
    state = one.open(SOURCE, None)
    state, effects = one.step(state, log_of(*rows), 0)
    assert [len(effects.asks), one.is_full(state)] == [20, True]
    one.heard(state, answers(one, effects.asks[:1]))
    state, later = one.step(state, [], 0)
    assert [len(later.asks), len(written(later))] == [1, 1], "one is over, another is begun"
    found, asks = written(later), [*effects.asks[1:], *later.asks]
    while asks:
        one.heard(state, answers(one, asks))
        state, effects = one.step(state, [], 0)
        found, asks = found + written(effects), list(effects.asks)
        assert len(asks) <= 20
    assert len(found) == 50
    assert not one.is_full(state)
    small = stage(room=Room(of_one=10_000, of_all=100))
    state, effects = small.step(small.open(SOURCE, None), [record(0, 10 * S, rows)], 0)
    assert [len(effects.asks), small.is_full(state)] == [1, True], "a text of more than a hundred bytes is being judged"


def test_progress_stays_small_whatever_routes_are_called() -> None:
    """A record of the progress topic that is too large would end the stage, again at every start."""
    one = stage(Length(judge=True, nusd=10), floor=30.0, hour_nusd=10**12, most_asked=10_000)
    state, largest = one.open(SOURCE, None), 0
    for period in range(3):
        at = 700 * S * period
        names = [('\x01"\\/' * 64 + str(i))[-256:] for i in range(2000)]
        rows = [
            sample_row(2000 * period + i, 0, at + 5 * S, route=name, cohort=name, environment=name)
            for i, name in enumerate(names)
        ]
        log = [record(50 * period, at + 6 * S, rows), *(tick(50 * period + i, at + 30 * S * i) for i in range(1, 22))]
        state, effects = one.step(state, log, 0)
        one.heard(state, answers(one, effects.asks))
        state, effects = one.step(state, [], 0)
        assert effects.progress is not None
        largest = max(largest, len(orjson.dumps(effects.progress.beside)))
    assert 10_000 < largest < 100_000


def test_a_span_from_next_week_holds_no_offset_until_then() -> None:
    one = stage()
    log = [record(0, 10 * S, [sample_row(1, 0, 6 * 86_400 * S)]), *(tick(i, 30 * S * i) for i in range(1, 100))]
    state, effects = one.step(one.open(SOURCE, None), log, 0)
    assert len(effects.asks) == 1
    one.heard(state, answers(one, effects.asks))
    state, effects = one.step(state, [], 1)
    assert effects.progress is not None
    assert effects.progress.committed > 80


def test_one_rare_character_makes_a_text_as_large_as_it_is() -> None:
    """Python keeps four bytes of each character of a text that has one smiley."""
    room = Room(of_all=200_000)
    for answer, left in (("x" * 16_000, 11), ("x" * 15_999 + "\U0001f600", 3)):
        rows = [sample_row(i, 0, 5 * S, answer=answer) for i in range(1, 12)]
        one = stage(room=room)
        state, _ = one.step(one.open(SOURCE, None), [record(0, 10 * S, rows)], 0)
        assert len(state.log.traces) == left
