"""What the calls of a batch were asked for: JSON, after a schema, with sources. Each distinct request is read once."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from pipeline.operators.decode.answers import Flags, read_each
from pipeline.operators.decode.key_values import KVLIST, STRING
from pipeline.operators.decode.requests import NOTHING, Request, read_request, read_schema, request_in
from pipeline.operators.decode.resolve import Resolver
from pipeline.operators.decode.values import MAX_JSON_BYTES, MAX_MAP_BYTES, map_document, read_flag
from pipeline.operators.dialects.paths import Path

JSON = Request(json=True)

READERS: tuple[tuple[str, int, int, Callable[[bytes], Request | None]], ...] = (
    ("output_schema", STRING, MAX_JSON_BYTES + 1, read_schema),
    ("request", STRING, MAX_JSON_BYTES, read_request),
    ("request", KVLIST, MAX_MAP_BYTES, lambda raw: request_in(map_document(raw))),
)
"""Fields, what they are in, how much of it is looked at, and who reads it. Of a schema that is longer it is read that it is."""


def requests(resolver: Resolver, fields: Mapping[str, Sequence[Path]], wanted: Flags) -> NDArray[np.object_]:
    """Per row what its call was asked for, `NOTHING` where nothing is known of it. The same object for equal requests."""
    asked = np.full(len(wanted), NOTHING, object)
    for field, kind, most, reader in READERS:
        for path in filter(resolver.is_seen, fields[field]):
            attribute = resolver.attribute(path)
            rows = (wanted & (attribute >= 0) & (resolver.within(path.scopes) if path.scopes else True)).nonzero()[0]
            places = resolver.scanned.attributes[attribute[rows]]
            fits = (places["type"] == kind) & ((places["len"] <= most) | (field == "output_schema")) & (places["at"] >= 0)
            if np.count_nonzero(fits):
                places = places[fits]
                places["len"] = np.minimum(places["len"], most)
                _tell(asked, rows[fits], *read_each(resolver, places, reader))
    rows = (wanted & resolver.resolve(fields["asks_json"], read_flag, False).astype(bool)).nonzero()[0]
    if len(rows):
        _tell(asked, rows, np.zeros(len(rows), np.int64), [JSON])
    return asked


def _tell(asked: NDArray[np.object_], rows: NDArray[np.intp], codes: NDArray[np.int64], once: Sequence[Request | None]) -> None:
    """Add what is read to what is known of the rows: of two schemas the first."""
    both = {(before, code) for before, code in zip(asked[rows].tolist(), codes.tolist(), strict=True)}
    merged = {(before, code): _both(before, once[code]) for before, code in both}
    asked[rows] = [merged[case] for case in zip(asked[rows].tolist(), codes.tolist(), strict=True)]


def _both(one: Request, more: Request | None) -> Request:
    if more is None or more == one:
        return one
    schema = one.schema if one.schema is not None else more.schema
    return Request(one.json or more.json, schema, one.sources or more.sources)
