"""Small compiled steps of folding traces: which trace a span belongs to, how far it has come, who tells its names.

Each has a slow, obvious reference in `tests/laws/test_trace_kernels.py`.
"""

import numpy as np
from numpy.typing import NDArray

from pipeline.operators.compiled import compiled

Ints = NDArray[np.int64]


@compiled
def find(table: NDArray[np.int32], keys: NDArray[np.uint64], hashes: NDArray[np.uint64], slots: Ints) -> None:
    """Per hash its slot, -1 if there is none. `table`: open addressing, slot + 1; `keys`: hash of each slot."""
    mask = np.uint64(len(table) - 1)
    for i in range(len(hashes)):
        at = hashes[i] & mask
        while table[at] != 0 and keys[table[at] - 1] != hashes[i]:
            at = (at + np.uint64(1)) & mask
        slots[i] = table[at] - 1


@compiled
def place(table: NDArray[np.int32], keys: NDArray[np.uint64], hashes: NDArray[np.uint64], slots: Ints, firsts: Ints) -> int:
    """The same, making slots behind those there are for new hashes; there is room for all. firsts: of each of these the position
    of its hash. Returns how many slots there are now.
    """
    mask, known = np.uint64(len(table) - 1), len(keys)
    now = known
    for i in range(len(hashes)):
        at = hashes[i] & mask
        while table[at] != 0:
            slot = table[at] - 1
            if (keys[slot] if slot < known else hashes[firsts[slot - known]]) == hashes[i]:
                break
            at = (at + np.uint64(1)) & mask
        if table[at] == 0:
            firsts[now - known] = i
            now += 1
            table[at] = now
        slots[i] = table[at] - 1
    return now


@compiled
def rebuild(table: NDArray[np.int32], keys: NDArray[np.uint64]) -> None:
    """Put all slots into an empty table."""
    mask = np.uint64(len(table) - 1)
    for i in range(len(keys)):
        at = keys[i] & mask
        while table[at] != 0:
            at = (at + np.uint64(1)) & mask
        table[at] = i + 1


@compiled
def arrive(
    slots: Ints,
    start: Ints,
    end: Ints,
    call: NDArray[np.bool_],
    root: NDArray[np.bool_],
    names: NDArray[np.uint8],
    at: int,
    most: int,
    closed: NDArray[np.bool_],
    first: Ints,
    last: Ints,
    begun: Ints,
    quiet: Ints,
    spans: Ints,
    calls: Ints,
    rooted: NDArray[np.bool_],
    named: NDArray[np.uint8],
    last_heard: Ints,
    late: NDArray[np.bool_],
) -> None:
    """Spans come to their traces, in log order, at watermark `at`. Marks those whose trace is closed or holds `most` spans."""
    for i in range(len(slots)):
        s = slots[i]
        heard = max(end[i], at)
        last_heard[s] = max(last_heard[s], heard)
        if closed[s] or spans[s] >= most:
            late[i] = True
            continue
        late[i] = False
        first[s] = start[i] if spans[s] == 0 else min(first[s], start[i])
        last[s] = end[i] if spans[s] == 0 else max(last[s], end[i])
        begun[s] = heard if spans[s] == 0 else begun[s]
        quiet[s] = max(quiet[s], heard)
        spans[s] += 1
        calls[s] += call[i]
        rooted[s] = rooted[s] or root[i]
        named[s] |= names[i]


@compiled
def by_slot(slot: Ints, marked: NDArray[np.bool_]) -> tuple[Ints, Ints]:
    """The rows of the marked slots, by slot and in their order, and (k + 1,) the bounds of each; rows of slot -1 are nobody's."""
    place = np.zeros(len(marked), np.int64)
    for i in range(len(slot)):
        if slot[i] >= 0 and marked[slot[i]]:
            place[slot[i]] += 1
    bounds = np.zeros(np.count_nonzero(marked) + 1, np.int64)
    t, at = 0, 0
    for s in range(len(marked)):
        if marked[s]:
            place[s], at = at, at + place[s]
            t += 1
            bounds[t] = at
    rows = np.empty(at, np.int64)
    for i in range(len(slot)):
        if slot[i] >= 0 and marked[slot[i]]:
            rows[place[slot[i]]] = i
            place[slot[i]] += 1
    return rows, bounds


@compiled
def settle(
    stands: Ints, ready: NDArray[np.bool_], state: NDArray[np.uint8], undecided: int, counted: int, told: int, by: Ints
) -> None:
    """Decide the groups of spans that tell one call, of which any is ready; (n,) each.

    Of a group the one that was counted stands for good, else the one that `stands`. `by`: the one that counts, -1 where
    nothing was decided.
    """
    n = len(stands)
    known, due = np.full(n, -1), np.zeros(n, np.bool_)
    for i in range(n):
        if stands[i] >= 0:
            if state[i] == counted:
                known[stands[i]] = i
            due[stands[i]] |= ready[i]
    for i in range(n):
        by[i] = -1
        g = stands[i]
        if g < 0 or state[i] != undecided or not due[g]:
            continue
        by[i] = known[g] if known[g] >= 0 else g
        state[i] = counted if by[i] == i else told


@compiled
def first_named(
    first: Ints,
    values: NDArray[np.int32],
    root: NDArray[np.bool_],
    start: Ints,
    span: NDArray[np.uint64],
    end: Ints,
    out: NDArray[np.int32],
) -> None:
    """Per trace (rows first[t]:first[t+1]) and column the value its root names, else whoever began first; (n, c) to (k, c).

    Of those that began together the smaller id decides, of one span told twice the later end: never who came first.
    """
    for t in range(len(first) - 1):
        for c in range(values.shape[1]):
            best = -1
            for i in range(first[t], first[t + 1]):
                if values[i, c] == 0:
                    continue
                if best < 0:
                    best = i
                    continue
                if root[i] != root[best]:
                    better = root[i]
                elif start[i] != start[best]:
                    better = start[i] < start[best]
                elif span[i] != span[best]:
                    better = span[i] < span[best]
                else:
                    better = end[i] > end[best]
                if better:
                    best = i
            out[t, c] = values[best, c] if best >= 0 else 0


@compiled
def firsts(bounds: Ints, rows: Ints, start: Ints, span: NDArray[np.uint64], end: Ints, out: Ints) -> None:
    """Of every group of rows, rows[bounds[t]:bounds[t + 1]], none of them empty, the row that begins first; of those that begin
    together that of the smaller id, of one span told twice that of the later end.
    """
    for t in range(len(bounds) - 1):
        best = rows[bounds[t]]
        for i in range(bounds[t] + 1, bounds[t + 1]):
            row = rows[i]
            if start[row] != start[best]:
                better = start[row] < start[best]
            elif span[row] != span[best]:
                better = span[row] < span[best]
            else:
                better = end[row] > end[best]
            if better:
                best = row
        out[t] = best
