"""Scores under crashes, zombies, answers in any order and changed settings: of each trace every evaluator counts once.

That holds for traces none of whose spans comes once the trace is forgotten, which is `TAILRACE_TRACE_IDLE` and the lateness after
the last one before: such a span is taken for a trace of its own, by every reader of the log alike.

The stages are the real ones; Kafka is played: a log of samples that is read from the committed offset, progress keyed by writer,
a log of scores that keeps everything anybody wrote. What counts of it is what counts of an undisturbed run.
"""

import asyncio
import os
import random
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import orjson
import pytest

from pipeline.connectors.evaluating import Bench
from pipeline.model.asks import Ask
from pipeline.model.log_time import WindowPolicy
from pipeline.model.stream import Effects, Progress, Record, joined
from pipeline.operators.first_scores import FirstScores
from pipeline.operators.sampled_traces import Room, remembered_ns
from pipeline.operators.sampling import sampling_key
from pipeline.stages.evaluate import Evaluate, JudgePolicy, Outputs, Partition
from tests.samples import SOURCE, Length, configured, record, sample_row, tick

RUNS = int(os.environ.get("TAILRACE_SIM_RUNS", "30"))
S = 1_000_000_000
POLICY = WindowPolicy(60 * S, 20 * S, 5 * S, 300 * S, 10, trace_settle_ns=20 * S, trace_idle_ns=60 * S, trace_longest_ns=300 * S)
JUDGING = JudgePolicy(
    configured(Length("groundedness_lexical"), Length("judge", judge=True)), 0.3, 20.0, sampling_key(""), most_asked=10_000
)
STAGE = Evaluate(POLICY, JUDGING, Outputs("scores", "dead", "status", 3), Room(of_one=20_000, of_all=200_000), 2 * S)
BENCH = Bench(JUDGING.evaluators, 5, 5)


@dataclass
class World:
    """The logs, and who works on them."""

    log: list[Record]
    scores: list[dict[str, Any]] = field(default_factory=list)
    written: dict[int, Progress] = field(default_factory=dict)
    committed: int = 0

    def write(self, writer: int, effects: Effects, until: int) -> None:
        """Carry out effects in their order, as far as `until` of three steps."""
        if until > 0:
            for message in effects.messages:
                if message.topic == SOURCE.topic:
                    last = self.log[-1].timestamp_ns
                    self.log.append(Record(SOURCE, len(self.log), last, message.value, message.key))
                if message.topic == "scores":
                    block = orjson.loads(message.value)
                    self.scores += [dict(zip(block, row, strict=True)) for row in zip(*block.values(), strict=True)]
        if until > 1 and effects.progress is not None:
            self.written[writer] = effects.progress
        if until > 2 and effects.progress is not None:
            self.committed = max(self.committed, effects.progress.committed)


@dataclass
class Owner:
    """One generation of a worker."""

    world: World
    number: int
    stage: Evaluate
    state: Partition
    at: int
    asked: list[Ask] = field(default_factory=list)

    @classmethod
    def of(cls, world: World, number: int, stage: Evaluate) -> "Owner":
        known = joined(world.written.values())
        state = stage.open(SOURCE, known)
        return cls(world, number, stage, state, known.committed if known else world.committed)

    def turn(self, rng: random.Random, now_ns: int, until: int = 3) -> None:
        """One step over what comes next; some of what was asked is answered, in any order."""
        batch = self.world.log[self.at : self.at + rng.randint(0, 6)]
        rng.shuffle(self.asked)
        chosen = [self.asked.pop() for _ in range(min(len(self.asked), rng.randint(0, 8)))]
        self.stage.heard(self.state, [asyncio.run(BENCH.answer(ask)) for ask in chosen])
        self.state, effects = self.stage.step(self.state, batch, now_ns)
        self.world.write(self.number, effects, until)
        self.asked += effects.asks
        self.at += len(batch)

    @property
    def is_done(self) -> bool:
        return self.at >= len(self.world.log) and not self.asked and not self.state.rows


def history(rng: random.Random, broken: bool = False) -> list[Record]:
    """A log of samples: traces that overlap, come late, come again, never end, lack their root; ticks in between.

    broken: also traces with spans that come once they are forgotten, and are judged again with these.
    """
    spans = []
    for trace in range(1, rng.randint(5, 60)):
        begun = rng.randint(1, 400)
        for number in range(rng.randint(1, 4)):
            end = begun + rng.randint(0, 30)
            row = sample_row(
                trace, number + (rng.random() < 0.2), end * S, route=rng.choice(["a", "b"]), answer="x" * rng.randint(1, 99)
            )
            spans.append((end + rng.randint(0, 8) + (50 if rng.random() < 0.05 else 0), row))
            if rng.random() < 0.1:
                spans.append((end + rng.randint(0, 50), row))
    arriving = sorted(spans, key=lambda one: one[0])
    log, heard = list[Record](), dict[str, int]()
    for now in range(0, 1000, 5):
        rows = [row for at, row in arriving if now <= at < now + 5]
        rows = [row for row in rows if broken or is_remembered(heard, row, now)]
        if rows:
            log.append(record(len(log), (now + 5) * S, rows))
        log.append(tick(len(log), (now + 5) * S))
    return log


