"""Which traces are looked at: by a hash of the trace id alone, so that all who ask agree and every share nests in a larger one.

As in OpenTelemetry's consistent probability sampling a trace has a randomness of 56 bits and is in a share `rate` if that is
not below the threshold (1 - rate) of all values. The randomness is a hash of the trace id, not the id's own bits: what arrives
may have been sampled by those already, and a share of it is to be a share of what arrives.

The inclusion probability is exact to 2^-56. Source: OpenTelemetry, Probability Sampling with TraceState (OTEP 235).
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.operators.siphash import Key, key_of, siphash_rows

ALL = 1 << 56
"""Values of the randomness of a trace."""


def sampling_key(secret: str) -> Key:
    """The key of the hash. A sender who does not know the secret cannot choose ids that are looked at, or not."""
    return key_of(f"sampling/{secret}")


def randomness(trace_ids: NDArray[np.uint8], key: Key) -> NDArray[np.uint64]:
    """(n,) randomness of (n, 16) trace ids, each in [0, ALL)."""
    words = np.ascontiguousarray(trace_ids).view("<u8").reshape(len(trace_ids), 2)
    random: NDArray[np.uint64] = siphash_rows(words, *key) >> np.uint64(8)
    return random


def randomness_of(trace_id: str, key: Key) -> int:
    """The same of one id as 32 hex digits."""
    return int(randomness(np.frombuffer(bytes.fromhex(trace_id), np.uint8).reshape(1, 16), key)[0])


def is_in(random: Any, rate: float) -> Any:
    """Whether a trace of this randomness (one, or an array) is in a share of `rate`, from 0 to 1."""
    return random >= np.uint64(ALL - round(rate * ALL)) if isinstance(random, np.ndarray) else random >= ALL - round(rate * ALL)
