"""The list of what is likely worse, looked at every hour: of slices that lie exactly on their bound, calls in sessions, it is
empty but for a few looks; with sessions ignored it is not. Of those that are worse it names more than are paged.
"""

import numpy as np
import pytest

from pipeline.model.metrics import Family
from pipeline.operators.contracts.reading import read
from pipeline.operators.watch.asked import Asked
from pipeline.operators.watch.contract_watch import ContractWatch
from pipeline.operators.watch.likely import likely
from pipeline.operators.watch.panes_read import NUMBERS, Panes

SLICES, DAYS, WARM_UP, BOUND, CALLS_A_SESSION = 60, 20, 3, 0.04, 8
HOUR_NS = 3600 * 10**9

CONTRACT = """
name: limit
version: 1
owner: us
environment: prod
routes: chat
slices: [cohort]
objectives:
  - {metric: error.ratio, at_most: 4%, window: 1h}
"""


def lists(factor: float, worse: int) -> tuple[list[int], list[int]]:
    """How many slices stand on the list at each look after the first days, and how many are firing. Half of the sessions that
    fail fail whole; the first `worse` cohorts fail so many times as often as the bound allows, the others as often.
    """
    found = read(CONTRACT, "limit").contract
    assert found is not None
    watch, g = ContractWatch.of(found, HOUR_NS, 1000), np.random.default_rng(7)
    series = tuple(("prod", "chat", "m", "1", f"cohort{i}", "en") for i in range(SLICES))
    per_hour = np.exp(g.uniform(np.log(4), np.log(400), SLICES))
    rate = np.where(np.arange(SLICES) < worse, factor * BOUND, BOUND)
    on_list, firing = [], []
    for hour in range(24 * (WARM_UP + DAYS)):
        sessions = g.poisson(per_hour / CALLS_A_SESSION)
        whole = g.binomial(sessions, rate / 2)
        single = g.binomial((sessions - whole) * CALLS_A_SESSION, rate / 2 / (1 - rate / 2))
        numbers = {name: np.zeros(SLICES) for name in NUMBERS[Family.CALLS]}
        numbers |= {"requests": sessions * float(CALLS_A_SESSION), "errors": whole * float(CALLS_A_SESSION) + single}
        start = hour * HOUR_NS
        for _ in watch.fold(Family.CALLS, start, start + HOUR_NS, Panes(series, ("spans:0:e",) * SLICES, numbers, {})):
            pass
        if hour >= 24 * WARM_UP:
            looks = list(watch.looks({Family.CALLS: start}))
            on_list.append(int(sum(one[1:].sum() for one in likely(watch, looks))))
            firing.append(int((watch.judged[0].alarms.firing[1:] > 0).sum()))
    return on_list, firing


@pytest.mark.slow
def test_what_lies_on_its_bound_is_hardly_ever_on_the_list_and_sessions_are_why(monkeypatch: pytest.MonkeyPatch) -> None:
    named = np.mean(np.array(lists(1.0, 0)[0]) > 0)

    def ignored(self: Asked, routes: np.ndarray, live: bool = False) -> tuple[np.ndarray, np.ndarray]:
        return np.ones(len(routes)), np.full(len(routes), np.inf)

    monkeypatch.setattr(Asked, "dispersion", ignored)
    fooled = np.mean(np.array(lists(1.0, 0)[0]) > 0)
    print(f"\nlooks with a list that is not empty: {named:.3f}, with sessions ignored {fooled:.3f}")
    assert named <= 0.05 < fooled


@pytest.mark.slow
def test_of_what_is_worse_a_list_names_more_than_are_paged() -> None:
    on_list, firing = (np.array(one) for one in lists(1.6, 20))
    print(f"\nof 20 worse slices on the list, mean over looks: {on_list.mean():.1f}, firing {firing.mean():.1f}")
    assert (on_list > firing).sum() > (on_list < firing).sum()
