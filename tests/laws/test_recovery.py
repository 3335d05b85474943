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

CELLS, HOUR_NS, HEALTHY = 10, 3600 * 10**9, 0.02
MANY, FEW = 6000.0, 60.0
"""Calls an hour. Of the few a day and more must come together to say that as many as before fail again."""
BEFORE, LASTS, AFTER = 4 * HOURS, 5 * HOURS, 2 * HOURS
"""Hours: usual ones, unchanged worse ones (of a week what is worse would be usual), and usual ones again."""
ROUTES = np.zeros(CELLS, np.intp)
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


def errors(g: np.random.Generator, calls: float, times: float) -> Counted:
    n = g.poisson(calls, CELLS).astype(np.float64)
    return Counted(n, g.binomial(n.astype(int), HEALTHY * times).astype(np.float64), n)


def objective(calls: float) -> tuple[State, Feed]:
    state, g = watched("previous_release").judged[0], np.random.default_rng(2)
    return state, lambda hour, times: state.add(hour * HOUR_NS, errors(g, calls, times))


def release_before(calls: float) -> tuple[State, Feed]:
    state, g = watched("previous_release").compared[0], np.random.default_rng(2)

    def feed(hour: int, times: float) -> None:
        if hour == BEFORE:
            state.begins(np.ones(CELLS, np.bool_))
        state.add(hour % HOURS, errors(g, calls, times))

    return state, feed


def same_hours(calls: float) -> tuple[State, Feed]:
    state, g = watched("same_hours_before").usual[0], np.random.default_rng(2)
    return state, lambda hour, times: state.add(hour % HOURS, errors(g, calls, times))


def measured_hours(calls: float) -> tuple[State, Feed]:
    state, streams = asked("latency.p95", 0.1), Streams(CELLS, 0.5, 1)
    return state, lambda hour, times: state.count(hour % HOURS, *streams.counts(calls, hour, times))


STATES: dict[Callable[[float], tuple[State, Feed]], tuple[float, ...]] = {
    objective: (1.2, 2.0, 5.0, 10.0, 45.0),
    release_before: (1.2, 2.0, 5.0, 10.0, 45.0),
    same_hours: (1.2, 2.0, 5.0, 10.0, 45.0),
    measured_hours: (1.2, 1.5, 2.0, 3.0, 45.0),
}


@pytest.mark.parametrize(("of", "times"), [(of, times) for of, many in STATES.items() for times in many])
def test_an_alarm_holds_as_long_as_its_excess_and_no_longer(of: Callable[[float], tuple[State, Feed]], times: float) -> None:
    over = ends(*of(MANY), times, AFTER, 1)
    print(f"\n{of.__name__} {times}: over after hours {[one[0] for one in over if one]}")
    assert all(len(ends) == 1 and 0 <= ends[0] < (AFTER if times < 1.5 else 12) for ends in over), over


@pytest.mark.parametrize(("of", "times"), [(objective, 5.0), (release_before, 10.0), (same_hours, 10.0)])
def test_of_a_slice_with_few_calls_too(of: Callable[[float], tuple[State, Feed]], times: float) -> None:
    over = ends(*of(FEW), times, 5 * AFTER, 1000)
    print(f"\n{of.__name__} {times}: over after hours {[one[0] for one in over if one]}")
    assert all(len(ends) == 1 and 0 <= ends[0] < 5 * AFTER for ends in over), over


@pytest.mark.parametrize("of", [objective, release_before])
def test_that_nothing_comes_is_no_evidence_that_it_is_over(of: Callable[[float], tuple[State, Feed]]) -> None:
    state, feed = of(MANY)
    assert (
        ends(state, lambda hour, times: feed(hour, times) if hour < BEFORE + LASTS else None, 5.0, 60 * HOURS, 1) == [[]] * CELLS
    )
    assert state.alarms.firing.all()


def ends(state: State, feed: Feed, times: float, after: int, hypotheses: int) -> list[list[int]]:
    """Of each cell the hours since its excess was gone in which an alarm of it ended; each is raised once."""
    asked = np.full(CELLS, float(hypotheses))
    state.grow(CELLS)
    raised, over = np.zeros(CELLS, int), [list[int]() for _ in range(CELLS)]
    for hour in range(BEFORE + LASTS + after):
        feed(hour, times if BEFORE <= hour < BEFORE + LASTS else 1.0)
        look = state.look(asked, ROUTES) if isinstance(state, Compared | SameHours) else state.look(hour * HOUR_NS, asked, ROUTES)
        state.latch(look, state.excess(look), state.excess(look.as_evidence()), (hour + 1) * HOUR_NS)
        raised += look.raised
        ended = state.close_hour(hour, ROUTES)
        state.alarms.forget(ended)
        for row in np.flatnonzero(ended):
            over[row].append(hour - BEFORE - LASTS)
    assert (raised == 1).all(), (raised, over)
    return over
