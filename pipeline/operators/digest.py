"""t-digests over many series: the state of a quantile that can be merged, stored and asked later.

A series' digest is a function of its values in log order alone: values are folded in chunks of `CHUNK`, whatever the
batches they came in, and what has not filled a chunk yet is added to a copy when the digest is asked for. So a replay
gives the same bytes, and firing early changes nothing.

Error, measured by `make quality` over one pane and over 200 merged ones, whatever the distribution: what is told as p50 is
an exact quantile between p49 and p51, p95 between p94.9 and p95.1, p99 between p98.9 and p99.1, p99.9 between p99.87 and
p99.93. In value, over 200 panes of a smooth distribution: <= 1 % for p50, <= 0.5 % for p95 and p99, <= 3 % for p99.9. At a
cliff the value has no bound.
Memory: at most 200 centroids and CHUNK values a series. Cost: about 20 us a chunk.
Source: Dunning & Ertl, "Computing extremely accurate quantiles using t-digests", 2019; the state's layout is
ClickHouse's QuantileTDigest: varuint n, then n pairs of float32 (mean, count), by rising mean.
"""

import base64
from dataclasses import dataclass, field

import numpy as np
from fastdigest import TDigest
from numpy.typing import NDArray

CENTROIDS = 200
CHUNK = 256
SETTLE_AT = 1 << 16
"""Values that may wait in log order before they are sorted out by series."""

HEADER_BYTES = 80
"""Of fastdigest's own serialization: behind it stand pairs of float64 (mean, count)."""

Values = NDArray[np.float64]


def encode_state(means: NDArray[np.floating], weights: NDArray[np.floating]) -> bytes:
    """ClickHouse's quantilesTDigest state. Both (n,), means rising, weights > 0 and below 2^24."""
    pairs = np.empty((len(means), 2), "<f4")
    pairs[:, 0], pairs[:, 1] = means, weights
    return _varuint(len(means)) + pairs.tobytes()


def _varuint(n: int) -> bytes:
    out = bytearray()
    while n >= 0x80:
        out.append(n & 0x7F | 0x80)
        n >>= 7
    out.append(n)
    return bytes(out)


EMPTY = base64.b64encode(_varuint(0)).decode()


@dataclass(slots=True)
class SeriesDigests:
    """The digests of one measure for the series 0, 1, 2, … of a window."""

    _digests: dict[int, TDigest] = field(default_factory=dict)
    _rest: dict[int, Values] = field(default_factory=dict)
    _waiting: list[tuple[NDArray[np.int64], Values]] = field(default_factory=list)
    _waiting_values: int = 0

    def add(self, series: NDArray[np.int64], values: Values) -> None:
        """Append values, in log order, each to its series."""
        if len(values):
            self._waiting.append((series, values))
            self._waiting_values += len(values)
        if self._waiting_values >= SETTLE_AT:
            self._settle()

    def encode(self, series: int) -> str:
        """The digest of a series as base64 of ClickHouse's state; EMPTY if it has no value."""
        self._settle()
        digest, rest = self._digests.get(series), self._rest.get(series)
        if rest is not None and len(rest):
            digest = TDigest(max_centroids=CENTROIDS) if digest is None else digest.copy()
            digest.batch_update(rest)  # type: ignore[arg-type]
        if digest is None:
            return EMPTY
        pairs = np.frombuffer(digest.to_bytes(), "<f8", offset=HEADER_BYTES).reshape(-1, 2)
        return base64.b64encode(encode_state(pairs[:, 0], pairs[:, 1])).decode()

    def _settle(self) -> None:
        """Sort the waiting values out by series and fold full chunks."""
        if not self._waiting:
            return
        series = np.concatenate([s for s, _ in self._waiting])
        values = np.concatenate([v for _, v in self._waiting])
        self._waiting, self._waiting_values = [], 0
        few = int(series.max()) < 1 << 16
        order = np.argsort(series.astype(np.uint16) if few else series, kind="stable")  # numpy sorts 16 bits by radix
        series, values = series[order], values[order]
        starts = np.flatnonzero(np.diff(series, prepend=-1))
        for start, stop in zip(starts.tolist(), [*starts[1:].tolist(), len(series)], strict=True):
            self._extend(int(series[start]), values[start:stop])

    def _extend(self, series: int, values: Values) -> None:
        rest = self._rest.get(series)
        if rest is not None:
            values = np.concatenate((rest, values))
        full = len(values) // CHUNK * CHUNK
        if full:
            digest = self._digests.setdefault(series, TDigest(max_centroids=CENTROIDS))
            for start in range(0, full, CHUNK):
                digest.batch_update(values[start : start + CHUNK])  # type: ignore[arg-type]
        self._rest[series] = values[full:].copy()
