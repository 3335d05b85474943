"""Compiled steps of `told_twice.py`: which spans of a trace tell of one call.

Rows are all spans of the traces in question, those of one trace beside each other, by start, end and span id, so nothing depends
on the order they came in. Each step is a sweep over rows that somebody sorted; none looks at more than LOOK candidates for a row.
`one` is a forest: one[i] is another row of the same call, or i. The slow, obvious way is in `tests/laws/plain_told_twice.py`.
"""

from typing import Any

import numpy as np

from pipeline.operators.compiled import compiled

LOOK = 64
"""Candidates looked at for a row, and ancestors of a span."""

ALONE, RESPONSE_ID, PARENT, STEPS, RECORD, BESIDE = range(6)
"""Codes of the rules, as in `told_twice.Rule`."""


LOOK_AT_ALL = 4096
"""Pairs of spans of a trace beyond which it is not looked whether anything can be joined: it is done."""


@compiled
def may_join(first, call, span, parent, layer, response, short, out):  # type: ignore[no-untyped-def]
    """Which traces have two calls that any rule could join: another span under a call, a response id told again, a record of no
    length, or calls of several layers. `short`: streamed and of no length. Most traces have none of it."""
    for t in range(len(first) - 1):
        begin, end, calls, layers, seen = first[t], first[t + 1], 0, 0, 0
        out[t] = False
        for i in range(begin, end):
            if call[i]:
                calls += 1
                layers += calls > 1 and layer[i] != seen
                seen = layer[i]
                out[t] |= short[i]
        out[t] |= layers > 0 or calls * (end - begin) > LOOK_AT_ALL
        if calls < 2 or out[t]:
            out[t] &= calls > 1
            continue
        for c in range(begin, end):
            if not call[c]:
                continue
            for i in range(begin, end):
                told_again = i != c and call[i] and response[c] != 0 and response[i] == response[c]
                if (parent[i] == span[c] and i != c) or told_again:
                    out[t] = True


@compiled
def find(one: Any, i: int) -> int:
    """The row that all rows of i's call share."""
    while one[i] != i:
        one[i] = one[one[i]]
        i = one[i]
    return i


@compiled
def link(one: Any, i: int, j: int) -> None:
    """i and j are one call."""
    a, b = find(one, i), find(one, j)
    one[max(a, b)] = min(a, b)


@compiled
def join(one: Any, rule: Any, i: int, j: int, why: int) -> None:
    """i and j are one call. The first rule that says so of a row stays."""
    link(one, i, j)
    for row in (i, j):
        if rule[row] == ALONE:
            rule[row] = why


@compiled
def same_use(input_, output, i, j):  # type: ignore[no-untyped-def]
    """Do two rows say the same tokens, or does one say nothing?"""
    return (input_[i] == input_[j] or input_[i] < 0 or input_[j] < 0) and (
        output[i] == output[j] or output[i] < 0 or output[j] < 0
    )


@compiled
def parents_of(trace, span, parent, by_id, up):  # type: ignore[no-untyped-def]
    """up[i]: row of the parent, -1 if there is none. by_id: rows by (trace, span id)."""
    for i in range(len(span)):
        up[i] = -1
        if parent[i] == 0 or parent[i] == span[i]:
            continue
        low, high = 0, len(by_id)
        while low < high:
            middle = (low + high) // 2
            row = by_id[middle]
            if trace[row] < trace[i] or (trace[row] == trace[i] and span[row] < parent[i]):
                low = middle + 1
            else:
                high = middle
        if low < len(by_id) and trace[by_id[low]] == trace[i] and span[by_id[low]] == parent[i]:
            up[i] = by_id[low]


@compiled
def calls_above(up, call, through, above, free, depth):  # type: ignore[no-untyped-def]
    """above[i]: the nearest call among the ancestors of i, at most LOOK away, else -1. free[i]: only kinds that do nothing of
    their own lie between. depth[i]: how many calls lie above, at most LOOK."""
    for i in range(len(up)):
        above[i], free[i] = -1, True
        row = up[i]
        for _ in range(LOOK):
            if row < 0:
                break
            if call[row]:
                above[i] = row
                break
            free[i] = free[i] and through[row]
            row = up[row]
    for i in range(len(up)):
        depth[i], row = 0, above[i]
        while row >= 0 and depth[i] < LOOK:
            depth[i] += 1
            row = above[row]


