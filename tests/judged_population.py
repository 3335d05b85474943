"""A population of traces with known truth, judged again and again through the real parts: the hash that chooses, the shares that
follow traffic, the fold of scores, the estimates.

Cohorts differ a hundredfold in size, traffic and quality change over time and with them the shares in force, a fifth of the
traces has no control and is worse. Every repetition draws another sample of the same traces, by another key of the hash.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.model.columns import Firing
from pipeline.model.log_time import WindowPolicy
from pipeline.model.score_columns import SCORE_COUNTS, SCORE_SQUARES, SCORE_SUMS
from pipeline.model.scores import ScoreStatus
from pipeline.operators.estimates import Sums, added, fail_ratio, mean, steadied
from pipeline.operators.rates import Rates
from pipeline.operators.sampling import is_in, randomness, sampling_key
from pipeline.operators.score_columns import SCORE_FAMILY, ScoreBlock, measured
from pipeline.operators.window import Window
from tests.scores import PLAIN

CEILING, RATE = 0.2, 0.02
FLOOR = 10.0
"""Traces a slice has judged in a period, if there are so many."""

CONTROL, JUDGE = "groundedness_lexical", "judge"
Floats = NDArray[np.float64]

NOTHING: Sums = dict.fromkeys((*SCORE_COUNTS, *SCORE_SUMS, *SCORE_SQUARES), 0)


@dataclass(frozen=True)
class Cohort:
    """size: traces in a period in the mean. quality: mean of the judge's values. share: another configured one."""

    name: str
    size: int
    quality: float
    share: float = RATE


COHORTS = (Cohort("free", 3000, 0.9), Cohort("pro", 400, 0.8), Cohort("trial", 100, 0.6), Cohort("enterprise", 30, 0.97))


@dataclass(frozen=True)
class Traces:
    """The traces of one cohort and period. y: what the judge says; x: the control, nan without one."""

    cohort: Cohort
    ids: NDArray[np.uint8]
    y: Floats
    x: Floats


def population(rng: np.random.Generator, cohorts: Sequence[Cohort] = COHORTS, periods: int = 6) -> list[list[Traces]]:
    """By period the traces of each cohort."""
    return [[_traces(rng, cohort, p / periods) for cohort in cohorts] for p in range(periods)]


def _traces(rng: np.random.Generator, cohort: Cohort, when: float) -> Traces:
    n = round(cohort.size * (0.5 + when))
    bad = rng.random(n) < (1 - cohort.quality) * (0.5 + when)
    x = np.clip(np.where(bad, 0.3, 0.85) + rng.normal(0, 0.12, n), 0, 1)
    y = np.round(np.clip(np.where(bad, 0.1, 1.0) + 0.4 * (x - 0.85), 0, 1) * 4) / 4
    lacking = rng.random(n) < np.where(bad, 0.4, 0.15)
    ids = rng.integers(0, 256, (n, 16), np.uint8)
    return Traces(cohort, ids, y, np.where(lacking, np.nan, x))


@dataclass
class Found:
    """What one repetition says: by cohort, and of all under `all`. judged: how many were, by cohort and period."""

    panes: dict[str, list[Sums]] = field(default_factory=dict)
    controls: dict[str, list[Sums]] = field(default_factory=dict)
    judged: dict[str, list[int]] = field(default_factory=dict)
    plain: dict[str, float] = field(default_factory=dict)


def repetition(traces: Sequence[Sequence[Traces]], secret: str, shares: dict[str, float] | None = None) -> Found:
    """Judge a sample of the population. shares: other configured shares, by cohort."""
    key, rates, found = sampling_key(secret), Rates(FLOOR), Found()
    raw: dict[str, list[Floats]] = {}
    for number, period in enumerate(traces):
        rates.roll(number, CEILING)
        for one in period:
            name, slice_ = one.cohort.name, ("prod", "chat", one.cohort.name)
            random = randomness(one.ids, key)
            sampled = is_in(random, CEILING)
            share = rates.share(slice_, (shares or {}).get(name, one.cohort.share), CEILING)
            judged = is_in(random, share)
            if n := int(sampled.sum()):
                rates.counts[slice_] = n
            rows = _block(one, sampled & ~np.isnan(one.x), CONTROL, CEILING)
            mine = _block(one, judged, JUDGE, share)
            for block, into in ((rows, found.controls), (mine, found.panes)):
                for who in (name, "all"):
                    into.setdefault(who, []).append(_folded(block) if len(block) else {})
            found.judged.setdefault(name, []).append(int(judged.sum()))
            raw.setdefault("all", []).append(one.y[judged])
    found.plain = {who: float(np.concatenate(values).mean()) for who, values in raw.items()}
    return found


def _others(found: Found, who: str) -> list[Sums]:
    """Of the route's other cohorts; all of it has none."""
    return [pane for name, panes in found.panes.items() if "all" not in (who, name) and name != who for pane in panes]


def estimates(found: Found, who: str) -> dict[str, tuple[float, float, float, float]]:
    """By name (mean, low, high, variance ratio) of what is known of a cohort or of all."""
    judged, control = _added(found.panes[who]), _added(found.controls[who])
    told: dict[str, tuple[float, float, float, float]] = {}
    if (value := mean(judged)) is not None:
        told["mean"] = (value.mean, value.low, value.high, 1.0)
    if (fails := fail_ratio(judged)) is not None:
        told["fails"] = (fails.mean, fails.low, fails.high, 1.0)
    if (steady := steadied(judged, control, _added(_others(found, who)))) is not None:
        told["steadied"] = (steady.mean, steady.low, steady.high, steady.variance_ratio)
        told["unsteadied"] = (judged["controlled_value_sum"] / judged["controlled_weight"] / 1e6, 0.0, 1.0, 1.0)
    return told


def truth(traces: Sequence[Sequence[Traces]], who: str) -> dict[str, float]:
    """The same of every trace there is."""
    chosen = [one for period in traces for one in period if who in ("all", one.cohort.name)]
    y, x = np.concatenate([one.y for one in chosen]), np.concatenate([one.x for one in chosen])
    with_control = float(y[~np.isnan(x)].mean())
    return {"mean": float(y.mean()), "fails": float((y < 0.5).mean()), "steadied": with_control, "unsteadied": with_control}


def _added(panes: Sequence[Sums]) -> dict[str, int]:
    return added([NOTHING, *(pane for pane in panes if pane)])


def _block(one: Traces, chosen: NDArray[np.bool_], evaluator: str, share: float) -> ScoreBlock:
    """Scores as evaluate writes them."""
    k = int(chosen.sum())
    control = [None if np.isnan(x) else x for x in one.x[chosen].tolist()]
    value = control if evaluator == CONTROL else one.y[chosen].tolist()
    said: dict[str, list[Any]] = {name: [plain] * k for name, plain in PLAIN.items()}
    said |= {"trace_id": [bytes(i).hex() for i in one.ids[chosen]], "status": [ScoreStatus.OK] * k, "control": control}
    said |= {"value": value, "passed": [v >= 0.5 for v in value], "evaluator": [evaluator] * k}
    return ScoreBlock(said | {"cohort": [one.cohort.name] * k, "inclusion_probability": [share] * k})


def _folded(block: ScoreBlock) -> dict[str, int]:
    """The pane of a block of one series."""
    window = Window(SCORE_FAMILY, 0, WindowPolicy(1, 0, 0, 0, 10), 1, 0)
    window.fold(measured(block, range(len(block))))
    return {name: int(values[0]) for name, values in window.rows([0], Firing.FINAL).items() if name in NOTHING}
