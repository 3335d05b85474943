"""p95 and mean of calls in sessions against the same hours before, unchanged and exactly on their limit: watch is silent, and
would page if it ignored sessions.
"""

from collections.abc import Iterable
from copy import deepcopy

import numpy as np
import pytest

from pipeline.model.metrics import Family
from pipeline.operators.contracts.reading import read
from pipeline.operators.watch.asked import Asked
from pipeline.operators.watch.contract_watch import ContractWatch
from pipeline.operators.watch.panes_read import Panes
from tests.laws.test_watch_on_the_limit import BOUNDS, CONTRACT, LIMIT, MINUTE_NS, SLICES, WINDOW_MINUTES, WINDOWS, on_the_limit
from tests.laws.test_watch_on_the_limit import sessions as made

WARM_UP, RUNS, SWING = 5, 20, 0.2


def alarms(watch: ContractWatch, day: int, windows: Iterable[Panes]) -> int:
    """How many a day raises."""
    raised = 0
    for window, panes in enumerate(windows):
        start, end = ((day * WINDOWS + at) * WINDOW_MINUTES * MINUTE_NS for at in (window, window + 1))
        raised += sum(change.is_firing for change in watch.fold(Family.CALLS, start, end, panes))
    return raised


def days_with_alarms(metric: str) -> tuple[int, int]:
    """Of RUNS days: unchanged, and each on the limit after days that were not."""
    objective = "  - {metric: error.ratio, at_most: 50%}\n"
    regression = f"regression: {{limit: {LIMIT:.0%}, metrics: [{metric}], baseline: same_hours_before}}\n"
    found = read(CONTRACT + objective + regression, "limit").contract
    assert found is not None
    watch, g = ContractWatch.of(found, 60 * MINUTE_NS, 1000), np.random.default_rng(12)
    per_minute = np.exp(g.uniform(np.log(0.5), np.log(20), SLICES))
    slower = 1 + LIMIT if metric == "latency.p95" else on_the_limit()
    unchanged = limit = 0
    for day in range(WARM_UP + RUNS):
        if day >= WARM_UP:
            limit += alarms(deepcopy(watch), day, made(g, per_minute, slower=slower, swing=SWING)) > 0
        unchanged += alarms(watch, day, made(g, per_minute, swing=SWING)) > 0 and day >= WARM_UP
    return unchanged, limit


@pytest.mark.slow
@pytest.mark.parametrize("metric", BOUNDS)
def test_what_the_limit_allows_does_not_page_and_sessions_are_why(metric: str, monkeypatch: pytest.MonkeyPatch) -> None:
    told = days_with_alarms(metric)
    independent = 1.0 if metric == "latency.p95" else 0.7

    def ignored(self: Asked, routes: np.ndarray, live: bool = False) -> tuple[np.ndarray, np.ndarray]:
        return np.full(len(routes), independent), np.full(len(routes), np.inf)

    monkeypatch.setattr(Asked, "dispersion", ignored)
    naive = days_with_alarms(metric)
    print(
        f"\n{metric}, {RUNS} days: with an alarm {told[0]} unchanged, {told[1]} on the limit; if calls were independent {naive}"
    )
    assert max(told) <= 3
    assert naive[1] >= 12, "these streams are no trap"
