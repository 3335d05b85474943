"""A world in which aggregate's workers crash, stall and write on as zombies, and the truth to compare with.

The stage is the real one, over real span blocks; only Kafka and ClickHouse are played: a log per partition, a pane
store that keeps the largest revision, a ledger keyed by offset, progress keyed by generation, commits fenced by
generation. Each of these rules can be left out, and then counts break: that is what the rules are for.
"""

import random
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import orjson

from pipeline.model.log_time import BEGINNING, WindowPolicy
from pipeline.model.stream import Message, Progress, Record, Source
from pipeline.stages.aggregate import Aggregate, Outputs, Partition
from tests.spans import record, span, tick

POLICY = WindowPolicy(window_ns=10, allowed_lateness_ns=20, out_of_orderness_ns=3, max_ahead_ns=50, max_series=3)
OUTPUTS = Outputs("panes", "ledger", "dead", "status", panes_partitions=2)

Truth = dict[tuple[str, int], tuple[int, int, int]]
"""(source, window start) -> (requests, input tokens, cost) over all series."""


@dataclass(frozen=True)
class Rules:
    """What keeps the counts exact. The default is all of it."""

    revision: bool = True
    progress_is_read: bool = True
    largest_progress: bool = True
    watermark_is_kept: bool = True
    verdicts_are_keyed: bool = True
    commits_are_fenced: bool = True


@dataclass
class World:
    """Everything outside the workers."""

    rules: Rules
    logs: list[list[Record]]
    generation: int = 0
    committed: dict[int, int] = field(default_factory=dict)
    progress: dict[int, dict[int, Progress]] = field(default_factory=dict)
    panes: dict[tuple[Any, ...], tuple[int, tuple[int, int, int]]] = field(default_factory=dict)
    verdicts: dict[tuple[str, int], tuple[int, ...]] = field(default_factory=dict)
    counters: list[int] = field(default_factory=lambda: [0, 0, 0, 0])

    def write(self, message: Message) -> None:
        rows = [dict(zip(b, v, strict=True)) for b in [orjson.loads(message.value)] for v in zip(*b.values(), strict=True)]
        for row in rows:
            if message.topic == "panes":
                key = (row["source"], row["window_start_ns"], row["environment"], row["route"], row["model"])
                old = self.panes.get(key)
                if old is None or not self.rules.revision or row["revision"] >= old[0]:
                    self.panes[key] = row["revision"], (row["requests"], row["input_tokens"], row["cost_nusd"])
            elif message.topic == "ledger":
                verdict = tuple(row[name] for name in ("counted", "duplicate", "too_late", "ahead_of_clock"))
                self.verdicts[row["source"], row["offset"]] = verdict
                self.counters = [a + b for a, b in zip(self.counters, verdict, strict=True)]

    def progress_of(self, partition: int) -> Progress | None:
        written = self.progress.get(partition, {})
        if not written or not self.rules.progress_is_read:
            return None
        found = max(written.values(), key=lambda p: p.folded) if self.rules.largest_progress else list(written.values())[-1]
        return found if self.rules.watermark_is_kept else replace(found, watermark_ns=BEGINNING)


@dataclass
class Member:
    """A worker process with the partitions of one generation. A zombie is a member whose generation has passed."""

    world: World
    stage: Aggregate
    generation: int
    partitions: list[int]
    states: dict[int, Partition] = field(default_factory=dict)
    next_offset: dict[int, int] = field(default_factory=dict)
    todo: dict[int, deque[Any]] = field(default_factory=dict)

    def act(self, partition: int, rng: random.Random, now_ns: int) -> bool:
        """One move on one partition: carry out one effect, or fold some records. False if there is nothing to do."""
        if partition not in self.states:
            self.next_offset[partition] = self.world.committed.get(partition, 0)
            self.states[partition] = self.stage.open(source_of(partition), self.world.progress_of(partition))
            self.todo[partition] = deque()
        if self.todo[partition]:
            self._carry_out(partition, self.todo[partition].popleft())
            return True
        start = self.next_offset[partition]
        batch = self.world.logs[partition][start : start + rng.randint(1, 4)]
        self.next_offset[partition] += len(batch)
        self.states[partition], effects = self.stage.step(self.states[partition], batch, now_ns)
        self.todo[partition].extend(effects.messages)
        if effects.progress:
            self.todo[partition].extend((effects.progress, effects.progress.committed))
        return bool(batch or self.todo[partition])

    def _carry_out(self, partition: int, effect: Any) -> None:
        if isinstance(effect, Message):
            self.world.write(effect)
        elif isinstance(effect, Progress):
            written = self.world.progress.setdefault(partition, {})
            written.pop(self.generation, None)
            written[self.generation] = effect
        elif self.generation == self.world.generation or not self.world.rules.commits_are_fenced:
            self.world.committed[partition] = effect


def source_of(partition: int) -> Source:
    return Source("spans", partition, "sim")


