"""Quantiles from merged digests against exact ones: the promise, measured in ClickHouse.

200 panes a case, cut from the same values sorted, reversed and shuffled; merged by the store as queries do. Relative
error of the value: at most 0.5 % for p50, p95, p99 and 3 % for p99.9. `pytest -s` prints the table.
"""

import base64
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from tdigest import TDigest as IndependentDigest

from pipeline.connectors.clickhouse import apply_schema, connect, insert_blocks, query
from pipeline.operators.digest import SeriesDigests, encode_state
from pipeline.settings import Settings
from tests.panes import pane, panes

PANES, PER_PANE = 200, 2000
LEVELS = (0.5, 0.95, 0.99, 0.999)
LIMITS = np.array([0.005, 0.005, 0.005, 0.03])

Values = NDArray[np.float64]


def samples() -> dict[str, Values]:
    """Latencies in ns as they come: long tails, two humps, none at all."""
    random, n = np.random.default_rng(20), PANES * PER_PANE
    return {
        "lognormal": random.lognormal(20, 0.8, n),
        "pareto": 1e8 * (1 + random.pareto(2, n)),
        "bimodal": np.where(random.random(n) < 0.7, random.normal(4e8, 5e7, n), random.normal(6e9, 8e8, n)).clip(1e6),
        "constant": np.full(n, 1.5e9),
    }


ORDERS = {
    "sorted": np.sort,
    "reversed": lambda values: np.sort(values)[::-1],
    "shuffled": np.random.default_rng(3).permutation,
}


def encoded(values: Values) -> str:
    """The digest of one pane."""
    digests = SeriesDigests()
    digests.add(np.zeros(len(values), np.int64), np.ascontiguousarray(values))
    return digests.encode(0)


@pytest.fixture
def store(fresh_prefix: Settings) -> Settings:
    """A database with the schema applied."""
    apply_schema(fresh_prefix)
    return fresh_prefix


def put(store: Settings, rows: Sequence[Mapping[str, Any]]) -> None:
    with connect(store) as client:
        assert insert_blocks(client, "panes", [panes(*rows)]) == {}


def ask(store: Settings, route: str) -> Values:
    """Quantiles of everything a route has, as `tailrace query` gets them."""
    levels = ", ".join(map(str, LEVELS))
    sql = f"SELECT quantilesTDigestMerge({levels})(latency_digest) FROM performance WHERE route = '{route}'"
    return np.array(query(store, sql)[1][0][0])


def merged(store: Settings, values: Values, route: str) -> Values:
    """Quantiles of the values, cut into panes and merged by the store."""
    rows = [
        pane(n, [], route=route, requests=len(part), latency_digest=encoded(part))
        for n, part in enumerate(np.split(values, PANES))
    ]
    put(store, rows)
    return ask(store, route)


@pytest.mark.parametrize("name", samples())
def test_merged_quantiles_are_as_exact_as_promised(store: Settings, name: str) -> None:
    values = samples()[name]
    exact = np.quantile(values, LEVELS, method="inverted_cdf")
    for order, arranged in ORDERS.items():
        error = np.abs(merged(store, arranged(values), order) / exact - 1)
        print(f"\n{name:10} {order:9}", *(f"p{100 * q:g} {100 * e:.3f} %" for q, e in zip(LEVELS, error, strict=True)), end="")
        assert (error <= LIMITS).all(), (order, error)


def test_an_independent_digest_agrees(store: Settings) -> None:
    """CamDavidsonPilon's digest, in the same wire form, merges to the same quantiles within twice the limits."""
    values = samples()["lognormal"][: PANES * 100]
    rows = []
    for n, part in enumerate(np.split(values, PANES)):
        other = IndependentDigest(delta=0.005, K=50)
        other.batch_update(part.tolist())
        centroids = np.array([(c["m"], c["c"]) for c in other.centroids_to_list()])
        state = base64.b64encode(encode_state(centroids[:, 0], centroids[:, 1])).decode()
        rows.append(pane(n, [], route="other", latency_digest=state))
    put(store, rows)
    ours = merged(store, values, "ours")
    np.testing.assert_array_less(np.abs(ask(store, "other") / ours - 1), 2 * LIMITS)


@pytest.mark.parametrize("n", [0, 1, 2, 3, 50, 100])
def test_while_few_every_value_is_its_own_centroid(n: int) -> None:
    values = np.random.default_rng(n).lognormal(20, 1, n)
    state = base64.b64decode(encoded(values))
    pairs = np.frombuffer(state, "<f4", offset=1).reshape(-1, 2)
    assert len(pairs) == n
    np.testing.assert_array_equal(pairs[:, 0], np.sort(values).astype("f4"))
    assert (pairs[:, 1] == 1).all()


def test_a_digest_is_small() -> None:
    state = base64.b64decode(encoded(samples()["lognormal"]))
    assert (len(state) - 2) / 8 <= 200
