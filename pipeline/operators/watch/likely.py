"""Which slices a list may name at one look, over all that a contract asks of a route.

A page holds for ever and over every look, so it takes e >= K / alpha. A list is of this look alone: at most the contract's rate
of false discoveries is expected to be wrong of what stands on it, however slices overlap, and what stands on it may be gone at
the next look. So it names slices a page cannot name yet, small cohorts first of all.

What a release showed is an e-value, so of comparisons with the release before the rate is proven. What objectives and the same
hours showed begins anew with every stratum (`evidence/detector.py`): as often as a day is long its sum is divided, which bounds
its expectation for a day, so of these the rate is as the simulation has it (`tests/laws/test_likely.py`).

Source: Wang and Ramdas, JRSS B 84 (2022) (e-BH); why a list is not kept: Tavyrikov, Goeman and de Heide (2025).
"""

from collections.abc import Sequence

import numpy as np

from pipeline.model.alerts import AlertKind
from pipeline.model.contracts import FALSE_DISCOVERY_RATE
from pipeline.operators.evidence import bets
from pipeline.operators.watch.asked import Look, Mask
from pipeline.operators.watch.contract_watch import ContractWatch, State
from pipeline.operators.watch.questions import Told


def likely(watch: ContractWatch, looks: Sequence[tuple[State, Look]]) -> list[Mask]:
    """Of each question of a look the slices that stand on its list."""
    routes, regression = watch.slices.routes, watch.contract.regression
    rate = regression.false_discovery_rate if regression else FALSE_DISCOVERY_RATE
    evidence = np.array([look.log_e if _is_evidence(asked) else np.full(len(routes), -np.inf) for asked, look in looks])
    found, hypotheses = np.zeros((len(looks), len(routes)), np.bool_), watch.hypotheses()
    for route in np.unique(routes):
        cells = routes == route
        found[:, cells] = bets.listed(evidence[:, cells].ravel(), int(hypotheses[cells][0]), rate).reshape(len(looks), -1)
    return list(found)


def _is_evidence(asked: State) -> bool:
    return asked.question.told is Told.BY_EVIDENCE and asked.question.kind is not AlertKind.BURN_RATE
