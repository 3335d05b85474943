"""What a call that several spans tell says when it counts: each of its parts from a span that knows it.

Money stays that of the span which stands for the call. Everything else that spans may lack, they take from each other: a client
knows the tokens, its framework when the first of them came and what the answer said.
"""

import numpy as np

from pipeline.model.columns import CHECKS, TOKENS
from pipeline.operators.pool import Pool
from pipeline.operators.span_columns import SUMS, Ints, speed
from pipeline.operators.told_twice import Calls, Told

_OF_USAGE = np.array([SUMS.index(name) for name in (*TOKENS, "unknown_usage")])
_CHECKED, _FOUND = (np.array([SUMS.index(name) for name in names]) for names in zip(*CHECKS.values(), strict=True))
_STREAMED, _TTFT_COUNT = SUMS.index("streamed"), SUMS.index("ttft_count")


def make_whole(measures: Pool, of: Ints, told: Told, calls: Calls, by: Ints) -> None:
    """Write what is known of the calls that count from now on, and that others tell too, into the measures of who stands.

    of: (n,) the row of `measures` of each call of `told`. by: (n,) as `trace_kernels.settle` decided. Does not depend on the
    order of the spans.
    """
    repeat = np.flatnonzero((by >= 0) & (by != np.arange(len(by))))
    repeat = repeat[by[by[repeat]] == by[repeat]]  # who was counted before stays as it was
    if len(repeat) == 0:
        return
    stand, whose = np.unique(by[repeat], return_inverse=True)
    here, sums = of[stand], measures["sums"]
    sums[np.ix_(here, _OF_USAGE)] = sums[np.ix_(of[calls.usage[stand]], _OF_USAGE)]
    sums[here, _STREAMED] = calls.stream[stand]
    _answers(sums, here, of[repeat], whose)
    timed = calls.ttft[stand] >= 0
    sums[here, _TTFT_COUNT] = timed
    latency, ttft = measures["latency"], measures["ttft"]
    ttft[here] = np.where(timed, ttft[of[calls.ttft[stand]]], np.nan)
    began, end = calls.began_ns[stand], told.end_ns[stand]
    latency[here] = np.where(began < told.start_ns[stand], end - began, latency[here])
    output = told.output[calls.usage[stand]]
    measures["tps"][here] = speed(np.where(output < 0, np.nan, output), latency[here], ttft[here])


def _answers(sums: Ints, here: Ints, repeat: Ints, whose: Ints) -> None:
    """What the answer showed, where the span that stands holds none: anything that another of the call found in it."""
    checked, found = np.zeros((2, len(here), len(_CHECKED)), np.int64)
    np.maximum.at(checked, whose, sums[np.ix_(repeat, _CHECKED)])
    np.maximum.at(found, whose, sums[np.ix_(repeat, _FOUND)])
    own = sums[np.ix_(here, _CHECKED)] > 0
    sums[np.ix_(here, _FOUND)] = np.where(own, sums[np.ix_(here, _FOUND)], found)
    sums[np.ix_(here, _CHECKED)] = np.where(own, 1, checked)
