"""The series columns of a batch: what spans say under the operator's paths, looked up, and the language guessed if asked for."""

from collections.abc import Mapping
from contextlib import suppress
from functools import partial

import numpy as np
import orjson
from numpy.typing import NDArray

from pipeline.operators.decode.language import TEXTS, Detect
from pipeline.operators.decode.resolve import Column, Resolver
from pipeline.operators.decode.values import Value, read_text
from pipeline.operators.dialects.series import SeriesColumn


def series(
    resolver: Resolver, columns: Mapping[str, SeriesColumn], detect: Detect | None, calls: NDArray[np.bool_]
) -> dict[str, Column]:
    """Per column the first usable value of each row, "" for none. calls: rows whose language may be guessed by `detect`."""
    found = {name: resolver.resolve(column.paths, partial(read_label, column), "") for name, column in columns.items()}
    wanted = np.flatnonzero(calls & (found["language"] == ""))
    if detect is not None and len(wanted):
        some = Resolver(resolver.scanned, resolver.asked, resolver.rows[wanted], resolver.text_limit, resolver.key)
        guessed = some.resolve(TEXTS, detect, "")
        found["language"][wanted] = [columns["language"](language) for language in guessed.tolist()]
    return found


def read_label(column: SeriesColumn, value: Value, limit: int) -> str | None:
    """A name for a series, without the quotes of a text that was written as JSON; what the column's lookup makes of it."""
    text = read_text(value, limit)
    if text is not None and len(text) > 1 and text[0] == text[-1] == '"':
        with suppress(orjson.JSONDecodeError):
            text = read_text(orjson.loads(text), limit)
    return None if text is None else column(text) or None
