"""Evidence: its formulas against slow ones written another way, an independent library, and the laws they are used by."""

import math
from dataclasses import replace

import numpy as np
import pytest
import ville
from hypothesis import given
from hypothesis import strategies as st

from pipeline.operators.evidence import bets, deviance, effect, interval, recovery
from pipeline.operators.evidence.detector import Detector
from pipeline.operators.evidence.deviance import Data, Floats
from pipeline.operators.evidence.dispersion import SLACK, Dispersion, dispersion
from pipeline.operators.evidence.growth import against_complement
from pipeline.operators.evidence.hypothesis import Hypothesis, Kind
from pipeline.operators.evidence.release import Baseline, Release

ONE, KNOWN = np.ones(1), np.full(1, np.inf)


def data(n: float, s: float, base_n: float, base_mean: float) -> Data:
    return Data(*(np.array([float(x)]) for x in (n, s, base_n, base_mean, base_mean)))


def likelihood(s: float, n: float, p: float) -> float:
    return s * math.log(p) + (n - s) * math.log1p(-p)


def slow_root(n: float, s: float, m: float, t: float, new_of_base) -> float:
    """Signed root of twice the loss of likelihood under the null, its share found by trying all."""
    best = max(
        likelihood(s, n, new_of_base(p)) + likelihood(t, m, p)
        for p in np.linspace(1e-5, 1 - 1e-5, 200_001)
        if 0 < new_of_base(p) < 1
    )
    loss = likelihood(s, n, s / n) + likelihood(t, m, t / m) - best
    return math.sqrt(max(2 * loss, 0.0))


@pytest.mark.parametrize(("n", "s", "m", "t"), [(200, 30, 400, 40), (50, 1, 5000, 90), (900, 400, 300, 140), (40, 39, 60, 20)])
def test_a_share_is_compared_by_likelihood(n: int, s: int, m: int, t: int) -> None:
    found = deviance.share(data(n, s, m, t / m), 1.02, ONE, KNOWN)
    assert abs(found.z[0]) == pytest.approx(slow_root(n, s, m, t, lambda p: 1.02 * p), abs=2e-3)
    assert (found.z[0] > 0) == (s / n > 1.02 * t / m)
    found = deviance.points(data(n, s, m, t / m), 0.02, ONE, KNOWN)
    assert abs(found.z[0]) == pytest.approx(slow_root(n, s, m, t, lambda p: p + 0.02), abs=2e-3)


def test_a_bound_is_a_baseline_of_endless_calls() -> None:
    for compare in (deviance.share, deviance.size):
        bound, endless = (compare(data(500, 40, m, 0.06), 1.02, ONE, KNOWN) for m in (np.inf, 1e12))
        assert bound.z[0] == pytest.approx(endless.z[0], rel=1e-4)
        assert bound.information[0] == pytest.approx(endless.information[0], rel=1e-4)


def test_sizes_are_compared_by_the_gamma_deviance() -> None:
    n, s, m, mean, r = 80.0, 100.0, 300.0, 1.1, 1.02
    base = (s / r + m * mean) / (n + m)  # the mean that both sides together say, under the null
    loss = n * math.log(r * base / (s / n)) + m * math.log(base / mean)
    found = deviance.size(data(n, s, m, mean), r, ONE, KNOWN)
    assert found.z[0] == pytest.approx(math.sqrt(2 * loss))
    assert found.information[0] == pytest.approx(1 / (1 / n + 1 / m))


def test_a_dispersion_of_few_batches_says_less() -> None:
    sure, unsure = (deviance.share(data(500, 60, 500, 0.06), 1.0, ONE, np.array([b])).z[0] for b in (1e6, 8.0))
    assert 0 < unsure < sure
    wide = deviance.share(data(500, 60, 500, 0.06), 1.0, 4 * ONE, KNOWN)
    assert wide.z[0] == pytest.approx(sure / 2, rel=1e-3)
    assert deviance.share(data(500, 60, 500, 0.06), 1.0, ONE, np.zeros(1)).z[0] == 0.0


def test_the_running_interval_and_the_list_are_those_of_another_library() -> None:
    information = np.geomspace(1, 1e6, 30)
    theirs = ville.normal_mixture(information, 0.05, interval.TUNED_TO) ** 2 / information
    np.testing.assert_allclose(interval.radius_squared(information, 0.05), theirs, rtol=1e-12)
    g = np.random.default_rng(3)
    e = np.exp(g.normal(0, 4, 400))
    theirs = np.asarray(ville.evalues.ebh(e, 0.05))
    mine = bets.listed(np.log(e), len(e), 0.05)
    assert 0 < mine.sum() < len(e)
    np.testing.assert_array_equal(np.flatnonzero(mine), np.flatnonzero(theirs) if theirs.dtype == bool else np.sort(theirs))