def make_log(rng: random.Random, partition: int, blocks: int) -> tuple[list[Record], Truth, list[int]]:
    """A log with repeats, late, too late and future spans and idle ticks; what is true of it; its verdicts."""
    now, number, entries, sent = 1000, partition * 1_000_000, [], []
    for _ in range(blocks):
        now += rng.choice([0, 1, 1, 2]) if rng.random() > 0.03 else rng.randint(20, 60)
        rows = []
        for _ in range(rng.randint(0, 4)):
            if sent and rng.random() < 0.12:
                rows.append(rng.choice(sent[-60:]))
                continue
            late = rng.randint(4, 45) if rng.random() < 0.12 else rng.randint(0, 4)
            end = now + rng.randint(200, 400) if rng.random() < 0.02 else now - late
            number += 1
            made = span(number, end, route=f"r{rng.randint(0, 4)}", input_tokens=rng.randint(1, 9), cost_nusd=rng.randint(1, 99))
            sent.append(made)
            rows.append(made)
        entries.append((now, rows))
    entries += [(now + 2000 * k, []) for k in (1, 2, 3)]
    log = [
        record(offset, append, rows, source_of(partition)) if rows else tick(offset, append, {0: append}, source_of(partition))
        for offset, (append, rows) in enumerate(entries)
    ]
    truth, verdicts = true_panes(str(source_of(partition)), entries)
    return log, truth, verdicts


def true_panes(source: str, entries: list[tuple[int, list[dict[str, Any]]]]) -> tuple[Truth, list[int]]:
    """What a single pass that never fails would count, in the plainest words."""
    watermark, seen, truth, verdicts = BEGINNING, set(), {}, [0, 0, 0, 0]
    for append, rows in entries:
        before = watermark
        for row in rows:
            start = row["end_ns"] // 10 * 10
            if row["end_ns"] > append + 50:
                verdicts[3] += 1
                continue
            watermark = max(watermark, min(row["end_ns"], append) - 3)
            if start + 30 <= before:
                verdicts[2] += 1
            elif (start, row["span_id"]) in seen:
                verdicts[1] += 1
            else:
                seen.add((start, row["span_id"]))
                verdicts[0] += 1
                old = truth.get((source, start), (0, 0, 0))
                truth[source, start] = (old[0] + 1, old[1] + row["input_tokens"], old[2] + row["cost_nusd"])
        if not rows:
            watermark = max(watermark, append - 3)
    return truth, verdicts


def run(seed: int, rules: Rules, *, zombies: bool, crashes: int = 6, partitions: int = 2, blocks: int = 70) -> list[str]:
    """One random history. Returns what came out wrong."""
    rng = random.Random(seed)
    made = [make_log(rng, p, blocks) for p in range(partitions)]
    world = World(rules, [log for log, _, _ in made])
    stage = Aggregate(POLICY, OUTPUTS, early_every_ns=7, progress_every_ns=0)
    members = assign(world, stage, rng, count=2)
    now = 1000
    for _ in range(100_000):
        now += 1
        member = rng.choice(members)
        busy = bool(member.partitions) and member.act(rng.choice(member.partitions), rng, now)
        if crashes and rng.random() < 0.02:
            crashes -= 1
            old = [m for m in members if zombies and rng.random() < 0.5]
            members = [*old[-2:], *assign(world, stage, rng, count=rng.randint(1, 2))]
        elif not crashes and rng.random() < 0.05:
            members = [m for m in members if m.generation == world.generation]
        if not crashes and not busy and all(is_done(m, world) for m in members):
            break
    return list(wrongs(world, made))


def assign(world: World, stage: Aggregate, rng: random.Random, count: int) -> list[Member]:
    """A rebalance: a new generation whose members own all partitions between them."""
    world.generation += 1
    owner = [rng.randrange(count) for _ in world.logs]
    return [Member(world, stage, world.generation, [p for p, o in enumerate(owner) if o == i]) for i in range(count)]


def is_done(member: Member, world: World) -> bool:
    """Has a member of the current generation folded and carried out everything?"""
    return member.generation == world.generation and all(
        not member.todo.get(p) and member.next_offset.get(p) == len(world.logs[p]) for p in member.partitions
    )


def wrongs(world: World, made: list[tuple[list[Record], Truth, list[int]]]) -> Iterator[str]:
    """Differences between the world and the truth."""
    got: Truth = {}
    for (source, start, *_), (_, measures) in world.panes.items():
        old = got.get((source, start), (0, 0, 0))
        got[source, start] = (old[0] + measures[0], old[1] + measures[1], old[2] + measures[2])
    if got != {key: value for _, truth, _ in made for key, value in truth.items()}:
        yield "panes"
    judged = [sum(column) for column in zip(*world.verdicts.values(), strict=True)] or [0, 0, 0, 0]
    true_verdicts = [sum(column) for column in zip(*(verdicts for _, _, verdicts in made), strict=True)]
    if (judged if world.rules.verdicts_are_keyed else world.counters) != true_verdicts:
        yield "ledger"
