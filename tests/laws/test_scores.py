"""evaluate and scores under crashes and zombies of both: panes and rows are those of one plain pass over the scores, and what
they add up to is what an undisturbed run adds up to.

Kafka is played as in `tests/laws/test_judging.py`; when a score becomes known differs from run to run, so windows are compared
over the same log, and sums over all windows with those of the undisturbed run.
"""

import random
from collections import Counter
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest

from pipeline.model.log_time import WindowPolicy
from pipeline.model.score_columns import SCORE_SERIES
from pipeline.model.stream import Effects, Record
from pipeline.operators import score_log
from pipeline.operators.log_marks import SETTINGS_KEY, read_settings
from pipeline.stages.scores import Outputs, Scores
from tests.laws.scores_world import ScoresSide, ScoresWorld, identity, measures, plain_panes, plain_rows
from tests.laws.test_judging import RUNS, STAGE, Owner, S, World, counted, history, undisturbed
from tests.scores import plain_measures

PARTITIONS = 3
POLICY = WindowPolicy(10 * S, 0, 0, 0, 10, *(0,) * 9)
SCORES = Scores(POLICY, Outputs("panes", "counted", "dead", "status", PARTITIONS), 2 * S, 2 * S)


class Both(World):
    """The world of evaluate, whose scores come into logs of their own at the time of writing."""

    def __init__(self, log: list[Record], stages: list[Scores]) -> None:
        super().__init__(log)
        self.sides = [ScoresSide.of(p, stages) for p in range(PARTITIONS)]
        self.now_ns = S

    def write(self, writer: int, effects: Effects, until: int) -> None:
        super().write(writer, effects, until)
        for message in effects.messages if until > 0 else ():
            if message.topic == "scores":
                self.sides[message.partition].world.append(self.now_ns, message.value)

    @property
    def logs(self) -> list[ScoresWorld]:
        return [side.world for side in self.sides]


def run(log: list[Record], rng: random.Random, stages: list[Scores], crash: float) -> Both:
    """Both stages until both are done."""
    world = Both(log, stages)
    owner, number, zombies = Owner.of(world, 0, STAGE), 0, list[Owner]()
    while not owner.is_done or not all(side.owner.is_done for side in world.sides):
        world.now_ns += rng.randint(0, 3) * S
        if rng.random() < crash and number < 12:
            until = rng.randint(0, 2)
            owner.turn(rng, world.now_ns, until)
            if until == 2 and rng.random() < 0.6:
                zombies.append(owner)
            number += 1
            owner = Owner.of(world, number, STAGE)
        for zombie in zombies[-2:]:
            if rng.random() < 0.3:
                zombie.turn(rng, world.now_ns, until=2)
        owner.turn(rng, world.now_ns)
        for side in world.sides:
            side.turn(rng, world.now_ns, crash if side.number < 12 else 0)
    return world


def agrees(world: Both) -> bool:
    """Whether panes and rows of every partition are those of a plain pass over its log, and frontiers speak the truth."""
    for one in world.logs:
        truth = plain_rows(one.log)
        if {key: row["known_ns"] for key, row in one.rows.items()} != {key: known for key, (known, _) in truth.items()}:
            return False
        found = {key: measures(row) for key, (_, row) in one.panes.items()}
        if found != plain_panes(truth.values(), POLICY.window_ns):
            return False
        if one.behind or any(row["window_end_ns"] > one.final_ns for row in one.final):
            return False
    return True


def sums(rows: list[tuple[tuple[Any, ...], dict[str, int]]]) -> dict[tuple[Any, ...], Counter[str]]:
    found: dict[tuple[Any, ...], Counter[str]] = {}
    for series, numbers in rows:
        found.setdefault(series, Counter()).update(numbers)
    return found


@pytest.mark.parametrize("seed", range(RUNS))
def test_panes_and_rows_are_those_of_an_undisturbed_run(seed: int) -> None:
    rng = random.Random(seed)
    log = history(rng)
    world = run(list(log), rng, [SCORES], 0.06)
    assert agrees(world)
    counting = [row for one in world.logs for row in one.rows.values()]
    usual = counted(undisturbed(list(log), STAGE))
    assert {identity(row) for row in counting} == set(usual)
    assert counted(world.scores) == usual
    calm = run(list(log), random.Random(0), [SCORES], 0)
    expected = sums([(tuple(row[n] for n in SCORE_SERIES), plain_measures(row)) for w in calm.logs for row in w.rows.values()])
    found = sums([(key[2:], measures(row)) for one in world.logs for key, (_, row) in one.panes.items()])
    assert {key: +numbers for key, numbers in found.items()} == {key: +numbers for key, numbers in expected.items()}


def test_what_was_remembered_when_the_window_opened_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who begins with the open window alone takes repeats in it for firsts."""
    broken = 0

    def held(log: score_log.ScoreLog) -> score_log.Stood:
        log._held_at_open = log.open.first_offset if log.open is not None else log.position
        return whole(log)

    whole = score_log.ScoreLog.held
    monkeypatch.setattr(score_log.ScoreLog, "held", held)
    monkeypatch.setattr(score_log, "MARK_EVERY_NS", 0)
    for seed in range(20):
        rng = random.Random(seed)
        broken += not agrees(run(history(rng), rng, [SCORES], 0.06))
    assert broken > 2


@pytest.mark.parametrize("seed", range(RUNS))
def test_changed_windows_split_no_window(seed: int) -> None:
    """Owners with other settings: each window has one length, every score counts once, in the window of its time."""
    rng = random.Random(2000 + seed)
    stages = [replace(SCORES, policy=replace(POLICY, window_ns=n * S)) for n in (5, 10, 15)]
    world = run(history(rng), rng, stages, 0.06)
    for one in world.logs:
        truth = plain_rows(one.log)
        assert {key: row["known_ns"] for key, row in one.rows.items()} == {key: known for key, (known, _) in truth.items()}
        windows = sorted({key[:2] for key in one.panes})
        assert all(end <= start for (_, end), (start, _) in pairwise(windows))
        expected: dict[tuple[Any, ...], Counter[str]] = {}
        for known, row in truth.values():
            (window,) = [w for w in windows if w[0] <= known < w[1]]
            expected.setdefault((*window, *(row[n] for n in SCORE_SERIES)), Counter()).update(plain_measures(row))
        assert {k: Counter(measures(row)) for k, (_, row) in one.panes.items()} == {k: Counter(v) for k, v in expected.items()}


def test_settings_are_asked_for() -> None:
    asked = 0
    for seed in range(5):
        rng = random.Random(3000 + seed)
        stages = [replace(SCORES, policy=replace(POLICY, window_ns=n * S)) for n in (5, 15)]
        for one in run(history(rng), rng, stages, 0.1).logs:
            asked += sum(record.key == SETTINGS_KEY for record in one.log)
            assert all(read_settings(r.value or b"", S).window_ns in (5 * S, 15 * S) for r in one.log if r.key == SETTINGS_KEY)
    assert asked


def test_silence_ends_every_window() -> None:
    """Also of a partition that never held a score, whoever crashed: all panes become final, and frontiers say so."""
    for seed in range(5):
        rng = random.Random(4000 + seed)
        world = run(history(rng), rng, [SCORES], 0.1)
        end_ns = world.now_ns + 3 * POLICY.window_ns
        while world.now_ns < end_ns:
            world.now_ns += S
            for side in world.sides:
                side.turn(rng, world.now_ns, 0)
        for one in world.logs:
            assert all(row["firing"] == "final" for _, row in one.panes.values())
            assert one.final_ns >= end_ns - 2 * POLICY.window_ns
        assert agrees(world)