@given(st.integers(0, 2**32 - 1))
def test_order_and_names_of_cells_change_nothing(seed: int) -> None:
    g = np.random.default_rng(seed)
    cells = 12
    columns = (g.integers(30, 900, cells).astype(float), g.uniform(0, 30, cells), g.integers(30, 900, cells).astype(float))
    told = Data(*columns, g.uniform(0.01, 0.4, cells), g.uniform(0.01, 0.4, cells))
    order = g.permutation(cells)
    asked = Hypothesis(Kind.SHARE, 0.02)
    one, batches = np.full(cells, 1.3), np.full(cells, 40.0)
    mixed = Data(*(getattr(told, name)[order] for name in ("n", "s", "base_n", "base_mean", "usual")))
    np.testing.assert_array_equal(asked.log_e(mixed, one, batches), asked.log_e(told, one, batches)[order])


@given(st.floats(0.005, 0.6), st.integers(50, 5000), st.integers(2, 40))
def test_more_information_makes_the_interval_narrower(share: float, n: int, times: int) -> None:
    phi, batches = np.full(2, 1.4), np.full(2, 80.0)
    calls = np.array([float(n), float(n * times)])
    low, high = interval.of_mean(Kind.SHARE, calls, calls * share, phi, batches)
    assert (low <= share + 1e-9).all()
    assert (high >= share - 1e-9).all()
    assert high[1] - low[1] <= high[0] - low[0] + 1e-9


def test_sums_merge_so_it_does_not_matter_how_calls_were_cut() -> None:
    g = np.random.default_rng(5)
    minutes = [(h, g.integers(0, 9, 3).astype(float)) for h in range(24) for _ in range(4)]
    whole, halves = Release.empty(3), Release.empty(3)
    for hour, n in minutes:
        whole.add(hour, n, n / 8)
    for hour, n in reversed(minutes):
        halves.add(hour, n / 2, n / 16)
        halves.add(hour, n / 2, n / 16)
    base = Baseline(g.integers(1, 50, (3, 24)).astype(float), g.uniform(0, 1, (3, 24)))
    for name in ("n", "s", "base_n", "base_mean"):
        np.testing.assert_allclose(getattr(whole.data(base), name), getattr(halves.data(base), name), rtol=1e-12)


def test_a_release_at_noon_is_compared_with_noon() -> None:
    n = np.full((1, 24), 100.0)
    s = np.where(np.arange(24) < 12, 2.0, 20.0)[None]
    release = Release.empty(1)
    release.add(13, np.array([50.0]), np.array([10.0]))
    told = release.data(Baseline(n, s))
    assert told.base_mean[0] == pytest.approx(0.2)
    assert told.base_n[0] == pytest.approx(100), "one hour of the baseline says it, not the day"
    empty = np.zeros((1, 24))
    empty[0, 1] = 60.0
    elsewhere = release.data(Baseline(empty, empty / 10))
    assert (elsewhere.base_n[0], elsewhere.base_mean[0]) == pytest.approx((60, 0.1))


def hours_of(cells: int, days: int, draw) -> Dispersion:
    seen = Dispersion.empty(cells)
    for hour in range(24 * days):
        seen.add(*draw(hour))
        seen.close_hour(sizes=False)
        if hour % 24 == 23:
            seen.close_day()
    return seen


def test_calls_that_come_in_clumps_are_seen_as_such() -> None:
    g = np.random.default_rng(8)

    def clumps(hour: int) -> tuple[Floats, Floats]:
        rate = 0.1 * (1 + 0.4 * math.sin(2 * math.pi * hour / 24))  # the course of the day is no dispersion
        return np.full(40, 300.0), 10.0 * g.binomial(30, rate, 40)  # ten calls of a clump do the same

    phi, batches = dispersion(hours_of(40, 10, clumps), np.zeros(40, np.intp), 1.0)
    assert phi.mean() == pytest.approx(SLACK * 10, rel=0.1)
    assert (batches > 60).all()


@pytest.mark.parametrize("healthy", [3, 6, 20])
def test_an_incident_is_no_dispersion_on_the_first_day_either(healthy: int) -> None:
    """Half of 300 calls fail, where 2 % did for a few hours."""
    g, seen = np.random.default_rng(8), Dispersion.empty(40)
    for share in (0.02,) * healthy + (0.5,):
        seen.add(np.full(40, 300.0), g.binomial(300, share, 40).astype(float))
        seen.close_hour(sizes=False)
    phi, _ = dispersion(seen, np.arange(40), 1.0)
    assert np.median(phi) <= 10
    assert phi.max() <= 50


