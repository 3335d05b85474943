"""p95 and mean of calls in sessions, every slice exactly on its bound, or with a release exactly on its limit: watch is silent,
and would page if it ignored sessions.
"""

import math
from collections.abc import Iterator

import numpy as np
import pytest

from pipeline.model.metrics import Family
from pipeline.operators.contracts.reading import read
from pipeline.operators.ladder import EDGES, MOST_BINS, bins
from pipeline.operators.watch.asked import Asked
from pipeline.operators.watch.contract_watch import ContractWatch
from pipeline.operators.watch.ladders import Counts
from pipeline.operators.watch.panes_read import NUMBERS, Panes

SLICES, WARM_UP, DAYS, WINDOW_MINUTES = 60, 3, 20, 10
MINUTE_NS, WINDOWS = 60 * 10**9, 1440 // WINDOW_MINUTES
SIGMA, LIKENESS, CALLS_A_SESSION, P95 = 0.8, 0.5, 8.0, 1.6448536269514722
EDGE = int(EDGES[1780])
MEDIAN = EDGE / math.exp(SIGMA * P95)
BOUNDS = {"latency.p95": EDGE, "latency.mean": MEDIAN * math.exp(SIGMA**2 / 2)}

CONTRACT = """
name: limit
version: 1
owner: us
environment: prod
routes: chat
slices: [cohort]
objectives:
"""


