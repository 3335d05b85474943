"""Rows cut into blocks: none is lost, each fits where it can, and few are encoded twice."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.model.columns import Column
from pipeline.operators import blocks
from pipeline.operators.blocks import BLOCK_BYTES, encode_bounded

COLUMNS = (Column("name", "string", ""), Column("count", "integer", ""))


@given(st.integers(0, 20_000), st.sampled_from([0, 10, 1000, 6000]), st.integers(0, 3), st.integers(0, 2**32))
@settings(max_examples=30, deadline=None)
def test_every_row_is_in_one_block_that_fits(n: int, size: int, giants: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    names = ["x" * int(length) for length in rng.integers(0, size + 1, n)]
    for at in rng.integers(0, max(n, 1), giants if n else 0).tolist():
        names[at] = "y" * (BLOCK_BYTES + 1)
    found = list(encode_bounded(COLUMNS, {"name": names, "count": np.arange(n)}))
    read = [json.loads(block) for block in found]
    assert [row for block in read for row in zip(block["name"], block["count"], strict=True)] == list(
        zip(names, range(n), strict=True)
    )
    assert all(len(block) <= BLOCK_BYTES or len(told["count"]) == 1 for block, told in zip(found, read, strict=True))
    assert all(told["count"] for told in read)


def test_many_alike_rows_are_encoded_once(monkeypatch: pytest.MonkeyPatch) -> None:
    encoded = 0

    def counting(columns: object, values: dict[str, list[object]]) -> bytes:
        nonlocal encoded
        encoded += len(values["count"])
        return kept(columns, values)  # type: ignore[arg-type]

    kept = blocks.encode_block
    monkeypatch.setattr(blocks, "encode_block", counting)
    n = 100_000
    found = list(encode_bounded(COLUMNS, {"name": ["x" * 600] * n, "count": np.arange(n)}))
    assert len(found) < 30
    assert encoded < 1.2 * n
