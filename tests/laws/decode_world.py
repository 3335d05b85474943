"""How logs of spans come about: sources, hosts with wrong clocks, and members of decode that are away, crash and live on.

The world: one to four partitions of `otlp_spans`, thick and thin, some silent for long, some beginning late. Honest spans
reach Kafka within HONEST_DELAY of their end; some hosts have clocks hours ahead or behind. Members of decode own sources, read
them in any order, crash and repeat from their last commit, and what a zombie sent may arrive later. The topic may be made
anew. In some worlds an application uses one trace id for ever. What a member claims of its sources is decided by the real
`Claims`.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from pipeline.model.stream import Source
from pipeline.operators.claims import Claims
from tests.spans import span

HONEST_DELAY = 8
BEGIN, HORIZON, TROUBLE, UNENDING, END = 1000, 1400, 1600, 1850, 2000
"""Records are appended until the horizon, members have trouble a little longer, then the world goes on in peace. Traces that
never fall silent are spoken of far into it.
"""

Row = dict[str, Any]


@dataclass(frozen=True)
class Rules:
    """What decode does so that no honest span is called too late. The default is all of it."""

    records_bound_spans: bool = True
    sources_are_apart: bool = True
    sources_are_announced: bool = True
    claims_wait_for_rows: bool = True
    sources_tick: bool = True


@dataclass(frozen=True)
class Entry:
    """One message of a log: rows of a block, or a tick with times by partition."""

    append: int
    rows: tuple[Row, ...] = ()
    epoch: str = ""
    sources: int = 0
    read: tuple[tuple[int, int], ...] = ()


@dataclass
class OtlpLog:
    """One incarnation of `otlp_spans`: per partition its records as (append, row), by append time."""

    epoch: str
    partitions: list[list[tuple[int, Row]]]
    position: list[int] = field(default_factory=list)
    committed: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.position, self.committed = [0] * len(self.partitions), [0] * len(self.partitions)

    def end(self, partition: int, now: int) -> int:
        return sum(append <= now for append, _ in self.partitions[partition])


@dataclass
class Histories:
    """Logs of `spans`, which spans are honest, and which traces never fall silent."""

    logs: list[list[Entry]]
    honest: set[str] = field(default_factory=set)
    unending: set[str] = field(default_factory=set)


def make(rng: random.Random, rules: Rules, spans_partitions: int) -> Histories:
    """One random history of decode."""
    made = Histories([[] for _ in range(spans_partitions)])
    Decode(rng, rules, made).live()
    return made


class Decode:
    """All members of decode, and Kafka around them."""

    def __init__(self, rng: random.Random, rules: Rules, made: Histories) -> None:
        self.rng, self.rules, self.made = rng, rules, made
        self.number = 0
        self.unending = [10**6 + i for i in range(rng.choice([0, 0, 0, 1, 2]))]
        made.unending |= {f"{trace:032x}" for trace in self.unending}
        self.traces: list[int] = []
        self.calls: dict[int, list[Row]] = {}
        self.remade_at = rng.randint(BEGIN + 100, BEGIN + 300) if rng.random() < 0.25 else -1
        self.otlp = self._otlp("a", BEGIN)
        self.members = rng.randint(1, 3)
        self.claims = [Claims() for _ in range(self.members)]
        self.owner = [rng.randrange(self.members) for _ in self.otlp.partitions]
        self.away = [0] * self.members
        self.in_flight: list[tuple[int, list[list[Entry]]]] = []

    def live(self) -> None:
        """Until everything is read and every window has had time to close."""
        self._announce(BEGIN)
        for now in range(BEGIN + 1, END):
            if now == self.remade_at:
                self.otlp = self._otlp("b", now)
                self.owner = [self.rng.randrange(self.members) for _ in self.otlp.partitions]
                self.claims = [Claims() for _ in range(self.members)]
                self._announce(now)
            for member in range(self.members):
                if self.away[member] <= now:
                    self._turn(member, now)
            for due in [late for late in self.in_flight if late[0] <= now]:
                self.in_flight.remove(due)
                self._append(now, due[1])

    def _turn(self, member: int, now: int) -> None:
        trouble = self.rng.random() if now < TROUBLE else 1.0
        if trouble < 0.01:
            self.away[member] = now + self.rng.choice([5, 60, 250])
            return
        if trouble < 0.02:
            self._crash(member, now)
        elif trouble < 0.03:
            self._rebalance(member)
        mine = [p for p, owner in enumerate(self.owner) if owner == member]
        self.rng.shuffle(mine)  # one source may be read to its end before the next is begun
        room = self.rng.randint(0, 6)
        for p in mine:
            room -= self._read(member, p, room, now)
        if self.rng.random() < (0.15 if now < TROUBLE else 0.6):
            self.claims[member].asked(now, {self._source(p): self.otlp.end(p, now) for p in mine})
        if self.rng.random() < 0.3:
            self._tick(now, self._claimed(member, mine))

    def _read(self, member: int, p: int, room: int, now: int) -> int:
        """Decode some records of a source and write their rows; how many."""
        otlp = self.otlp
        begin, end = otlp.position[p], min(otlp.position[p] + room, otlp.end(p, now))
        otlp.position[p] = end
        if not self.rules.claims_wait_for_rows and self.rng.random() < 0.3:
            self._tick(now, self._claimed(member, [p]))
        self._append(now, self._blocks(otlp, p, begin, end))
        if self.rng.random() < 0.7:
            otlp.committed[p] = end
        return end - begin

    def _crash(self, member: int, now: int) -> None:
        """Read again from the commit, while what the zombie sent is still on its way: rows, then what it claims of them."""
        self.claims[member] = Claims()
        for p, owner in enumerate(self.owner):
            if owner == member:
                begin, end = self.otlp.committed[p], self.otlp.position[p]
                if self.rng.random() < 0.5:
                    self.in_flight.append((now + self.rng.randint(1, 30), self._blocks(self.otlp, p, begin, end)))
                self.otlp.position[p] = begin

    def _rebalance(self, member: int) -> None:
        for p, owner in enumerate(self.owner):
            if owner == member and self.rng.random() < 0.5:
                self.owner[p] = self.rng.randrange(self.members)
                self.otlp.position[p] = self.otlp.committed[p]
                for claims, m in zip(self.claims, range(self.members), strict=True):
                    claims.keep(frozenset(self._source(q) for q, o in enumerate(self.owner) if o == m and q != p))

    def _blocks(self, otlp: OtlpLog, p: int, begin: int, end: int) -> list[list[Entry]]:
        blocks: list[list[Row]] = [[] for _ in self.made.logs]
        for append, row in otlp.partitions[p][begin:end]:
            source = f"otlp_spans:{p if self.rules.sources_are_apart else 0}:{otlp.epoch}"
            told = {"source": source, "recorded_ns": append if self.rules.records_bound_spans else 10**6}
            blocks[int(row["trace_id"], 16) % len(blocks)].append(row | told)
        return [[Entry(0, tuple(rows))] if rows else [] for rows in blocks]

    def _append(self, now: int, blocks: list[list[Entry]]) -> None:
        for log, entries in zip(self.made.logs, blocks, strict=True):
            log += [Entry(now, e.rows, e.epoch, e.sources, e.read) for e in entries]

    def _claimed(self, member: int, mine: list[int]) -> dict[int, int]:
        positions = {self._source(p): self.otlp.position[p] for p in mine}
        return {source.partition: at for source, at in self.claims[member].come_true(positions)}

    def _tick(self, now: int, read: dict[int, int]) -> None:
        if not self.rules.sources_tick or not read:
            return
        if not self.rules.sources_are_apart:
            read = {0: max(read.values())}
        size = len(self.otlp.partitions) if self.rules.sources_are_announced and self.rules.sources_are_apart else 0
        self._append(now, [[Entry(0, (), self.otlp.epoch, size, tuple(read.items()))] for _ in self.made.logs])

    def _announce(self, now: int) -> None:
        if self.rules.sources_are_announced and self.rules.sources_are_apart:
            size = len(self.otlp.partitions)
            self._append(now, [[Entry(0, (), self.otlp.epoch, size)] for _ in self.made.logs])

    def _source(self, p: int) -> Source:
        return Source("otlp_spans", p, self.otlp.epoch)

    def _otlp(self, epoch: str, begin: int) -> OtlpLog:
        partitions = [list(self._records(begin)) for _ in range(self.rng.randint(1, 4))]
        for trace in self.unending:
            of = self.rng.choice(partitions)
            of += self._unending(trace, begin)
            of.sort(key=lambda record: record[0])
        return OtlpLog(epoch, partitions)

    def _row(self, end: int) -> Row:
        """A span of a trace begun lately, or of a new one."""
        rng = self.rng
        trace = rng.choice(self.traces[-6:]) if self.traces and rng.random() < 0.6 else self.number + 1
        self.traces.append(trace)
        return self._span(trace, end)

    def _span(self, trace: int, end: int) -> Row:
        """A span of a trace: its root, a call, or another span that tells of one of its calls."""
        rng = self.rng
        self.number += 1
        told = self.calls.setdefault(trace, [])
        names = {"route": rng.choice(["", f"r{rng.randint(0, 4)}"]), "cohort": rng.choice(["", "", "c"])}
        own = {"trace_id": f"{trace:032x}", "start_ns": end - rng.randint(0, 30), **names}
        if rng.random() < 0.3:
            return span(self.number, end, kind="chain", parent_span_id=rng.choice(["", "f" * 16]), cost_nusd=None, **own)
        if told and rng.random() < 0.3:
            return rng.choice(told[-9:]) | {"span_id": f"{self.number:016x}", "scope_name": f"other {self.number}"}
        usage = {"input_tokens": rng.randint(1, 9), "cost_nusd": rng.randint(1, 99), "latency_ns": end - own["start_ns"]}
        row = span(self.number, end, parent_span_id="f" * 16, response_id=f"answer {self.number}", **usage, **own)
        told.append(row)
        return row

    def _unending(self, trace: int, begin: int) -> Iterator[tuple[int, Row]]:
        """Spans of one trace for ever; some come twice."""
        rng, now, each = self.rng, begin, self.rng.choice([8, 20])
        while (now := now + rng.randint(1, each)) < UNENDING:
            row = self._span(trace, now + 1 - rng.randint(0, HONEST_DELAY))
            if now + 1 - row["end_ns"] <= HONEST_DELAY:
                self.made.honest.add(row["span_id"])
            yield from [(now + 1, row)] * rng.choice([1, 1, 1, 2])

    def _records(self, begin: int) -> Iterator[tuple[int, Row]]:
        """One partition: thick or thin, maybe silent at first; a tenth of the hosts have wrong clocks, some rows come twice."""
        rng, sent = self.rng, list[Row]()
        now: float = max(begin, BEGIN + rng.choice([0, 0, 0, rng.randint(50, 300)]))
        rate = rng.choice([0.03, 0.1, 0.3])
        while True:
            now += min(rng.expovariate(rate), 200) if rng.random() > 0.02 else rng.randint(30, 150)
            if now >= HORIZON:
                return
            append = int(now) + 1
            if sent and rng.random() < 0.1:
                yield append, rng.choice(sent[-30:])
                continue
            honest = rng.random() > 0.1
            end = append - rng.randint(0, HONEST_DELAY) if honest else append + rng.choice([-1, 1]) * rng.randint(20, 500)
            row = self._row(end)
            if honest and append - row["end_ns"] <= HONEST_DELAY:
                self.made.honest.add(row["span_id"])
            sent.append(row)
            yield append, row