def sessions(
    g: np.random.Generator, per_minute: np.ndarray, release: str = "1", slower: float = 1.0, swing: float = 0.0
) -> Iterator[Panes]:
    """The windows of a day: calls of a session lie in one window and resemble each other; traffic swings by 70 %. swing: of how
    long calls take.
    """
    series = tuple(("prod", "chat", "m", release, f"cohort{i}", "en") for i in range(SLICES))
    for window in range(WINDOWS):
        wave = 1 + 0.7 * math.sin(2 * math.pi * window / WINDOWS)
        slices = np.repeat(np.arange(SLICES), g.poisson(per_minute * WINDOW_MINUTES * wave / CALLS_A_SESSION))
        calls = g.geometric(1 / CALLS_A_SESSION, len(slices))
        of = np.repeat(np.arange(len(slices)), calls)
        z = math.sqrt(LIKENESS) * g.standard_normal(len(slices))[of] + math.sqrt(1 - LIKENESS) * g.standard_normal(len(of))
        median = MEDIAN * slower * (1 + swing * math.sin(2 * math.pi * window / WINDOWS))
        values = np.rint(median * np.exp(SIGMA * z)).astype(np.int64)
        codes, count = np.unique(slices[of] * MOST_BINS + bins(values), return_counts=True)
        counts = Counts(codes // MOST_BINS, (codes % MOST_BINS).astype(np.uint16), count.astype(np.float64))
        numbers = {name: np.zeros(SLICES) for name in NUMBERS[Family.CALLS]}
        numbers |= {"requests": counts.sums(SLICES), "latency_sum_ns": np.bincount(slices[of], values, SLICES)}
        yield Panes(series, ("spans:0:e",) * SLICES, numbers, {"latency": counts})


def days_with_alarms(metric: str) -> int:
    """Of DAYS on the bound, after some that only teach how much sessions scatter."""
    bound = f"{round(BOUNDS[metric])}ns"
    found = read(f"{CONTRACT}  - {{metric: {metric}, at_most: {bound}, window: 1h}}\n", "limit").contract
    assert found is not None
    watch, g = ContractWatch.of(found, 60 * MINUTE_NS, 1000), np.random.default_rng(11)
    per_minute, alarms, window = np.exp(g.uniform(np.log(0.5), np.log(20), SLICES)), set(), 0
    for _ in range(WARM_UP + DAYS):
        for panes in sessions(g, per_minute):
            start, end = (at * WINDOW_MINUTES * MINUTE_NS for at in (window, window + 1))
            alarms |= {window // WINDOWS for change in watch.fold(Family.CALLS, start, end, panes) if change.is_firing}
            window += 1
    return len({day for day in alarms if day >= WARM_UP})


@pytest.mark.slow
@pytest.mark.parametrize("metric", BOUNDS)
def test_what_lies_on_its_bound_does_not_page_and_sessions_are_why(metric: str, monkeypatch: pytest.MonkeyPatch) -> None:
    told = days_with_alarms(metric)
    independent = 1.0 if metric == "latency.p95" else 0.7

    def ignored(self: Asked, routes: np.ndarray, live: bool = False) -> tuple[np.ndarray, np.ndarray]:
        return np.full(len(routes), independent), np.full(len(routes), np.inf)

    monkeypatch.setattr(Asked, "dispersion", ignored)
    naive = days_with_alarms(metric)
    print(f"\n{metric}: {told} of {DAYS} days with an alarm; if calls were taken for independent {naive}")
    assert told <= 3
    assert naive >= 12, "these streams are no trap"


# With a release.

LIMIT, BEFORE, SINCE = 0.02, 5, 6
"""Days of the release before, and of the one that is on the limit."""

ROUNDED = 1.01
"""A value before counts as the upper edge of its bin, one now as the lower."""


def _capped_mean(factor: float) -> float:
    """Of factor times the lognormal values, each at most their p99 before; in times of their median."""
    cap, s = 2.3263478740408408, math.log(factor) / SIGMA
    below, above = (0.5 * math.erfc(-at / math.sqrt(2)) for at in (cap - s - SIGMA, s - cap))
    return factor * math.exp(SIGMA**2 / 2) * below + math.exp(SIGMA * cap) * above


def on_the_limit() -> float:
    """So many times as long, and the mean of what is cut lies on the limit."""
    low, high = 1.0, 1.2
    for _ in range(50):
        middle = (low + high) / 2
        low, high = (low, middle) if _capped_mean(middle) > (1 + LIMIT) * ROUNDED * _capped_mean(1.0) else (middle, high)
    return low


def slices_with_alarms(metric: str) -> int:
    """Of SLICES whose next release is worse by just the limit."""
    text = f"{CONTRACT}  - {{metric: error.ratio, at_most: 50%}}\nregression: {{limit: {LIMIT:.0%}, metrics: [{metric}]}}\n"
    found = read(text, "limit").contract
    assert found is not None
    watch, g = ContractWatch.of(found, 60 * MINUTE_NS, 1000), np.random.default_rng(12)
    per_minute, alarms, window = np.exp(g.uniform(np.log(0.5), np.log(20), SLICES)), set(), 0
    slower = 1 + LIMIT if metric == "latency.p95" else on_the_limit()
    for day in range(BEFORE + SINCE):
        for panes in sessions(g, per_minute, *(("1", 1.0) if day < BEFORE else ("2", slower))):
            start, end = (at * WINDOW_MINUTES * MINUTE_NS for at in (window, window + 1))
            alarms |= {change.slice for change in watch.fold(Family.CALLS, start, end, panes) if change.is_firing}
            window += 1
    return len(alarms)


@pytest.mark.slow
@pytest.mark.parametrize("metric", BOUNDS)
def test_what_a_release_made_worse_by_the_limit_does_not_page_and_sessions_are_why(
    metric: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = slices_with_alarms(metric)
    independent = 1.0 if metric == "latency.p95" else 0.7

    def ignored(self: Asked, routes: np.ndarray, live: bool = False) -> tuple[np.ndarray, np.ndarray]:
        return np.full(len(routes), independent), np.full(len(routes), np.inf)

    monkeypatch.setattr(Asked, "dispersion", ignored)
    naive = slices_with_alarms(metric)
    print(f"\n{metric}: {told} of {SLICES} slices with an alarm; if calls were taken for independent {naive}")
    assert told <= 1
    assert naive >= 5, "these streams are no trap"
