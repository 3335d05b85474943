"""An alarm holds while its excess is unchanged, however large, and is over within hours once the excess is gone: of every state
whose alarms evidence ends.
"""

from collections.abc import Callable

import numpy as np
import pytest

from pipeline.operators.contracts.reading import read
from pipeline.operators.evidence.detector import HOURS
from pipeline.operators.watch.compared import Compared
from pipeline.operators.watch.contract_watch import ContractWatch, State
from pipeline.operators.watch.questions import Counted
from pipeline.operators.watch.same_hours import SameHours
from tests.quality.test_measured_hours import Streams, asked

CELLS, HOUR_NS, CALLS, HEALTHY = 10, 3600 * 10**9, 6000.0, 0.02
BEFORE, LASTS, AFTER = 4 * HOURS, 5 * HOURS, 2 * HOURS
"""Hours: usual ones, unchanged worse ones (of a week what is worse would be usual), and usual ones again."""
ROUTES, ONE = np.zeros(CELLS, np.intp), np.ones(CELLS)
Feed = Callable[[int, float], None]

CONTRACT = """
name: errors
version: 1
owner: us
environment: prod
routes: chat
objectives:
  - {metric: error.ratio, at_most: 2%, window: 15m}
regression:
"""


def watched(baseline: str) -> ContractWatch:
    found = read(f"{CONTRACT}  {{metrics: [error.ratio], baseline: {baseline}}}\n", "errors").contract
    assert found is not None
    return ContractWatch.of(found, HOUR_NS, CELLS)


def errors(g: np.random.Generator, times: float) -> Counted:
    n = g.poisson(CALLS, CELLS).astype(np.float64)
    return Counted(n, g.binomial(n.astype(int), HEALTHY * times).astype(np.float64), n)


def objective() -> tuple[State, Feed]:
    state, g = watched("previous_release").judged[0], np.random.default_rng(2)
    return state, lambda hour, times: state.add(hour * HOUR_NS, errors(g, times))


def release_before() -> tuple[State, Feed]:
    state, g = watched("previous_release").compared[0], np.random.default_rng(2)

    def feed(hour: int, times: float) -> None:
        if hour == BEFORE:
            state.begins(np.ones(CELLS, np.bool_))
        state.add(hour % HOURS, errors(g, times))

    return state, feed


def same_hours() -> tuple[State, Feed]:
    state, g = watched("same_hours_before").usual[0], np.random.default_rng(2)
    return state, lambda hour, times: state.add(hour % HOURS, errors(g, times))


def measured_hours() -> tuple[State, Feed]:
    state, streams = asked("latency.p95", 0.1), Streams(CELLS, 0.5, 1)
    return state, lambda hour, times: state.count(hour % HOURS, *streams.counts(CALLS, hour, times))


STATES = {
    objective: (1.2, 2.0, 5.0, 10.0, 45.0),
    release_before: (1.2, 2.0, 5.0, 10.0, 45.0),
    same_hours: (1.2, 2.0, 5.0, 10.0, 45.0),
    measured_hours: (1.2, 1.5, 2.0, 3.0, 45.0),
}


@pytest.mark.parametrize(("of", "times"), [(of, times) for of, many in STATES.items() for times in many])
def test_an_alarm_holds_as_long_as_its_excess_and_no_longer(of: Callable[[], tuple[State, Feed]], times: float) -> None:
    state, feed = of()
    state.grow(CELLS)
    raised, over = np.zeros(CELLS, int), [list[int]() for _ in range(CELLS)]
    for hour in range(BEFORE + LASTS + AFTER):
        feed(hour, times if BEFORE <= hour < BEFORE + LASTS else 1.0)
        look = state.look(ONE, ROUTES) if isinstance(state, Compared | SameHours) else state.look(hour * HOUR_NS, ONE, ROUTES)
        state.latch(look, state.excess(look), state.excess(look.as_evidence()), (hour + 1) * HOUR_NS)
        raised += look.raised
        ended = state.close_hour(hour, ROUTES)
        state.alarms.forget(ended)
        for row in np.flatnonzero(ended):
            over[row].append(hour - BEFORE - LASTS)
    print(f"\n{of.__name__} {times}: raised {raised} over after hours {[one[0] for one in over if one]}")
    assert (raised == 1).all()
    assert all(len(ends) == 1 and 0 <= ends[0] < (AFTER if times < 1.5 else 12) for ends in over), over