def is_remembered(heard: dict[str, int], row: dict[str, Any], now: int) -> bool:
    """Does a span that comes when the log is read up to `now` find its trace remembered by the rules of STAGE, or begin it?"""
    at = heard.get(row["trace_id"], now)
    if now - at >= remembered_ns([POLICY]) // S:
        return False
    heard[row["trace_id"]] = max(at, now, row["end_ns"] // S)
    return True


def judged_at(scores: list[dict[str, Any]]) -> set[tuple[str, str, int]]:
    """Which traces were judged by whom, and which message closed them, whoever wrote it and however often."""
    return {(row["trace_id"], row["evaluator"], row["offset"]) for row in scores}


def counted(scores: list[dict[str, Any]]) -> dict[tuple[str, ...], tuple[Any, ...]]:
    """What counts of a log of scores, read by partition of their route."""
    found: dict[tuple[str, ...], tuple[Any, ...]] = {}
    readers = {route: FirstScores() for route in ("a", "b", "")}
    for at, row in enumerate(scores):
        identity = (row["trace_id"], row["evaluator"], row["evaluator_version"], row["scorer"])
        if readers[row["route"]].is_first(row["source"], row["offset"], row["settled"], identity, at):
            assert identity not in found, "counted twice"
            found[identity] = tuple(
                row[name] for name in ("value", "inclusion_probability", "control", "incomplete", "offset", "model")
            )
    return found


def undisturbed(log: list[Record], stage: Evaluate) -> list[dict[str, Any]]:
    """The scores that one owner writes who is left alone."""
    world = World(log)
    owner = Owner.of(world, 0, stage)
    rng = random.Random(0)
    while not owner.is_done:
        owner.turn(rng, 0)
    return world.scores


def disturbed(log: list[Record], rng: random.Random, stages: Iterator[Evaluate]) -> World:
    world = World(log)
    owner, number, zombies, now = Owner.of(world, 0, next(stages)), 0, list[Owner](), 0
    while not owner.is_done:
        now += rng.randint(0, 3) * S
        if rng.random() < 0.06 and number < 12:
            until = rng.randint(0, 2)
            owner.turn(rng, now, until)
            if until == 2 and rng.random() < 0.6:  # a write that failed ends whoever wrote
                zombies.append(owner)
            number += 1
            owner = Owner.of(world, number, next(stages))
        for zombie in zombies[-2:]:
            if rng.random() < 0.3:
                zombie.turn(rng, now, until=2)
        owner.turn(rng, now)
    return world


def always(stage: Evaluate) -> Iterator[Evaluate]:
    while True:
        yield stage


@pytest.mark.parametrize("seed", range(RUNS))
def test_what_counts_is_what_an_undisturbed_run_writes(seed: int) -> None:
    rng = random.Random(seed)
    log = history(rng)
    assert counted(disturbed(log, rng, always(STAGE)).scores) == counted(undisturbed(log, STAGE))


@pytest.mark.parametrize("seed", range(RUNS))
def test_what_is_forgotten_for_want_of_room_is_forgotten_by_everybody(seed: int) -> None:
    """Few traces are remembered, and some come again: whoever folds the log forgets the same ones at the same messages."""
    rng = random.Random(2000 + seed)
    log = history(rng, broken=True)
    stage = replace(STAGE, policy=replace(POLICY, max_traces=rng.choice([3, 10, 30, 100])))
    assert judged_at(disturbed(log, rng, always(stage)).scores) == judged_at(undisturbed(log, stage))


@pytest.mark.parametrize("seed", range(max(10, RUNS // 3)))
def test_who_begins_at_what_is_held_knows_what_the_first_one_knew(seed: int) -> None:
    """At the message everything was judged up to: the same traces, open or over, and none that it took for one."""
    rng = random.Random(3000 + seed)
    log = history(rng, broken=True)
    stage = replace(STAGE, policy=replace(POLICY, max_traces=rng.choice([3, 10, 30, 10**6])))
    owner = stage.open(SOURCE, None)
    for at, message in enumerate(log):
        stage.step(owner, [message], 0)
        owner.log.waiting.clear()  # as if all that was asked were answered at once
        committed, begin = owner.log.held()
        if rng.random() < 0.1:
            progress = Progress(committed, at + 1, owner.log.watermark.ns, owner.log.watermark.snapshot(), owner.log.eras, begin)
            successor = stage.open(SOURCE, progress)
            stage.step(successor, log[committed : at + 1], 0)
            assert successor.log.traces.began == owner.log.traces.began


def test_few_are_known_and_who_comes_again_is_judged_again() -> None:
    again = 0
    for seed in range(20):
        rng = random.Random(seed)
        log, stage = history(rng), replace(STAGE, policy=replace(POLICY, max_traces=10))
        owner = Owner.of(World(log), 0, stage)
        while not owner.is_done:
            owner.turn(rng, 0)
            assert owner.state.log.traces.known <= 10
        found = judged_at(undisturbed(log, stage))
        again += len(found) - len({who[:-1] for who in found})
    assert again > 5


def test_without_settled_repeats_would_count() -> None:
    """The rule is needed: who forgets what has been settled counts twice."""
    broken = 0
    for seed in range(20):
        rng = random.Random(seed)
        scores = disturbed(history(rng), rng, always(STAGE)).scores
        forgetful = [row | {"settled": 0, "offset": i} for i, row in enumerate(scores)]
        broken += len(scores) != len({(row["trace_id"], row["evaluator"]) for row in forgetful})
    assert broken > 5


@pytest.mark.parametrize("seed", range(RUNS))
def test_other_settings_judge_no_trace_twice(seed: int) -> None:
    rng = random.Random(1000 + seed)
    log = history(rng)
    usual = {identity[0] for identity in counted(undisturbed(list(log), STAGE)) if identity[1] != "judge"}
    others = [replace(STAGE, policy=replace(POLICY, trace_settle_ns=s * S, trace_idle_ns=(s + 60) * S)) for s in (5, 20, 40)]

    def changing() -> Iterator[Evaluate]:
        while True:
            yield rng.choice(others)

    found = counted(disturbed(log, rng, changing()).scores)
    assert {identity[0] for identity in found if identity[1] != "judge"} == usual
