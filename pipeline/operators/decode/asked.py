"""What the calls of a batch were asked for: JSON, after a schema, with sources. Each distinct request is read once."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.operators.decode.answers import Codes, Flags, read_each
from pipeline.operators.decode.key_values import KVLIST, STRING
from pipeline.operators.decode.requests import NOTHING, Request, read_request, read_schema, request_in
from pipeline.operators.decode.resolve import Resolver, Rows
from pipeline.operators.decode.texts import pairs
from pipeline.operators.decode.values import MAX_JSON_BYTES, MAX_MAP_BYTES, map_document, read_flag
from pipeline.operators.dialects.paths import Path

JSON = Request(json=True)

READERS: tuple[tuple[str, int, int, Callable[[bytes], Request | None]], ...] = (
    ("output_schema", STRING, MAX_JSON_BYTES + 1, read_schema),
    ("request", STRING, MAX_JSON_BYTES, read_request),
    ("request", KVLIST, MAX_MAP_BYTES, lambda raw: request_in(map_document(raw))),
)
"""Fields, what they are in, how much of it is looked at, and who reads it. Of a schema that is longer it is read that it is."""


@dataclass(slots=True)
class Requests:
    """What the calls of some rows were asked for.

    codes: (n,) per row the index of its request. found: each distinct one, first that nothing is known.
    """

    codes: Codes
    found: list[Request]

    def that(self, says: Callable[[Request], bool]) -> Flags:
        """The rows of whose requests something holds."""
        return np.array([says(request) for request in self.found], bool)[self.codes]

    def tell(self, rows: Rows, codes: Codes, once: Sequence[Request | None]) -> None:
        """Add what is read to what is known of rows: of two schemas the first. codes: per row which of `once`."""
        says = np.array([request is not None for request in once], bool)[codes]
        rows, codes = rows[says], codes[says]
        before, more, of_rows = pairs(self.codes[rows], codes, len(once))
        place = {request: i for i, request in enumerate(self.found)}
        both = [_both(self.found[i], once[j]) for i, j in zip(before.tolist(), more.tolist(), strict=True)]
        self.codes[rows] = np.array([place.setdefault(request, len(place)) for request in both], np.int64)[of_rows]
        self.found = list(place)


def requests(resolver: Resolver, fields: Mapping[str, Sequence[Path]], wanted: Flags) -> Requests:
    """What the calls of the rows that are `wanted` were asked for."""
    asked = Requests(np.zeros(len(wanted), np.int64), [NOTHING])
    for field, kind, most, reader in READERS:
        for path in filter(resolver.is_seen, fields[field]):
            attribute = resolver.attribute(path)
            rows = (wanted & (attribute >= 0) & (resolver.within(path.scopes) if path.scopes else True)).nonzero()[0]
            places = resolver.scanned.attributes[attribute[rows]]
            fits = (places["type"] == kind) & ((places["len"] <= most) | (field == "output_schema")) & (places["at"] >= 0)
            if np.count_nonzero(fits):
                places = places[fits]
                places["len"] = np.minimum(places["len"], most)
                asked.tell(rows[fits], *read_each(resolver, places, reader))
    rows = (wanted & resolver.resolve(fields["asks_json"], read_flag, False).astype(bool)).nonzero()[0]
    if len(rows):
        asked.tell(rows, np.zeros(len(rows), np.int64), [JSON])
    return asked


def _both(one: Request, more: Request | None) -> Request:
    if more is None or more == one:
        return one
    schema = one.schema if one.schema is not None else more.schema
    return Request(one.json or more.json, schema, one.sources or more.sources)
