"""A world in which aggregate's workers crash, stall and write on as zombies, under settings that change.

The stage is the real one, over real span blocks; only Kafka and ClickHouse are played: logs that grow while they are read
(`decode_world.py` says how they come about) and may be made anew, a pane store that keeps the largest revision, a ledger
keyed by offset, progress keyed by log and generation, commits fenced by generation. Each of these rules can be left out,
and then counts break: that is what the rules are for. The truth is `plain_fold.py` over the same logs.
"""

import random
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

import orjson

from pipeline.model.log_time import BEGINNING, NOTHING_SAID, LogTime, WindowPolicy
from pipeline.model.stream import Message, Progress, Record, Source, joined
from pipeline.operators.frontiers import FRONTIER_KEY, read_frontier
from pipeline.operators.log_marks import SETTINGS_KEY
from pipeline.stages.aggregate import Aggregate, Outputs, Partition
from tests.laws import decode_world
from tests.laws.decode_world import HONEST_DELAY, HORIZON, Entry, Histories
from tests.laws.plain_fold import Told, fold
from tests.spans import record, tick

POLICY = WindowPolicy(
    *(10, 20, HONEST_DELAY + 2, 50),
    max_series=3,
    source_patience_ns=2000,
    outage_ns=30,
    call_hold_ns=6,
    trace_settle_ns=15,
    trace_idle_ns=60,
    trace_longest_ns=150,
    max_trace_spans=12,
)
OTHERS = (
    POLICY,
    replace(POLICY, window_ns=15),
    replace(POLICY, window_ns=20, allowed_lateness_ns=35),
    replace(POLICY, allowed_lateness_ns=60, max_series=1),
    replace(POLICY, max_ahead_ns=5, max_series=9),
    replace(POLICY, call_hold_ns=0, trace_settle_ns=5, trace_idle_ns=20),
    replace(POLICY, trace_longest_ns=40, max_trace_spans=3),
)
Said = TypeVar("Said", Progress, LogTime)
PARTITIONS = 2
OUTPUTS = Outputs("panes", "ledger", "dead", "status", panes_partitions=2, spans_partitions=PARTITIONS)
OF_TRACES = ("traces", "incomplete", "spans", "calls", "told_twice", "input_tokens", "cost_nusd")
"""What is compared of panes of traces."""


@dataclass(frozen=True)
class Rules:
    """What keeps the counts exact. The default is all of it."""

    revision: bool = True
    progress_is_read: bool = True
    largest_progress: bool = True
    watermark_is_kept: bool = True
    clock_is_kept: bool = True
    verdicts_are_keyed: bool = True
    commits_are_fenced: bool = True
    settings_stand_in_the_log: bool = True
    begins_where_it_was: bool = True
    logs_have_identity: bool = True
    unending_are_told: bool = True
    frontiers_come_after: bool = True
    decode: decode_world.Rules = field(default_factory=decode_world.Rules)


@dataclass
class Log:
    """One incarnation of a partition of spans: what stands in it, and what decode is yet to write."""

    source: Source
    to_come: deque[Entry]
    records: list[Record] = field(default_factory=list)
    first: WindowPolicy | None = None

    def grow(self) -> None:
        """The next message of decode is appended."""
        entry, offset = self.to_come.popleft(), len(self.records)
        if entry.rows:
            self.records.append(record(offset, entry.append, entry.rows, self.source))
        else:
            read = dict(entry.read)
            self.records.append(tick(offset, entry.append, read, self.source, partitions=entry.sources, epoch=entry.epoch))

    def ask(self, message: Message) -> None:
        """A worker appends what it asks for."""
        append = self.records[-1].timestamp_ns if self.records else decode_world.BEGIN
        self.records.append(Record(self.source, len(self.records), append, message.value, message.key))


@dataclass
class PanesLog:
    """One partition of the topic `panes`, as a reader finds it.

    on_time, final: by source and family, how far frontiers have said. behind: rows that came after a frontier that said they
    were there.
    """

    on_time: dict[tuple[str, str], int] = field(default_factory=dict)
    final: dict[tuple[str, str], int] = field(default_factory=dict)
    seen: set[str] = field(default_factory=set)
    behind: list[dict[str, Any]] = field(default_factory=list)

    def append(self, message: Message) -> None:
        if message.key == FRONTIER_KEY:
            said = read_frontier(message.value)
            assert said.partitions == OUTPUTS.spans_partitions
            for reached, ns in ((self.on_time, said.on_time_ns), (self.final, said.final_ns)):
                at = said.source, said.family
                reached[at] = max(ns, reached.get(at, BEGINNING))
            return
        family = "calls" if message.key is None else "traces"
        for row in rows_of(message.value):
            reached = {"on_time": self.on_time, "final": self.final}.get(row["firing"], {})
            text = repr(row)
            if row["window_end_ns"] <= reached.get((row["source"], family), BEGINNING) and text not in self.seen:
                self.behind.append(row)
            self.seen.add(text)


