"""One partition of scores with owners that crash and zombies that write on, and the plain truth its panes are held against."""

import random
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import orjson

from pipeline.model.log_time import BEGINNING
from pipeline.model.score_columns import SCORE_COUNTS, SCORE_SERIES, SCORE_SQUARES, SCORE_SUMS
from pipeline.model.stream import Effects, Progress, Record, Source, joined
from pipeline.operators.frontiers import FRONTIER_KEY, read_frontier
from pipeline.operators.log_marks import SETTINGS_KEY, TIME_KEY
from pipeline.stages.scores import SCORES_KEY, Partition, Scores
from tests.scores import plain_measures

Key = tuple[Any, ...]
Rows = list[dict[str, Any]]


def rows_of(value: bytes) -> Rows:
    block = orjson.loads(value)
    return [dict(zip(block, row, strict=True)) for row in zip(*block.values(), strict=True)]


@dataclass
class ScoresWorld:
    """The log of one partition, what was written of it, and who works on it. panes, rows: as a store keeps them.

    final, final_ns: panes that are final, and up to where frontiers say that all of them are there. behind: one came later.
    """

    number: int
    log: list[Record] = field(default_factory=list)
    written: dict[int, Progress] = field(default_factory=dict)
    committed: int = 0
    panes: dict[Key, tuple[int, dict[str, Any]]] = field(default_factory=dict)
    rows: dict[Key, dict[str, Any]] = field(default_factory=dict)
    told: int = 0
    final_ns: int = BEGINNING
    final: Rows = field(default_factory=list)
    behind: bool = False

    def append(self, now_ns: int, value: bytes, key: bytes | None = None) -> None:
        source = Source("scores", self.number, "test")
        self.log.append(Record(source, len(self.log), now_ns, value, key))

    def write(self, writer: int, effects: Effects, until: int, now_ns: int) -> None:
        """Carry out effects in their order, as far as `until` of three steps."""
        for message in (*effects.messages, *effects.then) if until > 0 else ():
            if message.topic == "scores":
                assert message.key in (SETTINGS_KEY, TIME_KEY)
                self.append(now_ns, message.value, message.key)
            elif message.key == FRONTIER_KEY:
                self.final_ns = max(self.final_ns, read_frontier(message.value).final_ns)
            elif message.topic == "panes":
                assert message.key == SCORES_KEY
                self._keep(rows_of(message.value))
            elif message.topic == "counted":
                assert message.partition == self.number
                for row in rows_of(message.value):
                    self.told += 1
                    self.rows[identity(row)] = row
        if until > 1 and effects.progress is not None:
            self.written[writer] = effects.progress
        if until > 2 and effects.progress is not None:
            self.committed = max(self.committed, effects.progress.committed)

    def _keep(self, panes: Rows) -> None:
        for row in panes:
            if row["firing"] == "final" and row not in self.final:
                self.behind |= row["window_end_ns"] <= self.final_ns
                self.final.append(row)
            key = (row["window_start_ns"], row["window_end_ns"], *(row[name] for name in SCORE_SERIES))
            if key not in self.panes or row["revision"] >= self.panes[key][0]:
                self.panes[key] = (row["revision"], row)


@dataclass
class ScoresOwner:
    """One generation of a worker."""

    world: ScoresWorld
    number: int
    stage: Scores
    state: Partition
    at: int

    @classmethod
    def of(cls, world: ScoresWorld, number: int, stage: Scores) -> "ScoresOwner":
        known = joined(world.written.values())
        state = stage.open(Source("scores", world.number, "test"), known)
        return cls(world, number, stage, state, known.committed if known else world.committed)

    def turn(self, rng: random.Random, now_ns: int, until: int = 3) -> None:
        batch = self.world.log[self.at : self.at + rng.randint(0, 4)]
        self.state, effects = self.stage.step(self.state, batch, now_ns)
        self.world.write(self.number, effects, until, now_ns)
        self.at += len(batch)

    @property
    def is_done(self) -> bool:
        window = self.state.log.open
        return self.at >= len(self.world.log) and not (window is not None and window.changed)


@dataclass
class ScoresSide:
    """Owners of one partition over time: turns, crashes, zombies."""

    world: ScoresWorld
    stages: list[Scores]
    owner: ScoresOwner
    zombies: list[ScoresOwner] = field(default_factory=list)
    number: int = 0

    @classmethod
    def of(cls, number: int, stages: list[Scores]) -> "ScoresSide":
        world = ScoresWorld(number)
        return cls(world, stages, ScoresOwner.of(world, 0, stages[0]))

    def turn(self, rng: random.Random, now_ns: int, crash: float) -> None:
        if rng.random() < crash:
            until = rng.randint(0, 2)
            self.owner.turn(rng, now_ns, until)
            if until == 2 and rng.random() < 0.6:
                self.zombies.append(self.owner)
            self.number += 1
            self.owner = ScoresOwner.of(self.world, self.number, rng.choice(self.stages))
        for zombie in self.zombies[-2:]:
            if rng.random() < 0.3:
                zombie.turn(rng, now_ns, until=2)
        self.owner.turn(rng, now_ns)


def identity(row: dict[str, Any]) -> Key:
    return (row["trace_id"], row["evaluator"], row["evaluator_version"], row["scorer"])


def plain_rows(log: Iterable[Record]) -> dict[Key, tuple[int, dict[str, Any]]]:
    """What counts, and when it became known: the first of each identity, whatever it says of offsets."""
    found: dict[Key, tuple[int, dict[str, Any]]] = {}
    now_ns = 0
    for record in log:
        now_ns = max(now_ns, record.timestamp_ns)
        for row in rows_of(record.value or b"") if record.key is None else ():
            found.setdefault(identity(row), (now_ns, row))
    return found


def plain_panes(counting: Iterable[tuple[int, dict[str, Any]]], window_ns: int) -> dict[Key, dict[str, int]]:
    """What the rows of each window and series add up to."""
    panes: dict[Key, dict[str, int]] = {}
    for known_ns, row in counting:
        start = known_ns // window_ns * window_ns
        key = (start, start + window_ns, *(row[name] for name in SCORE_SERIES))
        pane = panes.setdefault(key, dict.fromkeys((*SCORE_COUNTS, *SCORE_SUMS, *SCORE_SQUARES), 0))
        for name, number in plain_measures(row).items():
            pane[name] += number
    return panes


def measures(row: dict[str, Any]) -> dict[str, int]:
    """The measures of a pane as it was written."""
    return {name: int(row[name]) for name in (*SCORE_COUNTS, *SCORE_SUMS, *SCORE_SQUARES)}
