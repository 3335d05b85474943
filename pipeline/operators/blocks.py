"""Blocks: many rows as one JSON object of equally long arrays (ClickHouse's `JSONColumns`)."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from pipeline.model.columns import Column

Values = Sequence[Any] | NDArray[Any]


def encode_block(columns: Sequence[Column], values: Mapping[str, Values]) -> bytes:
    """The block of `values` in the order of `columns`. All arrays are equally long and every column is there."""
    block = {column.name: _plain(values[column.name]) for column in columns}
    assert len({len(v) for v in block.values()}) == 1, "a block is not ragged"
    return orjson.dumps(block, option=orjson.OPT_SERIALIZE_NUMPY)


def encode_rows(columns: Sequence[Column], rows: Sequence[Mapping[str, Any]]) -> bytes:
    """The block of a few rows given one by one."""
    return encode_block(columns, {column.name: [row[column.name] for row in rows] for column in columns})


def empty_block(columns: Sequence[Column]) -> bytes:
    """The block of no rows."""
    return encode_rows(columns, ())


def _plain(values: Values) -> Values:
    """What orjson writes fastest: contiguous numbers as they are, everything else as a list."""
    if isinstance(values, np.ndarray):
        return values.tolist() if values.dtype == object else np.ascontiguousarray(values)
    return values
