"""Whether an answer was streamed, and when its first token came."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from pipeline.operators.decode.resolve import Column, Resolver, nullable
from pipeline.operators.decode.values import read_flag, read_instant, read_number
from pipeline.operators.dialects.paths import INSTANT, NS_PER, Path
from pipeline.operators.dialects.vocabulary import WEAK_TTFT, WEAK_TTFT_SCOPES

Times = NDArray[np.int64]

LEAST_MS_NS = 1_000_000
"""No answer comes within a millisecond: less, in a name that may mean seconds or milliseconds, was seconds."""

MOST_NS = 1e18
"""Thirty years: no first token comes later, and it fits."""


def timing(
    resolver: Resolver,
    fields: Mapping[str, Sequence[Path]],
    start: Times,
    latency: Times,
    unanswered: Column,
    streamed: Column,
) -> dict[str, Column]:
    """`stream` and `ttft_ns`. A first token is evidence of a stream, unless the span says that it was none.

    unanswered: calls that failed and used nothing; without a first token there was no answer to be streamed.
    streamed: what the client around a call says, None if nothing does; the call's own word counts first.
    """
    said = resolver.resolve(fields["stream"], read_flag)
    said = np.where(said == None, streamed, said)  # noqa: E711 - element by element
    ttft = first_token(resolver, fields["ttft_ns"], said, start, latency)
    stream = np.where((ttft >= 0) & (said == None), True, said)  # noqa: E711
    stream[unanswered & (ttft < 0)] = None
    return {"stream": stream, "ttft_ns": nullable(np.where(stream == False, -1, ttft))}  # noqa: E712


def first_token(resolver: Resolver, candidates: Sequence[Path], said: Column, start: Times, latency: Times) -> Times:
    """Time to first token per row, -1 if unknown. A value outside [0, latency] is not usable, so the next path is asked."""
    ttft = np.full(len(latency), -1, np.int64)
    for path in candidates:
        if not path.is_time_of_event and not resolver.is_seen(path):
            continue
        value = since_start(resolver, path, start)
        use = (ttft < 0) & (value >= 0) & (value <= latency)
        if path.name in WEAK_TTFT:
            use &= (path.unit != "ms") | (value >= LEAST_MS_NS)
            use &= (said == True) | ((value < latency) & ~resolver.within(WEAK_TTFT_SCOPES))  # noqa: E712
        ttft[use] = value[use]
    return ttft


def since_start(resolver: Resolver, path: Path, start: Times) -> Times:
    """What stands at `path` in nanoseconds since the start of the span, -1 if nothing usable does."""
    if path.is_time_of_event:
        when = resolver.first_event(path)
        return np.where(when > 0, when.astype(np.int64) - start, -1)
    if path.unit == INSTANT:
        instants = resolver.resolve((path,), read_instant, -1).astype(np.int64)
        return np.where(instants > 0, instants - start, -1)
    number = resolver.resolve((path,), read_number, -1.0).astype(np.float64)
    per = NS_PER[path.unit or "s"]
    return np.where(number >= 0, np.rint(np.minimum(number, MOST_NS / per) * per), -1).astype(np.int64)
