"""Slices with so few calls that a day of them says nothing: what breaks there is told within days, and noise is not.

Errors come in sessions. Strata go on until they say something, and nothing is left out because of what it says: on the bound
alarms stay as rare as promised, with as few as 30 calls a day.
"""

import numpy as np
import pytest

from pipeline.operators.contracts.reading import read
from pipeline.operators.evidence.detector import HOURS
from pipeline.operators.evidence.deviance import Floats
from pipeline.operators.watch.contract_watch import ContractWatch, State
from pipeline.operators.watch.judged import Judged
from pipeline.operators.watch.questions import Counted
from pipeline.operators.watch.same_hours import SameHours

CELLS, HOUR_NS, CALLS_A_SESSION, LIKENESS = 100, 3600 * 10**9, 3.0, 0.3
WARM_UP, RUN, FOUND_WITHIN = 10, 25, 15
"""Days: of usual ones, of those on the bound, and of worse ones."""

CONTRACT = """
name: small
version: 1
owner: us
environment: prod
routes: chat
objectives:
  - {{metric: error.ratio, at_most: {bound:g}%, window: 15m}}
regression: {{metrics: [error.ratio], baseline: same_hours_before}}
"""


class Sessions:
    """Calls of a session fail together more often than others do; traffic swings by 70 %."""

    def __init__(self, per_day: float) -> None:
        self.per_day, self.g = per_day, np.random.default_rng(5)

    def hour(self, hour: int, share: float) -> Counted:
        wave = 1 + 0.7 * np.sin(2 * np.pi * hour / HOURS)
        sessions = self.g.poisson(self.per_day / HOURS * wave / CALLS_A_SESSION, CELLS)
        of = np.repeat(np.arange(CELLS), sessions)
        calls = self.g.geometric(1 / CALLS_A_SESSION, len(of))
        chance = self.g.beta(share * (1 / LIKENESS - 1), (1 - share) * (1 / LIKENESS - 1), len(of)) if share < 1 else 1.0
        n, bad = (np.bincount(of, one, CELLS).astype(np.float64) for one in (calls, self.g.binomial(calls, chance)))
        return Counted(n, bad, n)


def alarmed_after(kind: type[State], bound: float, per_day: float, before: float, then: float, days: int) -> Floats:
    """Days from when the share changed to the first alarm of each slice, inf without one. bound: in percent."""
    found = read(CONTRACT.format(bound=bound), "small").contract
    assert found is not None
    watch, sessions = ContractWatch.of(found, HOUR_NS, CELLS), Sessions(per_day)
    state = next(one for one in (*watch.judged, *watch.usual) if isinstance(one, kind))
    state.grow(CELLS)
    routes, asked, after = np.zeros(CELLS, np.intp), np.ones(CELLS), np.full(CELLS, np.inf)
    for hour in range(-WARM_UP * HOURS, days * HOURS):
        counted, since_1970 = sessions.hour(hour, then if hour >= 0 else before), hour + WARM_UP * HOURS
        if isinstance(state, SameHours):
            state.add(hour % HOURS, counted)
            look = state.look(asked, routes)
        else:
            state.add(since_1970 * HOUR_NS, counted)
            look = state.look(since_1970 * HOUR_NS, asked, routes)
        after[look.raised & np.isinf(after) & (hour >= 0)] = (hour + 1) / HOURS
        state.close_hour(since_1970, routes)
    return after


CASES = [(1.0, 100), (5.0, 30), (5.0, 500), (20.0, 30)]
"""Percent, and calls a day."""


@pytest.mark.parametrize(("kind", "bound", "per_day"), [*((Judged, *case) for case in CASES), (SameHours, 5.0, 300)])
def test_what_lies_on_its_bound_stays_silent(kind: type[State], bound: float, per_day: float) -> None:
    usual = bound / 400 if kind is Judged else bound / 102  # a release may be worse by 2 %
    after = alarmed_after(kind, bound, per_day, usual, bound / 100, RUN)
    print(f"\n{kind.__name__}, {bound} %, {per_day} a day: day 1 {(after <= 1).mean():.3f}, {np.minimum(after, RUN).mean():.1f}")
    assert (after <= 1).mean() <= 0.05
    assert np.minimum(after, RUN).mean() >= 20


@pytest.mark.parametrize(
    ("kind", "bound", "per_day", "then", "within"),
    [(Judged, 1.0, 100, 0.5, 4), (Judged, 5.0, 30, 1.0, 3), (Judged, 5.0, 500, 0.25, 1), (SameHours, 5.0, 300, 0.5, 3)],
)
def test_what_breaks_there_is_told(kind: type[State], bound: float, per_day: float, then: float, within: float) -> None:
    after = alarmed_after(kind, bound, per_day, bound / 400 if kind is Judged else bound / 100, then, FOUND_WITHIN)
    told = f"told after {np.median(after):.2f} days, {after.max():.2f} at most"
    print(f"\n{kind.__name__}, {bound} %, {per_day} a day, {then:.0%} fail: {told}")
    assert np.median(after) <= within


def test_what_is_older_than_a_week_is_no_baseline() -> None:
    """Many calls for ten days, hardly any for two months of another share, and then many of that one: nothing changed lately."""
    found = read(CONTRACT.format(bound=90), "small").contract
    assert found is not None
    state, sessions = ContractWatch.of(found, HOUR_NS, CELLS).usual[0], Sessions(2000)
    state.grow(CELLS)
    routes, asked = np.zeros(CELLS, np.intp), np.ones(CELLS)
    for hour in range(75 * HOURS):
        few = 10 * HOURS <= hour < 70 * HOURS
        sessions.per_day = 3 if few else 2000
        state.add(hour % HOURS, sessions.hour(hour, 0.05 if hour < 10 * HOURS else 0.1))
        assert not (state.look(asked, routes).raised & (hour >= 70 * HOURS)).sum() > 0.1 * CELLS
        state.close_hour(hour, routes)