@pytest.mark.parametrize("day", [1, 2])
def test_clumps_are_seen_on_the_first_day_though_no_hour_counts_for_much(day: int) -> None:
    g = np.random.default_rng(9)
    seen = hours_of(40, day, lambda hour: (np.full(40, 300.0), 10.0 * g.binomial(30, 0.1, 40)))
    assert dispersion(seen, np.zeros(40, np.intp), 1.0)[0].mean() == pytest.approx(SLACK * 10, rel=0.25)


def test_nothing_is_known_of_a_route_without_hours() -> None:
    phi, batches = dispersion(Dispersion.empty(2), np.zeros(2, np.intp), 1.0)
    assert (batches == 0).all()
    assert (phi >= 1).all()
    asked = Hypothesis(Kind.SHARE)
    told = Data(*(np.full(2, x) for x in (1e4, 9e3, np.inf, 0.01, 0.01)))
    assert (asked.log_e(told, phi, batches) == 0).all(), "and so nothing is said"


def test_a_few_calls_say_nothing_and_many_do() -> None:
    asked, phi, batches = Hypothesis(Kind.SHARE), ONE, KNOWN
    assert asked.log_e(data(29, 29, np.inf, 0.5), phi, batches)[0] == 0
    assert asked.log_e(data(100, 40, np.inf, 0.01), phi, batches)[0] == 0, "a hundred calls hold one event"
    assert asked.log_e(data(1000, 400, np.inf, 0.01), phi, batches)[0] > 100
    floor = Hypothesis(Kind.SCORE, floor=True)
    assert floor.log_e(data(4000, 2000, np.inf, 0.9), phi, batches)[0] > 100
    assert floor.log_e(data(4000, 3900, np.inf, 0.9), phi, batches)[0] < 0


@pytest.mark.parametrize("kind", [Kind.SHARE, Kind.SIZE])
@pytest.mark.parametrize("floor", [False, True])
@pytest.mark.parametrize("limit", [0.005, 0.02, 0.05, 0.5, 0.85])
def test_a_wide_limit_is_watched_as_closely_as_a_narrow_one(kind: Kind, floor: bool, limit: float) -> None:
    """What lies a fifth beyond a limit is worth the same, however far that lies from the bound."""
    told = {}
    for asked in (Hypothesis(kind, 0.0, floor), Hypothesis(kind, limit, floor)):
        means = (0.1 * (0.8 if floor else 1.2), 0.1, 0.1 * (1.2 if floor else 0.8))
        found = [replace(data(9e4, 9e4 * mean, np.inf, 0.1 / asked.r), usual=0.1 * ONE) for mean in means]
        told[asked.limit] = [asked.log_e(one, 10 * ONE, KNOWN)[0] for one in found]
    assert told[limit] == pytest.approx(told[0.0])
    assert told[limit][0] > 8
    assert told[limit][1] < 0
    assert told[limit][2] < -1


@pytest.mark.parametrize("floor", [False, True])
def test_a_limit_of_no_points_is_a_limit_of_nothing(floor: bool) -> None:
    told = data(2e4, 1400 if floor else 2600, 2e4, 0.1)
    points = Hypothesis(Kind.SHARE, 0.0, floor, in_points=True)
    assert points.log_e(told, ONE, KNOWN)[0] == Hypothesis(Kind.SHARE, 0.0, floor).log_e(told, ONE, KNOWN)[0] > 10
    one = Hypothesis(Kind.SHARE, 0.01, floor, in_points=True).log_e(told, ONE, KNOWN)[0]
    assert one > 5


def through_a_day(detector: Detector, n: float, shares: list[float]) -> list[float]:
    told, asked = [], Hypothesis(Kind.SHARE)
    bound = (np.array([np.inf]), np.array([0.1]), np.array([0.1]))
    for hour, share in enumerate(shares):
        opened = Data(np.array([n]), np.array([n * share]), *bound)
        told.append(float(detector.look(asked, opened, ONE, KNOWN)[0]))
        detector.close_hour(hour % 24, asked, opened, ONE, KNOWN, np.array([n]))
    return told


def test_a_change_is_found_whenever_it_begins_and_never_by_what_was_good_before() -> None:
    late = through_a_day(Detector.empty(1), 2000, [0.1] * 12 + [0.14] * 8)
    early = through_a_day(Detector.empty(1), 2000, [0.14] * 8)
    assert max(late[:12]) < 0
    assert late[-1] > 5
    assert late[-1] == pytest.approx(early[-1], abs=3.5), "a good morning is not held against the evening"


