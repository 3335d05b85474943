"""The ladder against slow words: where a value lies, what lies above a bound, sums, quantiles, and that counts add up."""

import random
from decimal import Decimal, localcontext
from math import ceil, isnan

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.operators.ladder import (
    BEYOND,
    EDGES,
    HIGHEST,
    MIDDLES,
    Histogram,
    SeriesCounts,
    bin_at_or_above,
    bins,
    histogram,
    merged,
)

VALUES = st.integers(0, 2 * 10**14) | st.sampled_from(EDGES.tolist()).flatmap(lambda e: st.sampled_from([e - 1, e, e + 1]))
MANY = st.lists(VALUES, min_size=1, max_size=60)


def plain_bin(value: int) -> int:
    """The first edge that is not below the value, looked for one by one."""
    return next((i for i, edge in enumerate(EDGES.tolist()) if value <= edge), BEYOND)


def same(one: Histogram, other: Histogram) -> bool:
    return one.bins.tobytes() == other.bins.tobytes() and one.counts.tobytes() == other.counts.tobytes()


def test_edges_are_what_many_digits_say() -> None:
    with localcontext() as context:
        context.prec = 60
        for i in range(0, len(EDGES), 13):
            exact = Decimal(100) * (Decimal("1.02") ** i).sqrt()
            assert abs(Decimal(int(EDGES[i])) - exact) <= Decimal("0.5")
    assert np.all(np.diff(EDGES) > 0)
    assert EDGES[-2] < HIGHEST <= EDGES[-1]
    assert BEYOND < 1 << 16


def test_two_steps_are_two_percent_and_five_are_five() -> None:
    large = EDGES[EDGES > 10**6].astype(np.float64)
    np.testing.assert_allclose(large[2:] / large[:-2], 1.02, rtol=2e-6)
    np.testing.assert_allclose(large[5:] / large[:-5], 1.02**2.5, rtol=2e-6)


@given(MANY)
def test_a_value_lies_in_the_first_bin_whose_edge_it_does_not_exceed(values: list[int]) -> None:
    assert bins(values).tolist() == [plain_bin(value) for value in values]


@given(MANY, st.integers(0, int(EDGES[-1])))
def test_what_lies_above_a_bound_is_exact_at_its_edge(values: list[int], bound: int) -> None:
    chosen = bin_at_or_above(bound)
    edge = int(EDGES[chosen])
    assert edge >= bound
    assert chosen == 0 or EDGES[chosen - 1] < bound
    above = sum(value > edge for value in values)
    assert histogram(values).above(chosen) == above
    assert histogram(values).share_above(chosen) == above / len(values)


@given(st.lists(MANY, min_size=1, max_size=5), st.randoms())
def test_counts_add_up_in_any_order(parts: list[list[int]], rng: random.Random) -> None:
    everything = [value for part in parts for value in part]
    rng.shuffle(everything)
    together = merged(histogram(part) for part in parts)
    assert same(together, histogram(everything))
    assert same(together, merged([merged([histogram(part)]) for part in reversed(parts)]))
    assert together.total == len(everything)


@given(st.lists(st.integers(1000, 10**14), min_size=1, max_size=60), st.integers(1000, 10**14))
def test_capped_sums_are_within_half_a_percent(values: list[int], cap: int) -> None:
    """Half a bin, a little more where edges are small integers."""
    assert histogram(values).capped_sum(cap) == pytest.approx(sum(min(value, cap) for value in values), rel=0.0056)


@given(st.lists(st.integers(1000, 10**14), min_size=1, max_size=60), st.floats(0, 1))
def test_quantiles_are_within_half_a_percent(values: list[int], q: float) -> None:
    exact = sorted(values)[max(1, ceil(q * len(values))) - 1]
    assert histogram(values).quantile(q) == pytest.approx(exact, rel=0.0056)


@given(st.lists(st.lists(st.tuples(st.integers(0, 4), VALUES | st.none()), max_size=30), max_size=6), st.sets(st.integers(0, 5)))
def test_series_are_counted_apart_whatever_the_batches_and_the_questions(
    batches: list[list[tuple[int, int | None]]], asked: set[int]
) -> None:
    counting, everything = SeriesCounts(), [one for batch in batches for one in batch]
    for i, batch in enumerate(batches):
        counting.add(np.array([one[0] for one in batch], np.int64), np.array([one[1] for one in batch], np.float64))
        if i in asked:
            counting.of([i])
    for series in range(6):
        assert same(
            Histogram(*(one[0] for one in counting.of([series]))),
            histogram([value for of, value in everything if of == series and value is not None]),
        )


def test_both_ends() -> None:
    assert bins([-5, 0, 100, 101, 102, 10**18]).tolist() == [0, 0, 0, 1, 2, BEYOND]
    assert histogram([0] * 5).capped_sum(10**9) == 0
    assert histogram([10**18]).capped_sum(50) == 50
    assert histogram([10**18]).quantile(0.5) == EDGES[-1]
    assert len(MIDDLES) == BEYOND + 1
    empty = merged([])
    assert (empty.total, empty.above(0), empty.capped_sum(5)) == (0, 0, 0.0)
    assert isnan(empty.quantile(0.5))
    assert isnan(empty.share_above(3))
    with pytest.raises(ValueError, match="above the ladder"):
        bin_at_or_above(int(EDGES[-1]) + 1)