@dataclass
class World:
    """Everything outside the workers."""

    rules: Rules
    logs: list[Log]
    generation: int = 0
    committed: dict[Any, int] = field(default_factory=dict)
    progress: dict[Any, dict[int, Progress]] = field(default_factory=dict)
    panes: dict[tuple[Any, ...], tuple[int, str, tuple[int, int, int]]] = field(default_factory=dict)
    verdicts: dict[tuple[str, int], tuple[int, ...]] = field(default_factory=dict)
    counters: list[int] = field(default_factory=lambda: [0, 0, 0, 0])
    traces: dict[tuple[Any, ...], dict[str, Any]] = field(default_factory=dict)
    trace_panes: dict[tuple[Any, ...], tuple[int, tuple[int, ...]]] = field(default_factory=dict)
    repeats: set[tuple[str, str, str]] = field(default_factory=set)
    outside: dict[tuple[str, int], tuple[int, int]] = field(default_factory=dict)
    topic: list[PanesLog] = field(default_factory=lambda: [PanesLog() for _ in range(OUTPUTS.panes_partitions)])

    def identity(self, source: Source) -> Any:
        return source if self.rules.logs_have_identity else source.partition

    def write(self, message: Message) -> None:
        if message.key == SETTINGS_KEY:
            self.logs[message.partition].ask(message)
            return
        if message.topic == "panes":
            self.topic[message.partition].append(message)
        if message.key == FRONTIER_KEY:
            return
        for row in rows_of(message.value):
            if message.topic == "panes" and message.key is None:
                key = (row["source"], row["window_start_ns"], row["window_end_ns"], row["route"], row["cohort"])
                old = self.panes.get(key)
                if old is None or not self.rules.revision or row["revision"] >= old[0]:
                    measures = row["requests"], row["input_tokens"], int(row["cost_nusd"])
                    self.panes[key] = row["revision"], row["firing"], measures
            elif message.topic == "panes":
                key = (row["source"], row["window_start_ns"], row["route"], row["cohort"])
                older = self.trace_panes.get(key)
                if older is None or not self.rules.revision or row["revision"] >= older[0]:
                    self.trace_panes[key] = row["revision"], tuple(int(row[name]) for name in OF_TRACES)
            elif message.topic == "traces":
                self.traces[row["source"], row["trace_id"], row["first_offset"]] = row
            elif message.topic == "repeats":
                self.repeats.add((row["source"], row["trace_id"], row["span_id"]))
            elif message.topic == "ledger":
                self.outside[row["source"], row["offset"]] = row["late_for_trace"], row["outside_nusd"]
                verdict = tuple(row[name] for name in ("counted", "duplicate", "too_late", "ahead_of_clock"))
                self.verdicts[row["source"], row["offset"]] = verdict
                self.counters = [a + b for a, b in zip(self.counters, verdict, strict=True)]

    def progress_of(self, source: Source) -> Progress | None:
        written = self.progress.get(self.identity(source), {})
        if not written or not self.rules.progress_is_read:
            return None
        found = joined(written.values()) if self.rules.largest_progress else list(written.values())[-1]
        assert found is not None
        if not self.rules.settings_stand_in_the_log:
            return replace(found, eras=(), begin=None)
        if not self.rules.unending_are_told:
            found = replace(found, unending=())
        if not self.rules.begins_where_it_was:
            return replace(self._kept(found), begin=None)
        return replace(self._kept(found), begin=found.begin and self._kept(found.begin))

    def _kept(self, told: Said) -> Said:
        """What the rules leave of it."""
        told = told if self.rules.watermark_is_kept else replace(told, watermark_ns=BEGINNING)
        return told if self.rules.clock_is_kept else replace(told, clock=NOTHING_SAID)

    def first_progress(self, source: Source, generation: int, progress: Progress) -> None:
        """Of several first owners the first entry decides."""
        self.progress.setdefault(self.identity(source), {})[generation] = progress
        log = self.logs[source.partition]
        if log.source == source and log.first is None:
            log.first = progress.eras[0].policy


