"""The compiled steps of traces against slow, obvious ones."""

import random
from itertools import pairwise

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.operators import trace_kernels as kernels
from pipeline.operators.pool import Pool

hashes = st.lists(st.integers(1, 30), max_size=60)


@given(st.lists(hashes, max_size=5), st.integers(0, 2**32))
@settings(max_examples=100)
def test_slots_are_those_of_a_dictionary(batches: list[list[int]], seed: int) -> None:
    spread = random.Random(seed).getrandbits(64) | 1
    table, keys = np.zeros(128, np.int32), np.zeros(0, np.uint64)
    plain: dict[int, int] = {}
    for batch in batches:
        words = np.array([value * spread % 2**64 for value in batch], np.uint64)
        slots, firsts = np.empty(len(words), np.int64), np.empty(len(words), np.int64)
        new = kernels.place(table, keys, words, slots, firsts) - len(keys)
        assert firsts[:new].tolist() == [batch.index(value) for value in dict.fromkeys(batch) if value not in plain]
        keys = np.concatenate((keys, words[firsts[:new]]))
        assert slots.tolist() == [plain.setdefault(value, len(plain)) for value in batch]
    anew, everything = np.zeros(256, np.int32), np.array([value * spread % 2**64 for value in range(1, 31)], np.uint64)
    kernels.rebuild(anew, keys)
    found = np.empty(len(everything), np.int64)
    kernels.find(anew, keys, everything, found)
    assert found.tolist() == [plain.get(value, -1) for value in range(1, 31)]


@given(st.lists(st.integers(-1, 5), max_size=40), st.lists(st.booleans(), min_size=6, max_size=6))
def test_rows_of_slots_are_together_in_their_order(slots: list[int], marked: list[bool]) -> None:
    rows, bounds = kernels.by_slot(np.array(slots, np.int64), np.array(marked, np.bool_))
    wanted = [slot for slot, mark in enumerate(marked) if mark]
    plain = [[i for i, slot in enumerate(slots) if slot == one] for one in wanted]
    assert [rows[a:b].tolist() for a, b in pairwise(bounds)] == plain
    assert len(bounds) == len(wanted) + 1


@given(st.lists(st.tuples(st.integers(-1, 5), st.booleans(), st.integers(0, 2)), max_size=12))
def test_of_a_group_one_counts_for_good(rows: list[tuple[int, bool, int]]) -> None:
    stands = [min(group, len(rows) - 1) if group < 0 or group >= len(rows) else group for group, _, _ in rows]
    stands = [s if s < 0 or stands[s] == s else i for i, s in enumerate(stands)]
    before = [state for _, _, state in rows]
    state, by = np.array(before, np.uint8), np.empty(len(rows), np.int64)
    kernels.settle(np.array(stands, np.int64), np.array([r for _, r, _ in rows], np.bool_), state, 0, 1, 2, by)
    for group in {s for s in stands if s >= 0}:
        members = [i for i, s in enumerate(stands) if s == group]
        old = [i for i in members if before[i] == 1]
        if not any(rows[i][1] for i in members):
            assert all(state[i] == before[i] and by[i] == -1 for i in members)
            continue
        fresh = [i for i in members if before[i] == 0]
        assert all(by[i] == (old[-1] if old else group) for i in fresh)
        assert [i for i in fresh if state[i] == 1] == ([] if old else [i for i in fresh if i == group])
        assert all(state[i] == 2 for i in fresh if by[i] != i)


@given(st.data())
def test_names_are_those_of_the_root_else_of_the_first(data: st.DataObject) -> None:
    sizes = data.draw(st.lists(st.integers(1, 4), max_size=4))
    first = np.append(0, np.cumsum(sizes)).astype(np.int64)
    n = int(first[-1])
    drawn = [data.draw(st.tuples(st.integers(0, 2), st.booleans(), st.integers(0, 2), st.integers(0, 2))) for _ in range(n)]
    values = np.array([[value] for value, _, _, _ in drawn], np.int32).reshape(n, 1)
    root, start = np.array([r for _, r, _, _ in drawn], np.bool_), np.array([s for _, _, s, _ in drawn], np.int64)
    span, end = np.array([i for *_, i in drawn], np.uint64), np.arange(n)[::-1].copy()
    out = np.zeros((len(sizes), 1), np.int32)
    kernels.first_named(first, values, root, start, span, end, out)
    for t in range(len(sizes)):
        said = [(not root[i], start[i], span[i], -end[i], values[i, 0]) for i in range(first[t], first[t + 1]) if values[i, 0]]
        assert out[t, 0] == (min(said)[-1] if said else 0)


@given(st.lists(st.lists(st.tuples(*[st.integers(0, 2)] * 3), min_size=1, max_size=6), max_size=4), st.randoms())
def test_the_first_to_begin_does_not_depend_on_who_came_first(
    groups: list[list[tuple[int, int, int]]], rng: random.Random
) -> None:
    told = [one for group in groups for one in group]
    place = rng.sample(range(len(told)), len(told))
    start, span, end = (np.zeros(len(told), kind) for kind in (np.int64, np.uint64, np.int64))
    for row, one in zip(place, told, strict=True):
        start[row], span[row], end[row] = one
    bounds, out = np.append(0, np.cumsum([len(group) for group in groups])).astype(np.int64), np.empty(len(groups), np.int64)
    kernels.firsts(bounds, np.array(place, np.int64), start, span, end, out)
    assert [(int(start[row]), int(span[row]), -int(end[row])) for row in out] == [
        min((begins, one, -ends) for begins, one, ends in group) for group in groups
    ]
    assert all(out[t] in place[bounds[t] : bounds[t + 1]] for t in range(len(groups)))


@given(st.lists(st.tuples(st.booleans(), st.lists(st.integers(0, 99), max_size=70)), max_size=8), st.integers(0, 2**32))
def test_a_pool_is_a_list(moves: list[tuple[bool, list[int]]], seed: int) -> None:
    rng, pool, plain = random.Random(seed), Pool({"a": np.int64, "pair": (np.int64, 2)}), list[int]()
    for thin, values in moves:
        where = pool.append({"a": values, "pair": np.array([values, values]).T}, len(values))
        assert where.tolist() == list(range(len(plain), len(plain) + len(values)))
        plain += values
        if thin:
            kept = np.array([rng.random() < 0.5 for _ in plain], np.bool_)
            moved = pool.keep(kept)
            assert [i for i, at in enumerate(moved.tolist()) if at >= 0] == np.flatnonzero(kept).tolist()
            plain = [value for value, keep in zip(plain, kept.tolist(), strict=True) if keep]
        assert pool["a"].tolist() == plain
        assert pool["pair"].tolist() == [[value, value] for value in plain]
