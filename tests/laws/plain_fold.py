"""What a log of spans says, in the plainest words: one pass that never fails, without arrays, hashes or batches."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import lcm
from typing import Any

import orjson

from pipeline.model.log_time import WindowPolicy
from pipeline.model.stream import Record
from tests.laws.plain_traces import PlainTraces

NEVER = -(10**9)


@dataclass
class Told:
    """The outcome: per window start its end and its distinct rows; the verdicts; who was too late at first sight."""

    windows: dict[int, tuple[int, list[dict[str, Any]]]] = field(default_factory=dict)
    verdicts: list[int] = field(default_factory=lambda: [0, 0, 0, 0])
    too_late: set[str] = field(default_factory=set)
    open: set[int] = field(default_factory=set)
    traces: dict[tuple[str, int], dict[str, Any]] = field(default_factory=dict)
    trace_windows: dict[int, list[dict[str, Any]]] = field(default_factory=dict)
    outside: list[int] = field(default_factory=lambda: [0, 0])


@dataclass
class Fold:
    """The state of the pass."""

    eras: list[tuple[int, WindowPolicy]]
    sources: dict[str, list[int]] = field(default_factory=dict)
    watermark: int = NEVER
    whole: int = NEVER
    appended: int = NEVER
    lived: int = 0
    ticks_from: int = NEVER
    seen: set[tuple[int, str]] = field(default_factory=set)
    known: set[str] = field(default_factory=set)
    told: Told = field(default_factory=Told)
    traces: PlainTraces = field(default_factory=PlainTraces)

    def era(self, event: int) -> WindowPolicy:
        return [policy for begin, policy in self.eras if begin <= event or begin == self.eras[0][0]][-1]

    def count(self, calls: list[tuple[int, dict[str, Any], bool]]) -> None:
        """Calls count in their windows; of those outside all traces it is known what they cost."""
        for start, row, outside in calls:
            if row["kind"] == "llm":
                self.told.windows[start][1].append(row)
            if outside:
                self.told.outside[0] += 1
                self.told.outside[1] += row["cost_nusd"] or 0


def fold(log: Sequence[Record], policy: WindowPolicy) -> Told:
    """The whole log under `policy`, and under what it asks for itself."""
    state = Fold([(NEVER, policy)])
    for record in log:
        before = state.watermark
        _time_passes(state, record.timestamp_ns)
        said = orjson.loads(record.value or b"")
        if record.key == b"ticks":
            _tick(state, said)
        elif record.key == b"window-settings":
            _change(state, WindowPolicy(**{name: value for name, (value,) in said.items()}))
        else:
            _rows(state, [dict(zip(said, values, strict=True)) for values in zip(*said.values(), strict=True)], record.offset)
        _advance(state)
        _moment(state, before)
    state.told.open = {start for start in state.told.windows if not _is_final(state, start)}
    return state.told


def _time_passes(s: Fold, append: int) -> None:
    if append > s.appended:
        silence = append - s.appended if s.appended != NEVER else 0
        outage = s.eras[-1][1].outage_ns
        s.lived += min(silence, outage)
        if silence > outage:
            s.ticks_from = append + s.eras[-1][1].allowed_lateness_ns
        s.appended = append


def _tick(s: Fold, said: Mapping[str, Any]) -> None:
    s.sources = {name: mark for name, mark in s.sources.items() if name.endswith(":" + said["epoch"])}
    for p in range(said["partitions"]):
        s.sources.setdefault(f"otlp_spans:{p}:{said['epoch']}", [NEVER, s.lived])
    for p, read_to in zip(said["partition"], said["read_to_ns"], strict=True):
        _hear(s, f"otlp_spans:{p}:{said['epoch']}", min(read_to, s.appended) if s.appended >= s.ticks_from else NEVER)


def _hear(s: Fold, source: str, event: int) -> None:
    s.sources[source] = [max(event, s.sources.get(source, [NEVER])[0]), s.lived]


def _change(s: Fold, policy: WindowPolicy) -> None:
    reached = s.appended + max(p.max_ahead_ns for _, p in s.eras)
    if s.eras[-1][0] > reached:
        s.eras.pop()
    if policy != s.eras[-1][1] and len(s.eras) < 8:
        grid = lcm(policy.window_ns, *(p.window_ns for _, p in s.eras))
        s.eras.append(((reached // grid + 1) * grid, policy))


def _rows(s: Fold, rows: list[dict[str, Any]], offset: int) -> None:
    reached: dict[str, int] = {}
    judged = []
    for row in rows:
        recorded = min(row["recorded_ns"] or s.appended, s.appended)
        policy = s.era(row["end_ns"])
        start = row["end_ns"] // policy.window_ns * policy.window_ns
        ahead = row["end_ns"] > recorded + policy.max_ahead_ns
        if not ahead and row["recorded_ns"]:
            reached[row["source"]] = max(reached.get(row["source"], NEVER), min(row["end_ns"], recorded))
        judged.append((row, start, start + policy.window_ns, ahead, _is_final(s, start)))
    policy = s.eras[-1][1]
    for row, start, end, ahead, final in judged:
        if ahead:
            s.told.verdicts[3] += 1
        elif final:
            s.told.verdicts[2] += 1
            if row["span_id"] not in s.known:
                s.told.too_late.add(row["span_id"])
        elif (start, row["span_id"]) in s.seen:
            s.told.verdicts[1] += 1
            s.traces.touch(row, s.watermark)
        else:
            s.seen.add((start, row["span_id"]))
            s.told.verdicts[0] += 1
            s.told.windows.setdefault(start, (end, []))
            final_ns = end + s.era(start).allowed_lateness_ns
            s.count(s.traces.arrive(row, (start, end, final_ns), offset, policy, s.watermark))
            _closed(s, s.traces.cut)
            s.traces.cut.clear()
        s.known.add(row["span_id"])
    for source, event in reached.items():
        epochs = {name.rpartition(":")[2] for name in s.sources}
        if not epochs or source.rpartition(":")[2] in epochs:
            _hear(s, source, event)


def _advance(s: Fold) -> None:
    patience = s.eras[-1][1].source_patience_ns
    waited_for = [event for event, heard in s.sources.values() if s.lived - heard <= patience]
    if waited_for and min(waited_for) != NEVER:
        s.watermark = max(s.watermark, min(waited_for) - s.eras[-1][1].out_of_orderness_ns)


def _moment(s: Fold, before: int) -> None:
    policy = s.eras[-1][1]
    grain = max(1, policy.window_ns // 12)
    lines = [line for start, (end, _) in s.told.windows.items() for line in (end, end + s.era(start).allowed_lateness_ns)]
    moment = s.watermark // grain != before // grain or any(before < line <= s.watermark for line in lines)
    counted, closed = s.traces.moment([p for _, p in s.eras], before, s.watermark) if moment else ([], [])
    if not moment and policy.call_hold_ns == 0:
        counted = s.traces.decide(s.watermark, ())
    s.count(counted)
    _closed(s, closed)
    if moment:
        s.whole = max(s.whole, s.watermark - policy.trace_settle_ns)
    while len(s.eras) > 1:
        lateness = max(s.eras[0][1].allowed_lateness_ns, s.eras[1][1].allowed_lateness_ns)
        if s.eras[1][0] + lateness > s.watermark or s.eras[1][0] > s.whole:
            break
        s.eras.pop(0)


def _closed(s: Fold, rows: list[dict[str, Any]]) -> None:
    """Traces are over: each counts in the window in which it had gone quiet, and stands for itself."""
    for row in rows:
        row["closed_ns"] = max(row["closed_ns"], s.whole)
        length = s.era(row["closed_ns"]).window_ns
        s.told.trace_windows.setdefault(row["closed_ns"] // length * length, []).append(row)
        s.told.traces[row["trace_id"], row["first_offset"]] = row


def _is_final(s: Fold, start: int) -> bool:
    policy = s.era(start)
    return start + policy.window_ns + policy.allowed_lateness_ns <= s.watermark
