"""Objectives on means of sizes: the estimate is exact, the evidence is cut and never claims too much."""

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.model.metrics import MEASURES
from pipeline.operators.ladder import bins
from pipeline.operators.watch.ladders import Counts
from pipeline.operators.watch.sizes import sizes
from tests.panes import MINUTE_NS, NOON_NS, counted
from tests.watched import SIGMA, Log, alerts, folded, on_time, stage, timed

SLOW = """
name: means
version: 1
owner: us
environment: prod
routes: chat
slices: [cohort]
objectives:
  - {metric: latency.mean, at_most: 2s, window: 15m, severity: page}
"""
DEAR = SLOW.replace("latency.mean, at_most: 2s", "cost_per_call.mean, at_most: $0.002")
FAST = SLOW.replace("latency.mean, at_most: 2s", "tokens_per_second.mean, at_least: 30")

MEDIAN = 2e9 / math.exp(SIGMA**2 / 2)
"""With it the true mean lies at the bound."""


def log_of(text: str, windows: list[list[dict[str, Any]]]) -> Log:
    log = Log()
    log.contracts(means=text)
    for minute, rows in enumerate(windows):
        log.window(minute, rows)
    return log


def said(text: str, windows: list[list[dict[str, Any]]], **changes: Any) -> list[dict[str, Any]]:
    return [one for one in alerts(folded(stage(), log_of(text, windows), **changes)) if one["slice"]]


@pytest.fixture(scope="module")
def slower() -> list[list[dict[str, Any]]]:
    return list(timed(1, 1000, 900, 1.5, median=0.9 * MEDIAN))


def test_a_mean_that_rose_is_told_with_the_exact_estimate(slower: list[list[dict[str, Any]]]) -> None:
    (one,) = said(SLOW, slower)
    since = (one["at_ns"] - NOON_NS) // MINUTE_NS
    print(f"mean half as large again: told after {since - 900} minutes, an hour of these is ten")
    assert 900 < since < 925
    assert (one["slice"], one["state"], one["direction"]) == ({"cohort": "pro"}, "firing", "at_most")
    window = [row for rows in slower[since - 15 : since] for row in rows if row["cohort"] == "pro"]
    total, n = sum(int(row["latency_sum_ns"]) for row in window), sum(row["requests"] for row in window)
    assert (one["n"], one["estimate"]) == (n, pytest.approx(total / n))
    assert one["low"] < one["estimate"]
    assert one["high"] is None, "nothing bounds what is cut"
    assert one["log_e_value"] >= one["needed"]


def test_crashes_change_nothing(slower: list[list[dict[str, Any]]]) -> None:
    undisturbed = {one["id"]: one for one in said(SLOW, slower)}
    assert undisturbed
    assert {one["id"]: one for one in said(SLOW, slower, batch=7, crash_after=(50, 140, 262, 263, 264))} == undisturbed


def test_a_mean_on_its_bound_is_not_told() -> None:
    assert said(SLOW, list(timed(3, 1000, 9999, 1.0, median=MEDIAN))) == []


def test_one_dear_call_is_no_evidence_though_the_estimate_tells_of_it() -> None:
    windows = list(timed(1, 600, 9999, 1.0, measure="cost", median=1e6))
    bomb = on_time(500, 1, 0, cohort="pro", cost_nusd=str(10**13), **counted(cost=[10**13]), source="spans:0:e")
    windows[500] = [*windows[500][:1], bomb, *windows[500][2:]]
    assert said(DEAR, windows) == []


def test_calls_without_a_price_are_not_cheap() -> None:
    """Half of them have none, and lie in the first bin: the others cost half as much again as they may, in mean and p95."""
    median = 1.5 * 2e6 / math.exp(SIGMA**2 / 2)
    windows = list(timed(1, 400, 0, 1.0, measure="cost", median=median))
    for rows in windows:
        for row in rows:
            n = row["requests"]
            row["cost_bins"], row["cost_bin_counts"] = [0, *row["cost_bins"]], [n, *row["cost_bin_counts"]]
            row |= {"requests": 2 * n, "unpriced": n // 2, "unknown_usage": n - n // 2}
    p95 = median * math.exp(SIGMA * 1.6448536)
    for text, estimate in ((DEAR, 3e6), (DEAR.replace("mean, at_most: $0.002", f"p95, at_most: ${p95 / 1.5e9:.6f}"), p95)):
        told = said(text, windows)
        assert {one["slice"]["cohort"] for one in told} == {"free", "pro", "team"}
        for one in told:
            assert one["estimate"] == pytest.approx(estimate, rel=0.15)


def test_a_floor_is_broken_from_below() -> None:
    median = 1.1 * 30_000 / math.exp(SIGMA**2 / 2)
    assert said(FAST, list(timed(1, 500, 400, 2.0, measure="tps", median=median))) == []
    (one,) = said(FAST, list(timed(1, 500, 400, 0.6, measure="tps", median=median)))
    assert (one["slice"], one["direction"]) == ({"cohort": "pro"}, "at_least")
    assert one["low"] < one["estimate"] < one["high"]
    assert one["low"] < 30


@given(
    st.sampled_from(sorted(MEASURES)),
    st.floats(1e3, 1e10),
    st.booleans(),
    st.lists(st.integers(0, 10**14), min_size=1, max_size=20),
)
def test_evidence_of_a_sum_never_claims_too_much(name: str, bound: float, is_floor: bool, values: list[int]) -> None:
    cut = sizes(MEASURES[name], bound, is_floor)
    found, many = np.unique(bins(values), return_counts=True)
    evident = float(Counts.of([found.tolist()], [many.tolist()]).sums(1, cut.worth)[0]) * cut.scale
    exact = float(sum(values))
    capped = float(sum(min(value, 5 * bound * cut.scale) for value in values))
    slack = 0.01 * capped + 101 * len(values)
    if is_floor:
        assert exact * (1 - 1e-9) <= evident <= exact * 1.01 + 101 * len(values)
    else:
        assert capped - slack <= evident <= capped * (1 + 1e-9)