@dataclass
class Member:
    """A worker process with the partitions of one generation. A zombie is a member whose generation has passed."""

    world: World
    stage: Aggregate
    generation: int
    partitions: list[int]
    states: dict[int, Partition] = field(default_factory=dict)
    logs: dict[int, Log] = field(default_factory=dict)
    next_offset: dict[int, int] = field(default_factory=dict)
    todo: dict[int, deque[Any]] = field(default_factory=dict)

    def act(self, partition: int, rng: random.Random, now_ns: int) -> bool:
        """One move on one partition: carry out one effect, or fold some records. False if there is nothing to do."""
        if self.logs.get(partition) is not self.world.logs[partition] and self.generation == self.world.generation:
            self._open(partition)
        if partition not in self.states:
            return False
        if self.todo[partition]:
            self._carry_out(partition, self.todo[partition].popleft())
            return True
        start = self.next_offset[partition]
        batch = self.logs[partition].records[start : start + rng.randint(1, 8)]
        self.next_offset[partition] += len(batch)
        self.states[partition], effects = self.stage.step(self.states[partition], batch, now_ns)
        if self.world.rules.frontiers_come_after:
            self.todo[partition].extend((*effects.messages, *effects.then))
        else:
            self.todo[partition].extend((*effects.then, *effects.messages))
        if effects.progress:
            self.todo[partition].extend((effects.progress, effects.progress.committed))
        return bool(batch or self.todo[partition])

    def _open(self, partition: int) -> None:
        """Take the partition over, in its present incarnation; what an older one was still to be told is dropped."""
        log = self.logs[partition] = self.world.logs[partition]
        if self.world.progress_of(log.source) is None and self.world.rules.progress_is_read:
            self.world.first_progress(log.source, self.generation, self.stage.first())
        self.next_offset[partition] = self.world.committed.get(self.world.identity(log.source), 0)
        self.states[partition] = self.stage.open(log.source, self.world.progress_of(log.source))
        self.todo[partition] = deque()

    def _carry_out(self, partition: int, effect: Any) -> None:
        log = self.logs[partition]
        if isinstance(effect, Message):
            if effect.key != SETTINGS_KEY or log is self.world.logs[partition]:
                self.world.write(effect)
        elif isinstance(effect, Progress):
            written = self.world.progress.setdefault(self.world.identity(log.source), {})
            written.pop(self.generation, None)
            written[self.generation] = effect
        elif self.generation == self.world.generation or not self.world.rules.commits_are_fenced:
            self.world.committed[self.world.identity(log.source)] = effect


def run(seed: int, rules: Rules, *, zombies: bool, crashes: int = 8, changes: bool = True) -> list[str]:
    """One random history. Returns what came out wrong."""
    rng = random.Random(seed)
    made = decode_world.make(rng, rules.decode, PARTITIONS)
    remade = rng.random() < 0.2
    world = World(rules, [Log(Source("spans", p, "1"), deque(log)) for p, log in enumerate(made.logs)])
    members = assign(world, rng, 2, changes)
    for now in range(1, 200_000):
        growing = [log for log in world.logs if log.to_come]
        for log in growing:
            for _ in range(min(len(log.to_come), rng.choice([0, 0, 0, 1]))):
                log.grow()
        member = rng.choice(members)
        busy = bool(member.partitions) and member.act(rng.choice(member.partitions), rng, now)
        if crashes and rng.random() < 0.02:
            crashes -= 1
            old = [m for m in members if zombies and rng.random() < 0.5]
            if remade and crashes == 4:
                make_anew(world, made, rng.randrange(PARTITIONS))
            members = [*old[-2:], *assign(world, rng, rng.randint(1, 2), changes)]
        elif not crashes and rng.random() < 0.05:
            members = [m for m in members if m.generation == world.generation]
        if not crashes and not busy and not growing and all(is_done(m, world) for m in members):
            break
    return list(wrongs(world, made))


def make_anew(world: World, made: Histories, partition: int) -> None:
    """The topic is deleted and created: its successor begins with what decode writes from then on, announced again. Spans
    the old one held are honest no more: what comes again of them may be late.
    """
    old = world.logs[partition]
    made.honest -= {row["span_id"] for rec in old.records if rec.key is None for row in rows_of(rec.value or b"")}
    announced = [replace(e, append=old.to_come[0].append, read=()) for e in old.to_come if not e.rows and e.sources][:1]
    world.logs[partition] = Log(replace(old.source, epoch="2"), deque([*announced, *old.to_come]))
    if world.rules.logs_have_identity:
        world.committed.pop(old.source, None)


def rows_of(block: bytes) -> list[dict[str, Any]]:
    columns = orjson.loads(block)
    return [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]


def assign(world: World, rng: random.Random, count: int, changes: bool) -> list[Member]:
    """A rebalance: a new generation whose members own all partitions between them, each with settings of its own."""
    world.generation += 1
    owner = [rng.randrange(count) for _ in world.logs]
    policies = [rng.choice(OTHERS) if changes else POLICY for _ in range(count)]
    stages = [Aggregate(policy, OUTPUTS, early_every_ns=7, progress_every_ns=0, finest_ns=1) for policy in policies]
    return [Member(world, stages[i], world.generation, [p for p, o in enumerate(owner) if o == i]) for i in range(count)]


