"""Evidence holds at every look, wherever the limit lies, and comes in time. In full: `tests/quality/test_evidence_*.py`."""

import numpy as np
import pytest

from pipeline.operators.evidence import interval
from pipeline.operators.evidence.deviance import Data
from pipeline.operators.evidence.hypothesis import Hypothesis, Kind
from tests.shifted import alarm, shifted

STREAMS, LOOKS = 1500, 120

LIMITS = (
    Hypothesis(Kind.SHARE, 0.0),
    Hypothesis(Kind.SHARE, 0.02),
    Hypothesis(Kind.SHARE, 0.9),
    Hypothesis(Kind.SHARE, 0.02, floor=True),
    Hypothesis(Kind.SHARE, 0.6, floor=True),
    Hypothesis(Kind.SHARE, 0.02, in_points=True),
    Hypothesis(Kind.SHARE, 0.02, floor=True, in_points=True),
)


def streams(asked: Hypothesis, base: float, base_n: int, most: int) -> Data:
    """Exactly on the limit."""
    g = np.random.default_rng(1)
    mean = base + (-asked.limit if asked.floor else asked.limit) if asked.in_points else base * asked.r
    at = np.unique(np.geomspace(30, most, LOOKS).astype(int))
    s = g.binomial(np.diff(at, prepend=0), mean, (STREAMS, len(at))).cumsum(1).astype(float)
    base_s = g.binomial(base_n, base, (STREAMS, 1)).astype(float)
    n, base_mean = np.broadcast_to(at.astype(float), s.shape), np.broadcast_to(base_s / base_n, s.shape)
    return Data(n, s, np.full(s.shape, float(base_n)), base_mean, (s + base_s) / (n + base_n))


@pytest.mark.parametrize("asked", LIMITS)
def test_on_its_limit_hardly_a_stream_alarms_however_often_one_looks(asked: Hypothesis) -> None:
    told = streams(asked, 0.1, 3000, 100_000)
    one, known = np.ones(told.n.shape), np.full(told.n.shape, np.inf)
    alarms = (asked.log_e(told, one, known) >= np.log(1 / 0.05)).any(1).mean()
    assert alarms <= 0.05
    naive = (asked.found(told, one, known).z > 1.645).any(1).mean()
    assert naive > 0.25, "these streams are no trap"


def test_a_running_interval_holds_the_truth_at_all_looks() -> None:
    told = streams(Hypothesis(Kind.SHARE), 0.1, 3000, 20_000)
    few = Data(*(getattr(told, name)[:200] for name in ("n", "s", "base_n", "base_mean", "usual")))
    one, known = np.ones(few.n.shape), np.full(few.n.shape, np.inf)
    low, high = interval.of_ratio(Kind.SHARE, few, one, known)
    assert ((low <= 1) & (high >= 1)).all(1).mean() >= 0.95
    low, high = interval.of_mean(Kind.SHARE, few.n, few.s, one, known)
    assert ((low <= 0.1) & (high >= 0.1)).all(1).mean() >= 0.95
    assert (high - low)[:, -1].max() < 0.05


@pytest.mark.parametrize(("kind", "shift"), [("rate 3 %", 0.1), ("latency p99", 0.5), ("score", 0.1), ("cost", 0.2)])
def test_an_alarm_takes_at_most_twice_the_calls_of_a_test_with_one_look(kind: str, shift: float) -> None:
    one = shifted(kind, shift)
    fixed = one.fixed(3.0)
    assert alarm(np.random.default_rng(2), one, fixed, round(3 * fixed), 100, 80) <= 2 * fixed
