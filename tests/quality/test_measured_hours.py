"""Quantiles and means against the same hours before, by rungs that calls chose: how late is a shift found, and how long is it
between alarms when nothing is worse? Counts over the ladder are drawn, not calls; how long these take swings over the day.
"""

import math
from dataclasses import replace

import numpy as np
import pytest
from scipy.special import ndtr

from pipeline.model.alerts import AlertKind
from pipeline.model.contracts import Baseline, Limit, Severity
from pipeline.model.metrics import METRICS
from pipeline.operators.evidence.detector import HOURS
from pipeline.operators.evidence.hypothesis import ENOUGH_A_STRATUM
from pipeline.operators.ladder import EDGES
from pipeline.operators.watch.choices import choice
from pipeline.operators.watch.ladders import Counts
from pipeline.operators.watch.measured_hours import MeasuredHours, usual_of
from pipeline.operators.watch.questions import Question, Told, compared
from tests.shifted import ALPHA, COST_SIGMA, HYPOTHESES, LATENCY_SIGMA, LIMIT, SHIFTS, shifted

KINDS = {"latency p95": ("latency.p95", LATENCY_SIGMA), "latency p99": ("latency.p99", LATENCY_SIGMA)}
KINDS |= {"cost": ("cost_per_call.mean", COST_SIGMA)}
ROUNDED = {"cost": 1.01}
"""Of a mean a value before counts as the upper edge of its bin, one now as the lower: a rise is 1 % less to whoever compares."""
STREAMS, LOOKS_AN_HOUR, CHANGE, AFTER = 40, 10, 12.5, 40
SWING = 0.3
MEDIAN = 1e8
ROUTES = np.zeros(STREAMS, np.intp)


def asked(metric: str, limit: float) -> MeasuredHours:
    of = Limit(METRICS[metric], LIMIT)
    chosen = choice(of)
    assert chosen is not None
    question = Question(
        AlertKind.REGRESSION,
        metric,
        of.metric,
        Severity.PAGE,
        replace(compared(of), limit=limit if chosen.is_mean else 0.0),
        Told.BY_EVIDENCE,
        limit=of,
        baseline=Baseline.SAME_HOURS_BEFORE,
        choice=replace(chosen, limit=limit),
    )
    state = usual_of(question, ALPHA)
    assert isinstance(state, MeasuredHours)
    return state


class Streams:
    """Lognormal values of independent calls."""

    def __init__(self, streams: int, sigma: float, seed: int) -> None:
        self.g, self.streams, self.sigma = np.random.default_rng(seed), streams, sigma

    def counts(self, n: float, hour: float, slower: float = 1.0) -> tuple[np.ndarray, Counts]:
        """About n calls of each, of that hour of the day."""
        wave = math.sin(2 * math.pi * hour / HOURS)
        below = ndtr(np.log(EDGES / (MEDIAN * (1 + SWING * wave) * slower)) / self.sigma)
        shares = np.diff(below, prepend=0.0, append=1.0)
        some = np.flatnonzero(shares > 1e-12)
        calls = self.g.poisson(n, self.streams)
        drawn = self.g.multinomial(calls, shares[some] / shares[some].sum())
        row, at = np.nonzero(drawn)
        return calls.astype(float), Counts(row, some[at].astype(np.uint16), drawn[row, at].astype(float))


def hour_of(state: MeasuredHours, streams: Streams, hour: int, n: float) -> None:
    state.count(hour % HOURS, *streams.counts(n, hour))
    state.close_hour(hour, np.zeros(streams.streams, np.intp))


def found_after(kind: str, shift: float, days: int) -> tuple[float, float]:
    """Median calls from the change to the alarm, over those of a fixed test that knows when it was and what to count; and over
    what is allowed: as `test_evidence_detector.py`.
    """
    metric, sigma = KINDS[kind]
    one, state = shifted(kind, shift, ROUNDED.get(kind, 1.0) * (1 + LIMIT) - 1), asked(metric, LIMIT)
    fixed, needed = one.fixed(days), one.needed(ENOUGH_A_STRATUM)
    hourly = LOOKS_AN_HOUR * np.ceil(max(fixed / 8, 2.4 * needed) / LOOKS_AN_HOUR)
    allowed = 2.5 * fixed if fixed >= needed else hourly / 2 + max(2.5 * fixed, 1.1 * needed)
    streams, told = Streams(STREAMS, sigma, 5), np.full(STREAMS, np.inf)
    state.grow(STREAMS)
    hour = 0
    while np.isnan(state.own.rung).any():
        hour_of(state, streams, hour, hourly)
        hour += 1
    begins = (hour // HOURS + 1 + days) * HOURS
    for at in range(hour, begins):
        hour_of(state, streams, at, hourly)
    for look in range(AFTER * LOOKS_AN_HOUR):
        at, since = begins + look // LOOKS_AN_HOUR, (look + 1) / LOOKS_AN_HOUR - CHANGE
        state.count(at % HOURS, *streams.counts(hourly / LOOKS_AN_HOUR, at, 1 + shift if since > 0 else 1.0))
        if since > 0:
            said = state.look(np.full(STREAMS, float(HYPOTHESES)), ROUTES)
            told[said.raised & np.isinf(told)] = since * hourly
            if np.isfinite(told).mean() > 0.6:
                break
        if (look + 1) % LOOKS_AN_HOUR == 0:
            state.close_hour(at, ROUTES)
    return float(np.median(told)) / fixed, float(np.median(told)) / allowed


def test_a_shift_is_found_nearly_as_soon_as_if_its_time_and_threshold_were_known() -> None:
    wrong = []
    print(f"\nmedian calls to the alarm over those of a test that knows the time; 7 days before\n{'':<12}", end="")
    print("".join(f"{f'+{shift:.0%}':>8}" for shift in SHIFTS))
    for kind in KINDS:
        row = [found_after(kind, shift, 7) for shift in SHIFTS]
        print(f"{kind:<12}" + "".join(f"{found:>7.2f}{'*' if found / of > 2.6 else ' '}" for found, of in row))
        wrong += [f"{kind}: {row}"] if max(of for _, of in row) > 1 else []
    print("* the fixed test takes fewer calls than a stratum needs")
    assert not wrong


@pytest.mark.parametrize("metric", ["latency.p50", "latency.p95", "cost_per_call.mean"])
def test_alarms_at_the_limit_are_twenty_days_apart(metric: str) -> None:
    """A limit of nothing, so that what does not change is on it. One stream, all of alpha."""
    count, last, hourly = 200, 40, 6_000.0
    streams, state = Streams(count, COST_SIGMA if "cost" in metric else LATENCY_SIGMA, 6), asked(metric, 0.0)
    state.grow(count)
    told, routes, begins = np.full(count, np.inf), np.arange(count), 3 * HOURS
    for hour in range(begins + last * HOURS):
        for _ in range(3):
            state.count(hour % HOURS, *streams.counts(hourly / 3, hour))
            if hour >= begins:
                told[state.look(np.ones(count), routes).raised & np.isinf(told)] = (hour - begins) / HOURS
        state.close_hour(hour, routes)
    on_first, apart = (told < 1).mean(), np.minimum(told, last).mean()
    print(f"\n{metric}: alarm on day 1 {on_first:.3f}, in {last} {np.isfinite(told).mean():.2f}, mean {apart:.1f} days")
    assert not np.isnan(state.own.rung).any()
    assert on_first <= ALPHA
    assert apart >= 20
