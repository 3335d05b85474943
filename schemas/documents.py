"""JSON Schemas (2020-12) of the values on our topics, made from the columns of the blocks.

A block is an object of equally long arrays. JSON Schema has no word for "equally long", so the documents carry one of
their own, `equalLengths`; a validator that does not know it checks everything else.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pipeline.model.columns import DEAD_LETTERS, LEDGER, PANES, SPANS, STATUS, Column, Firing
from pipeline.model.reasons import Reason

JSON = Path(__file__).parent / "json"
DRAFT = "https://json-schema.org/draft/2020-12/schema"
EQUAL_LENGTHS = "equalLengths"

Document = dict[str, Any]

INT64 = {"minimum": -(2**63), "maximum": 2**63 - 1}
DIGITS = {"pattern": "^[0-9]{1,39}$"}
DIGEST = {"contentEncoding": "base64", "pattern": "^[A-Za-z0-9+/]{2,}={0,2}$"}

NARROWER: dict[str, Document] = {
    "trace_id": {"pattern": "^[0-9a-f]{32}$"},
    "span_id": {"pattern": "^[0-9a-f]{16}$"},
    "parent_span_id": {"pattern": "^([0-9a-f]{16})?$"},
    "firing": {"enum": [firing.value for firing in Firing]},
    "reason": {"enum": [reason.value for reason in Reason]},
    "latency_digest": DIGEST,
    "ttft_digest": DIGEST,
    "tps_digest": DIGEST,
    "cost_sq": DIGITS,
    "latency_sq": DIGITS,
}
"""What a column's values keep beyond their type, whatever the block."""


def block(title: str, columns: Sequence[Column]) -> Document:
    """The schema of a block: every column an array, none missing, none more, all equally long."""
    return {
        "$schema": DRAFT,
        "title": title,
        "type": "object",
        "properties": {column.name: _array(column) for column in columns},
        "required": [column.name for column in columns],
        "additionalProperties": False,
        EQUAL_LENGTHS: True,
    }


def _array(column: Column) -> Document:
    kind = [column.type, "null"] if column.nullable else column.type
    bounds = INT64 if column.type == "integer" else {}
    return {"description": column.doc, "type": "array", "items": {"type": kind, **bounds, **NARROWER.get(column.name, {})}}


def _progress() -> Document:
    docs = {
        "committed": "first offset still held: what may be acknowledged ends here",
        "folded": "offset up to which every row has had its verdict; never decreases",
        "watermark_ns": "event time the partition has passed; never decreases",
        "generation": "generation of the consumer group that wrote it",
    }
    return {
        "$schema": DRAFT,
        "title": "How far one partition of spans has come; the reader takes the largest folded of all generations",
        "type": "object",
        "properties": {name: {"description": doc, "type": "integer", **INT64} for name, doc in docs.items()},
        "required": list(docs),
        "additionalProperties": False,
    }


BLOCKS: dict[str, tuple[str, Sequence[Column]]] = {
    "spans": ("Decoded spans, requests and others", SPANS),
    "panes": ("Firings of windows, one row for each series", PANES),
    "ledger": ("Verdicts: what became of every span", LEDGER),
    "dead-letters": ("Records and spans that could not be understood", DEAD_LETTERS),
    "status": ("What the stages measured of themselves", STATUS),
}
"""Title and columns of the blocks, by the name of their topic."""

DOCUMENTS: dict[str, Document] = {name: block(*said) for name, said in BLOCKS.items()} | {"progress": _progress()}
"""By the name of the topic."""


def render(document: Document) -> str:
    """The document as it is committed."""
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"
