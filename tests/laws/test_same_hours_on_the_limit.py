"""Slices held against the same hours before, unchanged and exactly on their limit: watch is silent, and would page if it ignored
sessions.
"""

from copy import deepcopy

import numpy as np
import pytest

from pipeline.model.metrics import Family
from pipeline.operators.contracts.reading import read
from pipeline.operators.watch.asked import Asked
from pipeline.operators.watch.contract_watch import ContractWatch
from pipeline.operators.watch.panes_read import NUMBERS, Panes
from tests import calls_in_sessions as calls
from tests.calls_in_sessions import Days, some

SLICES, WARM_UP, RUNS, WINDOW_MINUTES, LIMIT = 100, 3, 20, 10, 0.02
MINUTE_NS = 60 * 10**9
WINDOWS = calls.MINUTES // WINDOW_MINUTES

CONTRACT = f"""
name: limit
version: 1
owner: us
environment: prod
routes: chat
slices: [cohort]
regression: {{baseline: same_hours_before, metrics: [error.ratio, refusal.ratio], limit: {LIMIT:.0%}}}
objectives:
  - {{metric: error.ratio, at_most: 90%, severity: info}}
"""
SERIES = tuple(("prod", "chat", "m", "1", f"cohort{i}", "en") for i in range(SLICES))


def alarms(watch: ContractWatch, day: int, sums: np.ndarray) -> int:
    """How many a day raises. sums: (slices, minutes, columns)."""
    raised = 0
    for window in range(WINDOWS):
        minutes = slice(window * WINDOW_MINUTES, (window + 1) * WINDOW_MINUTES)
        found = sums[:, minutes].sum(1)
        numbers = {name: np.zeros(SLICES) for name in NUMBERS[Family.CALLS]}
        numbers |= {"requests": found[:, calls.CALLS], "refusal_checked": found[:, calls.CALLS]}
        numbers |= {"errors": found[:, calls.ERRORS], "refusals": found[:, calls.REFUSALS]}
        panes = Panes(SERIES, ("spans:0:e",) * SLICES, numbers, {})
        start, end = ((day * WINDOWS + at) * WINDOW_MINUTES * MINUTE_NS for at in (window, window + 1))
        raised += sum(change.is_firing for change in watch.fold(Family.CALLS, start, end, panes))
    return raised


def worse_by_the_limit(g: np.random.Generator, sums: np.ndarray) -> np.ndarray:
    """So many more of what is bad as the limit allows, in the mean."""
    sums = sums.copy()
    for column in (calls.ERRORS, calls.REFUSALS):
        sums[:, :, column] += g.binomial(sums[:, :, column].astype(np.int64), LIMIT)
    return sums


def days_with_alarms() -> tuple[int, int]:
    """Of RUNS days: unchanged, and each on the limit after days that were not."""
    found = read(CONTRACT, "limit").contract
    assert found is not None
    days, g = Days(some(SLICES, 3), 17), np.random.default_rng(4)
    watch = ContractWatch.of(found, 60 * MINUTE_NS, 1000)
    unchanged = limit = 0
    for day in range(WARM_UP + RUNS):
        sums = days.next()
        if day >= WARM_UP:
            limit += alarms(deepcopy(watch), day, worse_by_the_limit(g, sums)) > 0
        unchanged += alarms(watch, day, sums) > 0 and day >= WARM_UP
    return unchanged, limit


@pytest.mark.slow
def test_what_the_limit_allows_does_not_page_and_sessions_are_why(monkeypatch: pytest.MonkeyPatch) -> None:
    unchanged, limit = days_with_alarms()

    def ignored(self: Asked, routes: np.ndarray, live: bool = False) -> tuple[np.ndarray, np.ndarray]:
        return np.ones(len(routes)), np.full(len(routes), np.inf)

    monkeypatch.setattr(Asked, "dispersion", ignored)
    naive = days_with_alarms()
    print(
        f"\n{RUNS} days: with an alarm {unchanged} unchanged, {limit} on the limit; if calls were taken for independent {naive}"
    )
    assert max(unchanged, limit) <= 3
    assert naive[1] >= 12, "these streams are no trap"
