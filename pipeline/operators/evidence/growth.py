"""Is it one cohort, or everybody? A cohort's growth against that of all others: cohorts differ for ever, so means are not.

The cohort's baseline is moved by the growth of its complement, and is less certain by how uncertain that is. It labels an alarm
("only here", "everywhere") and never replaces it.
"""

import numpy as np

from pipeline.operators.evidence.deviance import Data, Floats


def against_complement(cohort: Data, others: Data, wider: Floats) -> Data:
    """The cohort, compared with its baseline times the growth of the others.

    wider: the variance of one call of the others by that of one of the cohort, each relative to its squared mean.
    """
    with np.errstate(all="ignore"):
        grown = others.s / others.n / others.base_mean
        effective = 1 / (1 / cohort.base_n + wider * (1 / others.n + 1 / others.base_n))
    return Data(cohort.n, cohort.s, effective, cohort.base_mean * grown, cohort.usual)