def is_done(member: Member, world: World) -> bool:
    """Has a member of the current generation folded and carried out everything?"""
    return member.generation == world.generation and all(
        member.logs.get(p) is world.logs[p] and not member.todo.get(p) and member.next_offset.get(p) == len(world.logs[p].records)
        for p in member.partitions
    )


def wrongs(world: World, made: Histories) -> Iterator[str]:
    """Differences between the world and the truth, and promises of the truth that do not hold."""
    told = {str(log.source): fold(log.records, log.first or POLICY) for log in world.logs}
    got: dict[Any, tuple[int, int, int]] = {}
    firings = set()
    for (source, start, end, *_), (_, firing, measures) in world.panes.items():
        if source in told:
            old = got.get((source, start, end), (0, 0, 0))
            got[source, start, end] = (old[0] + measures[0], old[1] + measures[1], old[2] + measures[2])
            firings.add(firing)
    if got != true_panes(told):
        yield "panes"
    judged = [sum(c) for c in zip(*(v for (s, _), v in world.verdicts.items() if s in told), strict=True)] or [0, 0, 0, 0]
    true_verdicts = [sum(column) for column in zip(*(t.verdicts for t in told.values()), strict=True)]
    if (judged if world.rules.verdicts_are_keyed else world.counters) != true_verdicts:
        yield "ledger"
    if any(t.too_late & made.honest for t in told.values()):
        yield "an honest span too late"
    yield from wrong_traces(world, told)
    yield from wrong_frontiers(world, told)
    if any(world.committed[world.identity(log.source)] <= begin for log in world.logs for begin in unending(log, made)):
        yield "an offset held for ever"
    if any(t.open for t in told.values()) or firings - {"final"}:
        yield "a window that never closed"


def unending(log: Log, made: Histories) -> Iterator[int]:
    """Offsets at which traces began that never fell silent, those that had time to be over and remembered."""
    seen: dict[str, int] = {}
    for rec in log.records:
        for row in rows_of(rec.value or b"") if rec.key is None else []:
            if row["trace_id"] in made.unending and rec.timestamp_ns < HORIZON:
                seen.setdefault(row["trace_id"], rec.offset)
    yield from seen.values()


def wrong_traces(world: World, told: dict[str, Told]) -> Iterator[str]:
    """The same of traces: rows, panes, who repeats a call, and that no cost is lost or counted twice."""
    rows = {at: row for at, row in world.traces.items() if at[0] in told}
    true = {(source, *at): row for source, t in told.items() for at, row in t.traces.items()}
    if rows.keys() != true.keys() or any(rows[at][name] != value for at, row in true.items() for name, value in row.items()):
        yield "traces"
    got: dict[Any, tuple[int, ...]] = {}
    for (source, start, *_), (_, measures) in world.trace_panes.items():
        if source in told:
            got[source, start] = tuple(map(sum, zip(measures, got.get((source, start), (0,) * len(OF_TRACES)), strict=True)))
    wanted = {
        (source, start): tuple(sum(int(row.get(name, 1)) for row in of) for name in OF_TRACES)
        for source, t in told.items()
        for start, of in t.trace_windows.items()
    }
    if got != wanted:
        yield "panes of traces"
    if len({at for at in world.repeats if at[0] in told}) != sum(row["told_twice"] for row in true.values()):
        yield "repeats"
    outside = [sum(c) for c in zip(*(v for (s, _), v in world.outside.items() if s in told), strict=True)] or [0, 0]
    if outside != [sum(c) for c in zip(*(t.outside for t in told.values()), strict=True)]:
        yield "late for their traces"
    calls = sum(m[2] for (source, *_), (_, _, m) in world.panes.items() if source in told)
    if sum(row["cost_nusd"] for row in rows.values()) + outside[1] != calls:
        yield "cost of traces is not cost of calls"


def wrong_frontiers(world: World, told: dict[str, Told]) -> Iterator[str]:
    """No partition of panes holds a row behind the frontier it belongs before, and every window is passed at last."""
    if any(log.behind for log in world.topic):
        yield "a row behind its frontier"
    windows = [(source, "calls", end) for source, t in told.items() for end, _ in t.windows.values()]
    windows += [(source, "traces", start + 1) for source, t in told.items() for start in t.trace_windows]
    if any(log.final.get((source, family), BEGINNING) < end for log in world.topic for source, family, end in windows):
        yield "a window no frontier passed"


def true_panes(told: dict[str, Told]) -> dict[Any, tuple[int, int, int]]:
    """Requests, input tokens and cost by source and window."""
    return {
        (source, start, end): (len(rows), sum(r["input_tokens"] for r in rows), sum(r["cost_nusd"] for r in rows))
        for source, t in told.items()
        for start, (end, rows) in t.windows.items()
        if rows
    }