@compiled
def by_response(rows, first, teller, start, end, input_, output, cached, one, rule):  # type: ignore[no-untyped-def]
    """Calls with a response id, by (trace, kind, id) and start; first[i]: another id begins. Those of one answer are joined.

    Of different tellers: if they overlap, or if nobody told the id again. Of one teller: only if one lies inside the other and
    says the same, for what a cache answers repeats the id of what was answered before.
    """
    a = 0
    while a < len(rows):
        b = a + 1
        while b < len(rows) and not first[b]:
            b += 1
        once = b - a <= LOOK
        for i in range(a, b):
            for j in range(a, i if once else a):
                once = once and teller[rows[i]] != teller[rows[j]]
        for i in range(a + 1, b):
            r, best = rows[i], -1
            for j in range(max(a, i - LOOK), i):
                s = rows[j]
                overlap = start[r] <= end[s] and start[s] <= end[r]
                if teller[r] == teller[s]:
                    inside = end[r] <= end[s] or start[r] == start[s]
                    if overlap and inside and cached[r] == cached[s] and same_use(input_, output, r, s):
                        best = s
                        break
                elif best < 0 and (once or overlap) and not _told_by(rows, max(a, i - LOOK), i, teller, one, r, s):
                    best = s
            if best >= 0:
                join(one, rule, r, best, RESPONSE_ID)
        a = b


@compiled
def _told_by(rows, a, b, teller, one, r, s):  # type: ignore[no-untyped-def]
    """Did the teller of r tell already, in rows[a:b], of the call of s?"""
    told = False
    for k in range(a, b):
        told = told or (teller[rows[k]] == teller[r] and find(one, rows[k]) == find(one, s))
    return told


@compiled
def nearly(input_, output, reasoning, i, j):  # type: ignore[no-untyped-def]
    """Do two rows say nearly the same tokens: some count the first chunk of a stream, some add the reasoning once more?"""
    if input_[i] != input_[j] and input_[i] >= 0 and input_[j] >= 0:
        return False
    more = abs(output[i] - output[j])
    return output[i] < 0 or output[j] < 0 or more <= 1 or more == max(reasoning[i], reasoning[j])


@compiled
def by_parent(rows, above, free, kind, model, teller, input_, output, reasoning, error, used, one, rule):  # type: ignore[no-untyped-def]
    """Calls beneath a call, by (how deep, deepest first; the call above; start): a wrapper is what it wraps.

    used[i]: the row that knows the tokens of the call i stands for, which may lie beneath i.
    """
    a = 0
    while a < len(rows):
        top, b, told = above[rows[a]], a, False
        while b < len(rows) and above[rows[b]] == top:
            told = told or find(one, rows[b]) == find(one, top)
            b += 1
        if not told:
            same, last, alone, sums = _beneath_call(rows[a:b], top, free, kind, model, input_, output, error, used)
            if same >= 0:
                join(one, rule, top, same, PARENT)
            elif sums:
                link(one, top, last)
                rule[top] = STEPS
            elif alone:
                c, others = used[last], teller[last] != teller[top]
                if same_use(input_, output, c, top) or (others and nearly(input_, output, reasoning, c, top)):
                    join(one, rule, top, last, PARENT)
                    if input_[top] < 0 and output[top] < 0:
                        used[top] = c
        a = b


@compiled
def _beneath_call(rows, top, free, kind, model, input_, output, error, used):  # type: ignore[no-untyped-def]
    """What the calls beneath `top` say of it: same, the last that says its tokens, or -1; last, of those it could be;
    alone: there is one, of its model; sums: it adds up what lies beneath, or knows nothing and they do."""
    same, last, steps, alike = -1, -1, 0, 0
    knowing, tokens = np.zeros(2, np.int64), np.zeros((2, 2), np.int64)
    for r in rows:
        c, own = used[r], free[r] and error[r] == error[top]
        if kind[r] != kind[top]:
            continue
        if (input_[c] >= 0 or output[c] >= 0) and not error[r]:
            for k in range(1 + own):  # all that lie beneath, and those that can be steps
                knowing[k] += 1
                tokens[k, 0] += max(input_[c], 0)
                tokens[k, 1] += max(output[c], 0)
            if own and input_[c] == input_[top] and output[c] == output[top] and max(input_[c], output[c]) > 0:
                same = r
        if own or steps == 0:
            last = r
        steps += own
        alike += own and (model[r] == model[top] or model[r] == 0 or model[top] == 0)
    silent = input_[top] < 0 and output[top] < 0
    sums = silent and steps > 1 and alike == steps and (knowing[1] > 0 or error[top])
    uses = (max(input_[top], 0), max(output[top], 0))
    for k in range(2):
        sums = sums or (not silent and knowing[k] > 1 and tokens[k, 0] == uses[0] and tokens[k, 1] == uses[1])
    return same, last, steps == 1 and alike == 1, sums


