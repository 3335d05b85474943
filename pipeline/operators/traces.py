"""Whole traces of one partition: which spans belong together, which of them count as calls, when a trace is over.

A call is held until the watermark is `call_hold_ns` past its arrival, at most to the end of its window, so that all who tell of
it are there; then the group is decided at once and the one that stands is folded into its window, once. A call that names no
route or cohort of its own takes them from its trace, and waits for one that names them, for the root, or until its window would
be final. A trace is closed `trace_settle_ns` after its last span if its root was seen, else after `trace_idle_ns`, cut
`trace_longest_ns` after its first one, or when one comes that is more than `max_trace_spans`; its row is written then, and a
later span changes nothing.

All of it is a function of the log. A trace is remembered, and holds back what may be acknowledged, until everything that could
tell a replay apart from the first time is over: `remembered_ns` after its last span. One that is over and never falls silent
is remembered on and holds nothing any more: a successor is told of it (`Unending`).
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.model.log_time import BEGINNING, END_OF_TIME, MOST_UNENDING, UNENDING_NAMES_BYTES, WindowPolicy
from pipeline.model.stream import Unending
from pipeline.operators import trace_kernels as kernels
from pipeline.operators.kernels import add_chosen_rows
from pipeline.operators.pool import Pool
from pipeline.operators.siphash import Key, siphash_rows
from pipeline.operators.span_columns import SUMS, TOLD, VALUES, Ints, SpanColumns
from pipeline.operators.told_twice import JOINED_BY, Told, may_join, stands
from pipeline.operators.trace_decisions import ClosedTraces, Decided, Outcome, Repeats
from pipeline.operators.trace_names import COHORT, OF_TRACE, ROUTE, TAKEN, Names
from pipeline.operators.whole_calls import make_whole
from pipeline.operators.window import Measured

UNDECIDED, COUNTED, TOLD_TWICE = 0, 1, 2
LET_GO = END_OF_TIME
"""First offset of a trace that holds none."""

_SLOTS = {
    "key": np.uint64,
    "id": (np.uint64, 2),
    "first_offset": np.int64,
    "first_ns": np.int64,
    "last_ns": np.int64,
    "begun_ns": np.int64,
    "quiet_ns": np.int64,
    "heard_ns": np.int64,
    "closed_at_ns": np.int64,
    "spans": np.int64,
    "calls": np.int64,
    "rooted": np.bool_,
    "named": np.uint8,
    "full": np.bool_,
    "closed": np.bool_,
    "taken": (np.int32, len(TAKEN)),
}
_ROWS = {"slot": np.int64, "state": np.uint8, "waits": np.bool_, "series": np.int32, "measures": np.int64, **TOLD}
_MEASURES = {
    "row": np.int64,
    "due_ns": np.int64,
    "latest_ns": np.int64,
    "window_ns": np.int64,
    "sums": (np.int64, len(SUMS)),
    **VALUES,
}


class Traces:
    """The open traces of one partition, and those that are remembered."""

    def __init__(self) -> None:
        self._slots, self._rows, self._measures = Pool(_SLOTS), Pool(_ROWS), Pool(_MEASURES)
        self._table = np.zeros(64, np.int32)
        self._series = Names()
        self._dead = 0
        self._let_go = np.zeros(0, np.int64)
        self.holding_on = 0
        """Traces that never fall silent beyond those that can be let go of."""

    def __len__(self) -> int:
        """Open traces."""
        return int(np.count_nonzero(~self._slots["closed"]))

    @property
    def spans(self) -> int:
        """Spans held."""
        return self._rows.size - self._dead

    @property
    def remembered(self) -> int:
        """Traces known, open or closed."""
        return self._slots.size

    def held(self, position: int) -> int:
        """First offset of a trace that is remembered and not let go of, at most `position`."""
        return int(self._slots["first_offset"].min(initial=position))

    def unending(self) -> tuple[Unending, ...]:
        """Traces that are remembered and let go of."""
        s, of = self._slots, self._let_go
        ids, taken, heard = s["id"][of], s["taken"][of].tolist(), s["heard_ns"][of].tolist()
        return tuple(
            Unending(trace.tobytes().hex(), *self._series.texts(parts), heard_ns)
            for trace, parts, heard_ns in zip(ids, taken, heard, strict=True)
        )

    def recall(self, unending: Sequence[Unending], key: Key) -> None:
        """Begin with these, which are over; `key` of the ids' hashes. Nothing has come yet."""
        if not unending:
            return
        ids = np.array([list(bytes.fromhex(one.trace_id)) for one in unending], np.uint8).reshape(-1, 16).view(np.uint64)
        slots = self._placed(LET_GO, siphash_rows(ids, *key), ids)
        s = self._slots
        s["closed"][slots], s["closed_at_ns"][slots] = True, BEGINNING
        s["heard_ns"][slots] = [one.heard_ns for one in unending]
        s["taken"][slots] = [self._series.taken((one.route, one.cohort)) for one in unending]
        self._let_go = np.unique(slots)

    # In.

    def arrive(
        self, offset: int, columns: SpanColumns, rows: Ints, windows: tuple[Ints, Ints, Ints], policy: WindowPolicy, at_ns: int
    ) -> Ints:
        """Spans, none seen before, come to their traces at watermark `at_ns`. Returns those whose trace is over.

        windows: (len(rows),) start and end of the window of each, and when it is final.
        """
        self._series.thin_out(self._rows["series"], self._slots["taken"])
        hashes = columns.trace_hash[rows]
        slots = self._placed(offset, hashes, columns.trace[rows])
        series = self._series.codes(columns.series)[columns.code[rows]]
        parts = self._series.parts[series]
        names = ((parts[:, ROUTE] > 0) + 2 * (parts[:, COHORT] > 0)).astype(np.uint8)
        call, late = columns.request[rows] >= 0, np.zeros(len(rows), np.bool_)
        everything = len(rows) == len(columns)
        of, s = columns.told if everything else {name: values[rows] for name, values in columns.told.items()}, self._slots
        kernels.arrive(
            *(slots, of["start_ns"], of["end_ns"], call, of["parent"] == 0, names, at_ns, policy.max_trace_spans),
            *(
                s["closed"],
                s["first_ns"],
                s["last_ns"],
                s["begun_ns"],
                s["quiet_ns"],
                s["spans"],
                s["calls"],
                s["rooted"],
                s["named"],
            ),
            *(s["heard_ns"], late),
        )
        s["full"][slots[late]] = True
        if late.any():
            keep: Any = ~late
            of, slots, series, names, call = (
                {n: v[keep] for n, v in of.items()},
                slots[keep],
                series[keep],
                names[keep],
                call[keep],
            )
        else:
            keep = slice(None)
        where = self._rows.append(
            of | {"slot": slots, "series": series, "waits": (names != 3) & call, "measures": -1}, len(slots)
        )
        self._measure(columns, rows[keep], where, [line[keep] for line in windows], at_ns, policy.call_hold_ns)
        return rows[late]

    def _measure(self, columns: SpanColumns, rows: Ints, where: Ints, windows: Sequence[Ints], at_ns: int, hold_ns: int) -> None:
        """Keep what the calls among `rows` add up to until it is decided whether they do."""
        request = columns.request[rows]
        calls = np.flatnonzero(request >= 0)
        of = request[calls]
        starts, ends, finals = (line[calls] for line in windows)
        held = np.maximum(columns.end_ns[rows[calls]], at_ns + hold_ns) if hold_ns else np.full(len(calls), at_ns)
        due = np.minimum(held, np.where(ends > at_ns, ends, finals))
        self._rows["measures"][where[calls]] = self._measures.append(
            {
                "row": where[calls],
                "due_ns": due,
                "latest_ns": finals,
                "window_ns": starts,
                "sums": columns.sums[of],
                **{name: values[of] for name, values in columns.values.items()},
            },
            len(calls),
        )

    def touch(self, hashes: NDArray[np.uint64], ends: Ints, at_ns: int) -> None:
        """Duplicates came: whoever remembers their traces has to do so for longer."""
        slots = np.empty(len(hashes), np.int64)
        kernels.find(self._table, self._slots["key"], hashes, slots)
        known = slots >= 0
        np.maximum.at(self._slots["heard_ns"], slots[known], np.maximum(ends[known], at_ns))

    def late(self, columns: SpanColumns, rows: Ints, windows: Ints) -> Decided:
        """Calls whose trace is over: counted by themselves, under the names of their trace."""
        calls = columns.request[rows] >= 0
        rows, windows = rows[calls], windows[calls]
        slots = np.empty(len(rows), np.int64)
        kernels.find(self._table, self._slots["key"], columns.trace_hash[rows], slots)
        series = self._series.codes(columns.series)[columns.code[rows]]
        series = self._series.with_taken(series, self._slots["taken"][slots])
        of = columns.request[rows]
        values = {name: known[of] for name, known in columns.values.items()}
        return Decided(windows, Measured(self._series.known, series.astype(np.int64), columns.sums[of], values))

    def _placed(self, offset: int, hashes: NDArray[np.uint64], ids: NDArray[np.uint64]) -> Ints:
        """The slot of each span's trace, new ones made."""
        known = self._slots.size
        if 2 * (known + len(hashes)) > len(self._table):
            self._table = np.zeros(1 << (2 * (known + len(hashes))).bit_length(), np.int32)
            kernels.rebuild(self._table, self._slots["key"])
        slots = np.empty(len(hashes), np.int64)
        firsts = np.empty(len(hashes), np.int64)
        now = kernels.place(self._table, self._slots["key"], hashes, slots, firsts)
        if now > known:
            firsts = firsts[: now - known]
            begun = {
                "key": hashes[firsts],
                "id": ids[firsts],
                "first_offset": offset,
                "heard_ns": BEGINNING,
                "quiet_ns": BEGINNING,
            }
            self._slots.append(begun, now - known)
        return slots

    # Out.

    def decide(self, at_ns: int) -> Outcome:
        """Decide what is due at watermark `at_ns`."""
        outcome = Outcome([], [], [])
        self._decide(outcome, np.zeros(self._slots.size, np.bool_), at_ns)
        return outcome

    def moment(self, policy: WindowPolicy, before_ns: int, at_ns: int, remembered: int) -> Outcome:
        """The same, and close what is over; the watermark was at `before_ns`."""
        s, outcome = self._slots, Outcome([], [], [])
        over = s["rooted"] & (s["quiet_ns"] + policy.trace_settle_ns <= at_ns)
        over |= (s["quiet_ns"] + policy.trace_idle_ns <= at_ns) | (s["begun_ns"] + policy.trace_longest_ns <= at_ns)
        over &= ~s["closed"]
        self._decide(outcome, over, at_ns)
        self._close(outcome, over, s["quiet_ns"] + policy.trace_settle_ns <= at_ns, at_ns)
        grain = max(1, remembered // 16)
        if at_ns // grain != before_ns // grain or s.size > policy.max_traces:
            self._forget(policy.max_traces, at_ns - remembered)
            self._let_go_of(at_ns - 2 * remembered)
        if self._dead > max(4096, self._rows.size // 2):
            self._thin_out()
        return outcome

    def too_many(self, policy: WindowPolicy) -> bool:
        """Are more spans held than may be?"""
        return self.spans > policy.max_open_spans

    def cut(self, policy: WindowPolicy, at_ns: int) -> Outcome:
        """Spans came: close traces that are full, and of too many open ones the oldest, to have room for a while.

        Not left to a moment: a watermark may stand still for as long as a source is silent.
        """
        s, outcome = self._slots, Outcome([], [], [])
        full = s["full"] & ~s["closed"]
        over = full.copy()
        if self.too_many(policy):
            over |= self._oldest(self.spans - policy.max_open_spans + policy.max_open_spans // 8)
        if over.any():
            self._decide(outcome, over, BEGINNING)
            self._close(outcome, over, ~full & (s["quiet_ns"] + policy.trace_settle_ns <= at_ns), at_ns)
        if self._dead > max(4096, self._rows.size // 2):
            self._thin_out()
        return outcome

    def end(self) -> Outcome:
        """The log has ended: everything is decided, every trace is over."""
        outcome = Outcome([], [], [])
        over = ~self._slots["closed"]
        self._decide(outcome, over, BEGINNING)
        self._close(outcome, over, over, END_OF_TIME)
        return outcome

    def _oldest(self, spans: int) -> NDArray[np.bool_]:
        """The open traces seen first that hold at least so many spans together."""
        s = self._slots
        held = np.where(s["closed"], 0, s["spans"])
        order = np.argsort(s["first_offset"], kind="stable")
        before = np.cumsum(held[order]) - held[order]
        chosen = np.zeros(s.size, np.bool_)
        chosen[order] = (before < spans) & (held[order] > 0)
        return chosen

    def _decide(self, outcome: Outcome, over: NDArray[np.bool_], at_ns: int) -> None:
        """Decide the calls that are due, and whoever tells of the same ones."""
        rows, measures, s = self._rows, self._measures, self._slots
        waiting = np.flatnonzero(rows["state"][measures["row"]] == UNDECIDED) if measures.size else np.zeros(0, np.int64)
        row = measures["row"][waiting]
        slot = rows["slot"][row]
        waits = rows["waits"][row]
        if waits.any():
            waits &= ~s["rooted"][slot] & (self._unnamed(row) & ~s["named"][slot] != 0)
        ready = ((measures["due_ns"][waiting] <= at_ns) & ~waits) | (measures["latest_ns"][waiting] <= at_ns) | over[slot]
        row, slot = row[ready], slot[ready]
        if len(row) == 0:
            return
        together = (s["calls"][slot] > 1) | rows["waits"][row]
        alone = row[~together]
        rows["state"][alone] = COUNTED
        counted, series = [alone], [rows["series"][alone]]
        if together.any():
            of_trace = np.zeros(s.size, np.bool_)
            of_trace[slot[together]] = True
            by_trace, first = kernels.by_slot(rows["slot"], of_trace)
            ready_rows = np.zeros(rows.size, np.bool_)
            ready_rows[row[together]] = True
            chosen = self._settle(outcome, by_trace, first, ready_rows)
            counted.append(by_trace[chosen])
            series.append(self._taken_by(by_trace, first, chosen))
        self._count(outcome, np.concatenate(counted), np.concatenate(series))

    def _settle(self, outcome: Outcome, by_trace: Ints, first: Ints, ready: NDArray[np.bool_]) -> Ints:
        """Decide groups among whole traces; returns the positions in `by_trace` that count from now on."""
        rows = self._rows
        several = may_join(first, {name: rows[name][by_trace] for name in JOINED_BY})[
            np.repeat(np.arange(len(first) - 1), np.diff(first))
        ]
        alone = np.flatnonzero(~several & ready[by_trace])
        rows["state"][by_trace[alone]] = COUNTED
        if not several.any():
            return alone
        chosen = np.flatnonzero(several)
        bounds = np.append(0, np.cumsum(several))[first]
        bounds = bounds[np.append(True, np.diff(bounds) > 0)]
        return np.concatenate((alone, chosen[self._join(outcome, by_trace[chosen], bounds, ready)]))

    def _join(self, outcome: Outcome, by_trace: Ints, first: Ints, ready: NDArray[np.bool_]) -> Ints:
        """The same of traces in which spans may tell of one call."""
        rows = self._rows
        told = Told(first=first, **{name: rows[name][by_trace] for name in TOLD})
        calls = stands(told)
        state, by = rows["state"][by_trace], np.empty(len(by_trace), np.int64)
        kernels.settle(calls.row, ready[by_trace], state, UNDECIDED, COUNTED, TOLD_TWICE, by)
        rows["state"][by_trace] = state
        make_whole(self._measures, rows["measures"][by_trace], told, calls, by)
        repeat = np.flatnonzero((by >= 0) & (by != np.arange(len(by))))
        if len(repeat):
            row = by_trace[repeat]
            trace = self._slots["id"][rows["slot"][row]]
            stand = by_trace[by[repeat]]
            outcome.repeats.append(
                Repeats(trace, rows["span"][row], rows["span"][stand], calls.rule[repeat], rows["end_ns"][row])
            )
        return np.flatnonzero(by == np.arange(len(by)))

    def _count(self, outcome: Outcome, row: Ints, series: NDArray[np.int32]) -> None:
        """These calls count from now on, under these series; in the order in which they came."""
        if len(row) and np.any(row[1:] < row[:-1]):
            order = np.argsort(row, kind="stable")
            row, series = row[order], series[order]
        of = self._rows["measures"][row]
        values = {name: self._measures[name][of] for name in VALUES}
        measured = Measured(self._series.known, series.astype(np.int64), self._measures["sums"][of], values)
        outcome.decided.append(Decided(self._measures["window_ns"][of], measured))

    def _unnamed(self, row: Ints) -> NDArray[np.uint8]:
        """What of route and cohort each row does not name, as bits."""
        parts = self._series.parts[self._rows["series"][row]]
        unnamed: NDArray[np.uint8] = ((parts[:, ROUTE] == 0) + 2 * (parts[:, COHORT] == 0)).astype(np.uint8)
        return unnamed

    def _named(self, by_trace: Ints, first: Ints, columns: Sequence[int]) -> NDArray[np.int32]:
        """(k, columns) what each trace is called."""
        rows, out = self._rows, np.zeros((len(first) - 1, len(columns)), np.int32)
        values = self._series.parts.take(columns, axis=1)[rows["series"][by_trace]]
        root = rows["parent"][by_trace] == 0
        order = (rows[name][by_trace] for name in ("start_ns", "span", "end_ns"))
        kernels.first_named(first, values, root, *order, out)
        return out

    def _taken_by(self, by_trace: Ints, first: Ints, chosen: Ints) -> NDArray[np.int32]:
        """Their series, with what they take from their traces."""
        row = by_trace[chosen]
        if not self._rows["waits"][row].any():
            series: NDArray[np.int32] = self._rows["series"][row]
            return series
        trace = np.repeat(np.arange(len(first) - 1), np.diff(first))[chosen]
        return self._series.with_taken(self._rows["series"][row], self._named(by_trace, first, TAKEN)[trace])

    def _close(self, outcome: Outcome, over: NDArray[np.bool_], settled: NDArray[np.bool_], at_ns: int) -> None:
        """Write the rows of traces that are over, and let their spans go. settled: (slots,) they have gone quiet."""
        slots = np.flatnonzero(over)
        if len(slots) == 0:
            return
        s, rows = self._slots, self._rows
        by_trace, first = kernels.by_slot(rows["slot"], over)
        trace = np.repeat(np.arange(len(slots)), np.diff(first))
        named = self._named(by_trace, first, OF_TRACE)
        s["taken"][slots] = named[:, [OF_TRACE.index(column) for column in TAKEN]]
        s["closed"][slots], s["closed_at_ns"][slots] = True, at_ns
        state = rows["state"][by_trace]
        call = state == COUNTED
        of, whose = rows["measures"][by_trace[call]], trace[call]
        sums, cost = np.zeros((len(slots), len(SUMS)), np.int64), np.zeros(len(slots), np.int64)
        add_chosen_rows(sums, whose, self._measures["sums"], of)
        np.add.at(cost, whose, self._measures["cost"][of])
        root, failed = self._root(by_trace, trace, len(slots))
        whole = np.maximum(s["last_ns"][slots] - s["first_ns"][slots], 0)
        cut = s["rooted"][slots] & ~settled[slots]
        columns = {
            **{name: s[name][slots] for name in ("first_offset", "first_ns", "last_ns", "spans")},
            "closed_ns": s["quiet_ns"][slots],
            "incomplete": (~s["rooted"][slots] | cut).astype(np.int64),
            "failed": failed,
            "told_twice": np.bincount(trace[state == TOLD_TWICE], minlength=len(slots)),
            "latency_ns": np.where(root >= 0, root, whole),
        }
        ttft = self._first_answer(by_trace[call], whose, len(slots))
        series, code = self._series.of_traces(named)
        outcome.closed.append(ClosedTraces(s["id"][slots], series, code, columns, sums, cost, ttft))
        rows["slot"][by_trace] = -1
        self._dead += len(by_trace)

    def _root(self, by_trace: Ints, trace: Ints, k: int) -> tuple[Ints, Ints]:
        """Per trace how long its root took, -1 without one, and did it fail; of several roots the first to begin counts."""
        rows, latency, failed = self._rows, np.full(k, -1), np.zeros(k, np.int64)
        root = np.flatnonzero(rows["parent"][by_trace] == 0)
        some, of = self._first_to_begin(by_trace[root], trace[root])
        latency[some] = np.maximum(rows["end_ns"][of] - rows["start_ns"][of], 0)  # clocks are set back
        failed[some] = rows["error"][of]
        return latency, failed

    def _first_answer(self, row: Ints, trace: Ints, k: int) -> NDArray[np.float64]:
        """Per trace the time to first token of the first call that has one."""
        out, rows = np.full(k, np.nan), self._rows
        known = np.flatnonzero(~np.isnan(self._measures["ttft"][rows["measures"][row]]))
        some, of = self._first_to_begin(row[known], trace[known])
        out[some] = self._measures["ttft"][rows["measures"][of]]
        return out

    def _first_to_begin(self, row: Ints, trace: Ints) -> tuple[Ints, Ints]:
        """Of rows, those of a trace together: the traces, and of each the row that begins first, by `kernels.firsts`."""
        begins = np.flatnonzero(np.diff(trace, prepend=-1))
        of, rows = np.empty(len(begins), np.int64), self._rows
        kernels.firsts(np.append(begins, len(row)), row, rows["start_ns"], rows["span"], rows["end_ns"], of)
        return trace[begins], of

    def _forget(self, max_traces: int, before_ns: int) -> None:
        """Forget traces that are over and silent since `before_ns`; of too many, those silent for longest."""
        s = self._slots
        gone = s["closed"] & (s["heard_ns"] <= before_ns)
        too_many = s.size - int(np.count_nonzero(gone)) - max_traces
        if too_many > 0:
            closed = np.flatnonzero(s["closed"] & ~gone)
            gone[closed[np.argsort(s["heard_ns"][closed], kind="stable")][: too_many + max_traces // 16]] = True
        moved = np.append(s.keep(~gone), -1)
        slot = self._rows["slot"]
        slot[:] = moved[slot]
        self._table = np.zeros(1 << max(6, (4 * s.size).bit_length()), np.int32)
        kernels.rebuild(self._table, s["key"])

    def _let_go_of(self, before_ns: int) -> None:
        """Hold no offset any more for traces that were over before `before_ns` and are spoken of still: for those over longest,
        as many as progress can name. What they changed is final by then, and whoever is told that they are over finds the rest.
        """
        s = self._slots
        over = s["closed"] & (np.maximum(s["closed_at_ns"], s["quiet_ns"]) <= before_ns)
        holding = np.flatnonzero(over & (s["first_offset"] != LET_GO))
        oldest = holding[np.argsort(s["first_offset"][holding], kind="stable")]
        chosen = np.flatnonzero(s["first_offset"] == LET_GO).tolist()
        room = UNENDING_NAMES_BYTES - sum(map(self._names_bytes, chosen))
        for slot in oldest[: 4 * MOST_UNENDING].tolist():
            if len(chosen) < MOST_UNENDING and (size := self._names_bytes(slot)) <= room:
                chosen.append(slot)
                room -= size
                s["first_offset"][slot] = LET_GO
        self._let_go = np.array(chosen, np.int64)
        self.holding_on = int(np.count_nonzero(s["first_offset"][holding] != LET_GO))

    def _names_bytes(self, slot: int) -> int:
        return sum(len(name.encode()) for name in self._series.texts(self._slots["taken"][slot].tolist()))

    def _thin_out(self) -> None:
        rows = self._rows
        alive = rows["slot"] >= 0
        of = rows["measures"]
        needed = np.zeros(self._measures.size, np.bool_)
        needed[of[alive & (of >= 0)]] = True
        moved = rows.keep(alive)
        self._measures["row"][:] = moved[self._measures["row"]]
        rows["measures"][:] = np.append(self._measures.keep(needed), -1)[rows["measures"]]
        self._dead = 0


def remembered_ns(policies: Sequence[WindowPolicy]) -> int:
    """How long after its last span a trace is remembered by these rules together: what a replay could mistake is over."""
    settle, lateness = max(p.trace_settle_ns for p in policies), max(p.allowed_lateness_ns for p in policies)
    quiet = max(settle, *(p.trace_idle_ns for p in policies)) + settle
    return 2 * max(p.window_ns for p in policies) + quiet + lateness + max(p.call_hold_ns for p in policies)