@pytest.mark.parametrize("before", [[], [0.1] * 24])
def test_silence_is_no_evidence(before: list[float]) -> None:
    detector = Detector.empty(1)
    through_a_day(detector, 2000, before)
    found = through_a_day(detector, 0, [0.0] * 24 * 200)
    assert found[0] == found[-1] < 0
    assert max(through_a_day(detector, 2000, [0.1] * 24)) < 0
    assert through_a_day(detector, 2000, [0.14] * 8)[-1] > 5


def test_a_cell_with_few_calls_waits_for_longer_strata() -> None:
    detector = Detector.empty(1)
    through_a_day(detector, 100, [0.1] * 24)
    assert detector.hours[0] == 4  # 2 x 20 x 9 calls are needed, four hours have 400
    busy = Detector.empty(1)
    through_a_day(busy, 5000, [0.1] * 24)
    assert busy.hours[0] == 1


def test_the_smallest_change_that_is_found_shrinks_with_information() -> None:
    asked = Hypothesis(Kind.SHARE, 0.02)
    told = effect.detectable(np.array([0.0, 1e2, 1e4, 1e6]), np.full(4, 100.0), asked.bets, 0.02, 500, 0.05)
    assert np.isinf(told[0])
    assert (np.diff(told[1:]) < 0).all()
    assert told[-1] > 0.02


ENDS = (
    (Hypothesis(Kind.SHARE), 0.02),
    (Hypothesis(Kind.SHARE, 0.1), 0.02),
    (Hypothesis(Kind.SHARE, 0.1, floor=True), 0.6),
    (Hypothesis(Kind.SCORE, 0.05, floor=True), 0.9),
    (Hypothesis(Kind.SHARE, 0.02, in_points=True), 0.02),
    (Hypothesis(Kind.SHARE, 0.02, floor=True, in_points=True), 0.6),
    (Hypothesis(Kind.SIZE, 0.1), 3.0),
)


@pytest.mark.parametrize("base_n", [20_000.0, math.inf])
@pytest.mark.parametrize(("asked", "base"), ENDS)
def test_an_excess_of_any_size_is_over_when_more_than_half_of_it_is_gone(asked: Hypothesis, base: float, base_n: float) -> None:
    worse, on = (-1 if asked.floor else 1), data(1, 0, base_n, base)
    limit = base + worse * asked.limit if asked.in_points else base * asked.r
    for part in (0.1, 0.3, 0.9, 0.99):
        excess = part * np.minimum(asked.farthest(on), 50.0)
        middle, whole = recovery.halfway(excess), float(excess[0]) * (1.0 if asked.in_points else base)
        for left, over in ((1.0, False), (0.6, False), (0.2, True), (0.0, True)):
            hour = data(20_000, 20_000 * (limit + worse * left * whole), base_n, base)
            assert (recovery.below(asked, hour, middle, ONE, KNOWN).z[0] > 0) == over, (part, left)


def test_halfway_from_a_better_baseline_is_no_farther_than_half_of_what_can_be_lost() -> None:
    """1 % to 90 % was 89 times as much more; where 5 % are usual the same 90 % are 17 times as much more, and not half of it."""
    asked, middle = Hypothesis(Kind.SHARE), recovery.halfway(np.array([89.0]))
    for share, over in ((0.9, False), (0.05, True)):
        hour = data(2000, 2000 * share, 20_000, 0.05)
        assert (bets.log_e(recovery.below(asked, hour, middle, ONE, KNOWN), recovery.BETS)[0] > 3) == over


def test_one_cohort_is_told_from_all() -> None:
    asked = Hypothesis(Kind.SHARE, 0.02)
    cohort = data(5000, 600, 20000, 0.1)
    for others, here in ((data(50000, 5000, 200000, 0.1), True), (data(50000, 6000, 200000, 0.1), False)):
        told = against_complement(cohort, others, ONE)
        assert (asked.log_e(told, ONE, KNOWN)[0] > 3) == here
        assert told.base_n[0] < 20000


def test_a_share_that_is_much_too_small_lies_outside_though_it_has_hardly_any_information() -> None:
    n, s, phi, batches = (np.array([x]) for x in (1132.0, 136.0, 1.88, 25.0))
    low, high = interval.of_mean(Kind.SHARE, n, s, phi, batches)
    assert 0.04 < low[0] < 0.12 < high[0] < 0.25
