"""Far out in its tail, does an e-value keep its promise for the slices that strain it most?

A page of a large contract needs an e-value of tens of thousands, reached by few calls in long sessions: one session whose calls
are all slow, in the first hour of a day. P(it is ever c or more) may be 1/c. `TAILRACE_RUNS` says of how many days.
"""

import os

import numpy as np

from pipeline.operators.evidence import bets
from pipeline.operators.evidence.dispersion import Dispersion, dispersion
from pipeline.operators.evidence.hypothesis import Hypothesis, Kind
from pipeline.operators.evidence.release import Baseline, Release
from tests.calls_in_sessions import Days, Slices, some
from tests.false_alarms import INDEPENDENT, METRICS, hourly

SLICES, DAYS, WARM_UP, EVERY, SEED = 1000, int(os.environ.get("TAILRACE_RUNS", "6")), 3, 10, 3
LINES = np.array([20.0, 200.0, 2000.0, 20_000.0])


def few_calls_in_long_sessions() -> Slices:
    """0.2 to 3 calls a minute, 4 or 8 a session."""
    g, usual = np.random.default_rng(SEED), some(SLICES, SEED)
    per_minute = np.exp(g.uniform(np.log(0.2), np.log(3), SLICES))
    return Slices(per_minute, g.choice((4.0, 8.0), SLICES), usual.errors, usual.refusals)


def highest(asked: Hypothesis, new, base: Baseline, known: tuple) -> np.ndarray:
    """The largest logarithm of a day, of every slice. new: (slices, looks, how many and their sum)."""
    release, top = Release.empty(SLICES), np.zeros(SLICES)
    for look in range(new.shape[1]):
        release.add(look * EVERY // 60, new[:, look, 0], new[:, look, 1])
        data = release.data(base)
        told = bets.log_e(asked.found(data, *known), asked.bets)
        top = np.maximum(top, np.where(asked.may_speak(data, known[0]), told, 0.0))
    return top


def test_large_evidence_is_as_rare_as_it_says() -> None:
    days, group, before = Days(few_calls_in_long_sessions(), 1000 * SEED), np.zeros(SLICES, np.intp), None
    seen = {name: Dispersion.empty(SLICES) for name, *_ in METRICS}
    tops: dict[tuple[str, bool], list] = {(name, known): [] for name, *_ in METRICS for known in (True, False)}
    for day in range(WARM_UP + DAYS):
        now = days.next()
        for name, kind, n, base, _, _ in METRICS:
            if day >= WARM_UP:
                assert before is not None
                known = dispersion(seen[name], group, 1.0 if kind is Kind.SHARE else 0.0)
                alone = np.full(SLICES, INDEPENDENT[kind]), np.full(SLICES, np.inf)
                hours = Baseline(hourly(before[:, :, n]), hourly(before[:, :, base]))
                new = now[:, :, [n, base]].reshape(SLICES, -1, EVERY, 2).sum(2)
                for is_known, scatter in ((True, known), (False, alone)):
                    tops[name, is_known].append(highest(Hypothesis(kind), new, hours, scatter))
            for hour in range(24):
                minutes = slice(60 * hour, 60 * hour + 60)
                seen[name].add(now[:, minutes, n].sum(1), now[:, minutes, base].sum(1))
                seen[name].close_hour(kind is Kind.SIZE)
            seen[name].close_day()
        before = now
    print(f"\n{SLICES * DAYS} days of slices: how often e >= c, times c\n{'':<14}", end="")
    print("".join(f"{line:>10.0f}" for line in LINES) + "   sessions ignored")
    for name, *_ in METRICS:
        shares = {
            known: np.array([(np.concatenate(tops[name, known]) >= np.log(line)).mean() for line in LINES])
            for known in (True, False)
        }
        print(
            f"{name:<14}"
            + "".join(f"{x:>10.2f}" for x in shares[True] * LINES)
            + "".join(f"{x:>9.2f}" for x in shares[False] * LINES)
        )
        assert (shares[True] <= 1 / LINES + 3 * np.sqrt(1 / LINES / (SLICES * DAYS))).all()
    assert (np.concatenate(tops["refusal", False]) >= np.log(LINES[-1])).mean() * LINES[-1] > 3, "these streams are no trap"
