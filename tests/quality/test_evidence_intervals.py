"""Whenever a running interval of 95 % speaks, does it hold the truth, at all looks together? Calls come in sessions."""

from dataclasses import replace

import numpy as np

from pipeline.operators.evidence import interval
from pipeline.operators.evidence.dispersion import Dispersion, dispersion
from pipeline.operators.evidence.hypothesis import ENOUGH, Hypothesis, Kind
from pipeline.operators.evidence.release import Baseline, Release
from tests import calls_in_sessions as calls
from tests.calls_in_sessions import Days, some
from tests.shifted import capped

SLICES, BEFORE, DAYS, EVERY = 500, 3, 2, 30
ENOUGH_TO_SHOW = ENOUGH[Kind.SHARE]
"""1 / squared relative standard error; deep e-values of sizes and scores need more, intervals of 95 % do not."""
METRICS = (
    ("error 0.1 %", Kind.SHARE, calls.CALLS, calls.ERRORS),
    ("refusal", Kind.SHARE, calls.CALLS, calls.REFUSALS),
    ("latency p95", Kind.SHARE, calls.CALLS, calls.SLOW),
    ("cost", Kind.SIZE, calls.CALLS, calls.COST),
    ("fault", Kind.SCORE, calls.SCORES, calls.FAULTS),
)


def fault() -> float:
    """Mean of 1 - score."""
    x = np.linspace(-8, 8, 4001)
    w = np.exp(-x * x / 2)
    return float((w / (1 + np.exp(1.5 + 1.2 * x))).sum() / w.sum())


def test_intervals_hold_the_truth_at_all_looks() -> None:
    slices = replace(some(SLICES, 5), errors=np.full(SLICES, 0.001))
    truth = {
        "error 0.1 %": slices.errors,
        "refusal": slices.refusals,
        "latency p95": 0.05,
        "cost": capped(0.0)[0],
        "fault": fault(),
    }
    days, group = Days(slices, 500, swing=0.0), np.zeros(SLICES, np.intp)
    seen = {name: Dispersion.empty(SLICES) for name, *_ in METRICS}
    new = {name: Release.empty(SLICES) for name, *_ in METRICS}
    base: dict[str, Baseline] = {}
    held = {(name, what): np.ones(SLICES, bool) for name, *_ in METRICS for what in ("mean", "ratio", "alone")}
    spoke = {name: np.zeros(SLICES, bool) for name, *_ in METRICS}
    for day in range(BEFORE + DAYS):
        now = days.next()
        for name, kind, n, s in METRICS:
            least, every = (1.0 if kind is Kind.SHARE else 0.0), now.reshape(SLICES, -1, EVERY, 8).sum(2)
            known = dispersion(seen[name], group, least)
            plain = np.ones(SLICES) * (1.9 if kind is Kind.SIZE else 0.19 if kind is Kind.SCORE else 1.0), np.full(SLICES, np.inf)
            asked = Hypothesis(kind)
            for look in range(every.shape[1] if day >= BEFORE else 0):
                new[name].add(look * EVERY // 60, every[:, look, n], every[:, look, s])
                data = new[name].data(base[name])
                speaks = asked.may_speak(data, known[0], ENOUGH_TO_SHOW)
                spoke[name] |= speaks
                found = {
                    "mean": (truth[name], interval.of_mean(kind, data.n, data.s, *known)),
                    "ratio": (1.0, interval.of_ratio(kind, data, *known)),
                    "alone": (truth[name], interval.of_mean(kind, data.n, data.s, *plain)),
                }
                for what, (true, (low, high)) in found.items():
                    held[name, what] &= ~speaks | ((low <= true) & (true <= high))
            for hour in range(24):
                minutes = slice(60 * hour, 60 * hour + 60)
                seen[name].add(now[:, minutes, n].sum(1), now[:, minutes, s].sum(1))
                seen[name].close_hour(kind is Kind.SIZE)
            seen[name].close_day()
            if day == BEFORE - 1:
                hours = now.reshape(SLICES, 24, 60, 8).sum(2)
                base[name] = Baseline(hours[:, :, n], hours[:, :, s])
    print(f"\nshare of streams whose interval holds the truth at all looks of {DAYS} days\n{'':<14}{'spoke':>7}", end="")
    print(f"{'mean':>8}{'ratio':>8}{'sessions ignored':>18}")
    for name, *_ in METRICS:
        of = spoke[name]
        mean, ratio, alone = (held[name, what][of].mean() for what in ("mean", "ratio", "alone"))
        print(f"{name:<14}{of.mean():>7.2f}{mean:>8.3f}{ratio:>8.3f}{alone:>18.3f}")
    for name, *_ in METRICS:
        assert spoke[name].mean() > 0.15
        assert held[name, "mean"][spoke[name]].mean() >= 0.95
        assert held[name, "ratio"][spoke[name]].mean() >= 0.95
    assert held["refusal", "alone"][spoke["refusal"]].mean() < 0.9, "these streams are no trap"
