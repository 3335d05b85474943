"""What a score is worth as evidence: e-values, which may be looked at as often as one likes.

Under the null the expectation of an e-value at any look is at most 1, so P(it is ever 1/a or more) is at most a. A mixture over a
few bets on how large the excess is needs no tuning: five cost a tenth more than the best one and nine no less.

Source: Robbins, Annals of Mathematical Statistics 41 (1970); Howard, Ramdas, McAuliffe and Sekhon, Annals of Statistics 49 (2021)
(mixtures, time-uniform bounds); Wang and Ramdas, JRSS B 84 (2022) (e-BH); Ville (1939).
"""

import numpy as np
from numpy.typing import NDArray

from pipeline.operators.evidence.deviance import Floats, Found


def growth(found: Found, bets: Floats) -> Floats:
    """Logarithm of what each bet made of its stake: (cells, bets)."""
    drift = found.z * np.sqrt(found.information)
    return np.multiply.outer(drift, bets) - np.multiply.outer(found.information, bets * bets / 2)


def log_mean(logs: Floats) -> Floats:
    """Logarithm of the mean over the last axis; -inf where there is nothing but 0."""
    top = logs.max(axis=-1, keepdims=True)
    top = np.where(np.isfinite(top), top, 0.0)
    with np.errstate(divide="ignore"):
        return np.asarray(top[..., 0] + np.log(np.exp(logs - top).mean(axis=-1)))


def log_e(found: Found, bets: Floats) -> Floats:
    """Logarithm of the e-value of each cell: the mean over the bets."""
    return log_mean(growth(found, bets))


def established(log_evidence: Floats, hypotheses: int, alpha: float) -> NDArray[np.bool_]:
    """Which cells may page, and stay so: holds for what is ever said of all hypotheses together, whatever they share."""
    return np.asarray(log_evidence >= np.log(hypotheses / alpha))


def listed(log_evidence: Floats, hypotheses: int, alpha: float) -> NDArray[np.bool_]:
    """Which cells a list at this one look may name: at most a share `alpha` of them is expected to be wrong."""
    ranked = np.sort(log_evidence)[::-1]
    lines = np.log(hypotheses / alpha / np.arange(1, len(ranked) + 1))
    reached = np.flatnonzero(ranked >= lines)
    return np.asarray(log_evidence >= (lines[reached[-1]] if len(reached) else np.inf))