@compiled
def by_record(rows, first, start, end, record, request, one, rule, began):  # type: ignore[no-untyped-def]
    """Spans of one teller, parent and model, by start; first[i]: others begin. A record tells of the newest request
    before it."""
    waiting = np.empty(LOOK, np.int64)
    n = 0
    for i in range(len(rows)):
        r = rows[i]
        if first[i]:
            n = 0
        if request[r]:
            if n == LOOK:
                waiting[:-1] = waiting[1:].copy()
                n -= 1
            waiting[n] = r
            n += 1
        elif record[r]:
            for k in range(n - 1, -1, -1):
                if end[waiting[k]] <= start[r]:
                    join(one, rule, r, waiting[k], RECORD)
                    began[r] = start[waiting[k]]
                    for m in range(k, n - 1):
                        waiting[m] = waiting[m + 1]
                    n -= 1
                    break


@compiled
def _beneath(up, row, wanted):  # type: ignore[no-untyped-def]
    """Is `wanted` an ancestor of row, at most LOOK away?"""
    for _ in range(LOOK):
        row = up[row]
        if row < 0:
            return False
        if row == wanted:
            return True
    return False


@compiled
def _strangers(up, i, j):  # type: ignore[no-untyped-def]
    """Do two spans stand in different branches of the trace, or one under the other, which is for `by_parent` to judge?"""
    if _beneath(up, i, j) or _beneath(up, j, i):
        return True
    return up[i] >= 0 and up[j] >= 0 and up[i] != up[j] and not _beneath(up, i, up[j]) and not _beneath(up, j, up[i])


@compiled
def by_time(rows, first, outer, below, slack, reach, start, end, up, response, input_, output, layers, one, rule):  # type: ignore[no-untyped-def]
    """Calls of two layers, alike in what the caller sorted by, by start; first[i]: others begin. One in the other is the same.

    The outer one may end `reach` later. Each takes at most one: of the LOOK oldest it may lie in, the one that ends first, which
    leaves most to those that follow.
    layers[root]: bits of the layers that told of a call; below: that of the inner ones.
    """
    room = np.empty(len(rows), np.int64)
    low, high = 0, 0
    for i in range(len(rows)):
        r = rows[i]
        if first[i]:
            low, high = 0, 0
        if outer[r]:
            if not layers[find(one, r)] & below:
                room[high] = r
                high += 1
            continue
        best, k = -1, low
        while k < min(high, low + LOOK):
            o = room[k]
            if end[o] + slack < start[r]:
                room[low + 1 : k + 1] = room[low:k].copy()
                low += 1
                best = best + 1 if best >= 0 else best
                k += 1
                continue
            fits = -slack <= end[o] - end[r] <= reach and (best < 0 or end[o] < end[room[best]])
            fits = fits and not layers[find(one, o)] & layers[find(one, r)]
            fits = fits and (response[o] == response[r] or response[o] == 0 or response[r] == 0)
            if fits and same_use(input_, output, o, r) and not _strangers(up, o, r):
                best = k
            k += 1
        if best >= 0:
            o = room[best]
            both = layers[find(one, o)] | layers[find(one, r)]
            join(one, rule, o, r, BESIDE)
            layers[find(one, o)] = both
            room[low + 1 : best + 1] = room[low:best].copy()
            low += 1


@compiled
def roots_of(one):  # type: ignore[no-untyped-def]
    """(m,) the row that all rows of a row's call share."""
    roots = np.empty(len(one), np.int64)
    for i in range(len(one)):
        roots[i] = find(one, i)
    return roots
