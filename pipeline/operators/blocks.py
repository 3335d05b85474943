"""Blocks: many rows as one JSON object of equally long arrays (ClickHouse's `JSONColumns`)."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from pipeline.model.columns import Column

BLOCK_BYTES = 4 << 20
"""What a message may hold, well below what the topics take (16 MiB): digests, names and details make rows of any size."""

SAMPLED_ROWS = 256
"""Rows by which it is told how much many take."""

Values = Sequence[Any] | NDArray[Any]


def blank(columns: Sequence[Column]) -> dict[str, Any]:
    """A row that says nothing: no text and zeros."""
    return {column.name: "" if column.type == "string" else 0 for column in columns}


def encode_block(columns: Sequence[Column], values: Mapping[str, Values]) -> bytes:
    """The block of `values` in the order of `columns`. All arrays are equally long and every column is there."""
    block = {column.name: _plain(values[column.name]) for column in columns}
    assert len({len(v) for v in block.values()}) == 1, "a block is not ragged"
    return orjson.dumps(block, option=orjson.OPT_SERIALIZE_NUMPY)


def encode_bounded(columns: Sequence[Column], values: Mapping[str, Values]) -> Iterator[bytes]:
    """The rows of `values` in as many blocks as keep each below BLOCK_BYTES; a row larger than that is a block alone.

    Where it is cut follows from the rows alone, so a repeat is cut at the same places. No row, no block. Many rows are cut by
    what some of them take, and encoded once: halving 200 MB until it fits would encode it six times.
    """
    n = len(values[columns[0].name])
    if n == 0:
        return
    parts = _parts(columns, values, n)
    if parts == 1:
        block = encode_block(columns, values)
        if len(block) <= BLOCK_BYTES or n == 1:
            yield block
            return
        parts = 2
    for part in range(parts):
        rows = slice(part * n // parts, (part + 1) * n // parts)
        yield from encode_bounded(columns, {column.name: values[column.name][rows] for column in columns})


def _parts(columns: Sequence[Column], values: Mapping[str, Values], n: int) -> int:
    """In how many blocks n rows likely fit, an eighth to spare; as one are tried those that are few."""
    if n <= 16 * SAMPLED_ROWS:
        return 1
    step = n // SAMPLED_ROWS
    some = encode_block(columns, {column.name: values[column.name][::step] for column in columns})
    return 1 + len(some) * step * 9 // 8 // BLOCK_BYTES


def by_column(columns: Sequence[Column], rows: Sequence[Mapping[str, Any]]) -> dict[str, list[Any]]:
    """Rows given one by one as columns."""
    return {column.name: [row[column.name] for row in rows] for column in columns}


def encode_rows(columns: Sequence[Column], rows: Sequence[Mapping[str, Any]]) -> bytes:
    """The block of a few rows given one by one."""
    return encode_block(columns, by_column(columns, rows))


def empty_block(columns: Sequence[Column]) -> bytes:
    """The block of no rows."""
    return encode_rows(columns, ())


def _plain(values: Values) -> Values:
    """What orjson writes fastest: contiguous numbers as they are, everything else as a list."""
    if isinstance(values, np.ndarray):
        return values.tolist() if values.dtype == object else np.ascontiguousarray(values)
    return values
