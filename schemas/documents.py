"""JSON Schemas (2020-12) of the values on our topics, made from the columns of the blocks.

A block is an object of equally long arrays. JSON Schema has no word for "equally long", so the documents carry one of
their own, `equalLengths`; a validator that does not know it checks everything else.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, get_args

from pipeline.model.alerts import ALERTS, AlertKind, AlertState, Extent, Tier
from pipeline.model.columns import (
    DEAD_LETTERS,
    LEDGER,
    PANES,
    REPEATS,
    SAMPLES,
    SCORES,
    SERIES,
    SPANS,
    SPEND,
    STATUS,
    TRACE_PANES,
    TRACES,
    Column,
    Firing,
)
from pipeline.model.contract_columns import CONTRACTS
from pipeline.model.contracts import Baseline, Direction, Severity
from pipeline.model.log_time import BEGINNING, END_OF_TIME, MOST_SOURCES, MOST_UNENDING
from pipeline.model.reasons import Reason
from pipeline.model.score_columns import COUNTED_SCORES, SCORE_PANES, SCORE_SQUARES, SCORE_SUMS
from pipeline.model.standing_columns import STANDINGS
from pipeline.operators.alerts.cloud_event import SOURCE, TYPES
from pipeline.operators.frontiers import Family
from pipeline.operators.told_twice import Rule
from pipeline.operators.watch.standing import Verdict

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
    "hash": {"pattern": "^[0-9a-f]{32}$"},
    "counted_by": {"pattern": "^[0-9a-f]{16}$"},
    "rule": {"enum": [rule.name.lower() for rule in Rule if rule is not Rule.ALONE]},
    **dict.fromkeys(("latency_digest", "ttft_digest", "tps_digest", "cost_digest", "calls_digest"), DIGEST),
    **dict.fromkeys((*SCORE_SUMS, *SCORE_SQUARES), DIGITS),
    **dict.fromkeys(("cost_nusd", *SPEND, "cost_sq", "latency_sum_ns", "latency_sq", "calls_sq", "ttft_sum_ns"), DIGITS),
}
"""What a column's texts keep beyond their type, whatever the block."""


def block(title: str, columns: Sequence[Column], narrower: Mapping[str, Document] = NARROWER) -> Document:
    """The schema of a block: every column an array, none missing, none more, all equally long. narrower: what texts and objects
    keep beyond their type.
    """
    return {
        "$schema": DRAFT,
        "title": title,
        "type": "object",
        "properties": {column.name: _array(column, narrower) for column in columns},
        "required": [column.name for column in columns],
        "additionalProperties": False,
        EQUAL_LENGTHS: True,
    }


def _array(column: Column, narrower: Mapping[str, Document]) -> Document:
    if column.type == "integers":
        items = {"type": "array", "items": {"type": "integer", "minimum": 0, "maximum": INT64["maximum"]}}
        return {"description": column.doc, "type": "array", "items": items}
    kind = [column.type, "null"] if column.nullable else column.type
    said = narrower.get(column.name, {})
    bounds = {"integer": INT64, "string": said, "object": said}.get(column.type, {})
    return {"description": column.doc, "type": "array", "items": {"type": kind, **bounds}}


def _integer(doc: str, **bounds: int) -> Document:
    return {"description": doc, "type": "integer", **(INT64 | bounds)}


def _object(doc: str, properties: dict[str, Document], optional: Sequence[str] = ()) -> Document:
    """An object that has these properties and no others."""
    required = [name for name in properties if name not in optional]
    return {
        "description": doc,
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": False,
    }


SINCE_TRACES = (
    "call_hold_ns",
    "trace_settle_ns",
    "trace_idle_ns",
    "max_trace_spans",
    "max_open_spans",
    "max_traces",
    "trace_longest_ns",
)
"""What a policy written before there were traces lacks."""


def _policy() -> Document:
    return _object(
        "what is promised for a window",
        {
            "window_ns": _integer("length", minimum=1),
            "allowed_lateness_ns": _integer("how long after its end a window still takes spans", minimum=0),
            "out_of_orderness_ns": _integer("how far the watermark stays behind the slowest source", minimum=0),
            "max_ahead_ns": _integer("a span ending later than this after its record was appended is not counted", minimum=0),
            "max_series": _integer("series per partition and window", minimum=1),
            "source_patience_ns": _integer("log time a silent source may hold finality back", minimum=0),
            "outage_ns": _integer("a log silent for longer had nobody to tick it", minimum=0),
            "call_hold_ns": _integer("how long a call waits for other spans that tell of it", minimum=0),
            "trace_settle_ns": _integer("how long after its last span a trace is over, its root seen", minimum=0),
            "trace_idle_ns": _integer("the same of a trace whose root was not seen", minimum=0),
            "max_trace_spans": _integer("a trace of more is cut", minimum=0),
            "max_open_spans": _integer("spans of open traces; beyond, the oldest are cut", minimum=0),
            "max_traces": _integer("traces remembered; beyond, the oldest are forgotten", minimum=0),
            "trace_longest_ns": _integer("how long after its first span a trace is cut", minimum=0),
        },
        optional=SINCE_TRACES,
    )


def _progress() -> Document:
    mark = _object("how far a source has come", {"event_ns": _integer("event time"), "heard_ns": _integer("log time")})
    clock = {
        "appended_ns": _integer("append time of the last message"),
        "lived_ns": _integer("log time passed, long silences cut"),
        "ticks_from_ns": _integer("append time from which ticks count again after an outage"),
        "sources": {
            "description": "log id and mark of each source",
            "type": "array",
            "items": {"type": "array", "prefixItems": [{"type": "string"}, mark], "minItems": 2, "maxItems": 2},
        },
    }
    era = _object(
        "a policy, and when it begins", {"from_ns": _integer("event time"), "policy": _policy(), "since": _integer("offset")}
    )
    clock_and_rules = {
        "clock": _object("what the log had said about time", clock),
        "eras": {"description": "the rules in force", "type": "array", "items": era},
    }
    stood = {"watermark_ns": _integer("event time passed"), "whole_ns": _integer("windows of traces that end by then are whole")}
    begin = _object("what stood at committed", stood | clock_and_rules, optional=("whole_ns",))
    unending = _object(
        "a trace that is over and never falls silent",
        {
            "trace_id": {"type": "string", **NARROWER["trace_id"]},
            "route": {"description": "what its late calls take from it", "type": "string"},
            "cohort": {"description": "the same", "type": "string"},
            "heard_ns": _integer("event time of its last span so far"),
        },
    )
    document = _object(
        "The reader takes the largest folded of all generations, and the largest committed.",
        {
            "committed": _integer("first offset still held: what may be acknowledged ends here"),
            "folded": _integer("offset up to which every row has had its verdict; never decreases"),
            "watermark_ns": _integer("event time the partition has passed; never decreases"),
            "generation": _integer("generation of the consumer group that wrote it"),
            **clock_and_rules,
            "begin": {"oneOf": [{"type": "null"}, begin]},
            "unending": {
                "description": "traces that began before committed and are over for whoever folds from there",
                "type": "array",
                "items": unending,
                "maxItems": MOST_UNENDING,
            },
            "beside": {"description": "what else the stage must know of folded, JSON of its own", "type": "string"},
            "stood": {"description": "what else stood at committed, likewise", "type": "string"},
        },
        optional=("beside", "stood", "clock", "eras", "begin", "unending"),
    )
    return {"$schema": DRAFT, "title": "How far one partition of spans has come"} | document


def _ticks() -> Document:
    times = {"description": "time before which all its records are in this log, in the same order"}
    document = _object(
        "A message of spans with the key `ticks`: which sources there are, and how far some of them are read.",
        {
            "topic": {"description": "name of the topic of OTLP records", "type": "string", "pattern": "^[a-zA-Z0-9._-]{1,249}$"},
            "epoch": {"description": "its incarnation", "type": "string", "pattern": "^[a-zA-Z0-9+/=._-]{1,40}$"},
            "partitions": _integer("how many it has", minimum=0, maximum=MOST_SOURCES),
            "partition": {"description": "partitions read", "type": "array", "items": _integer("one", minimum=0)},
            "read_to_ns": times | {"type": "array", "items": _integer("nanoseconds since 1970", minimum=0)},
        },
    )
    return {"$schema": DRAFT, "title": "Ticks of decode", EQUAL_LENGTHS: True} | document


def _frontier() -> Document:
    boundary = {"minimum": BEGINNING, "maximum": END_OF_TIME}
    source = {"description": "log id of the partition read", "type": "string", "pattern": "^[a-zA-Z0-9._-]{1,249}:[0-9]+:.+$"}
    document = _object(
        "A message of panes with the key `frontier`, in every partition. It may come again; of a source the largest times hold.",
        {
            "source": source,
            "partitions": _integer("how many its topic has: so many sources there are", minimum=1),
            "family": {"description": "whose windows", "enum": list(get_args(Family))},
            "on_time_ns": _integer("of every window that ends by then, what the source has on time stands before", **boundary),
            "final_ns": _integer("of every window that ends by then, all that the source has stands before", **boundary),
            "revision": _integer("offset up to which the source was folded", minimum=0),
        },
    )
    return {"$schema": DRAFT, "title": "How far a source of panes has come"} | document


def _window_settings() -> Document:
    policy = _policy()
    one_row = {
        name: {"type": "array", "items": said, "minItems": 1, "maxItems": 1} for name, said in policy["properties"].items()
    }
    return {"$schema": DRAFT, "title": "A message of spans with the key `window-settings`"} | policy | {"properties": one_row}


SLICED = tuple(name for name in SERIES if name not in ("environment", "route"))

OF_ALERTS: dict[str, Document] = {
    "id": {"pattern": "^[0-9a-f]{32}@.+:[0-9]+:[^:]+:[0-9]+:[0-9]+$"},
    "fingerprint": {"pattern": "^[0-9a-f]{32}$"},
    "contract_hash": {"pattern": "^([0-9a-f]{32})?$"},
    "kind": {"enum": [*AlertKind]},
    "state": {"enum": [*AlertState]},
    "tier": {"enum": [*Tier]},
    "extent": {"enum": [*Extent]},
    "severity": {"enum": [*Severity]},
    "direction": {"enum": ["", *Direction]},
    "baseline": {"enum": ["", *Baseline]},
    "slice": {
        "properties": {name: {"type": "string"} for name in SLICED},
        "additionalProperties": False,
    },
}
"""What a field of an alert keeps beyond its type."""


def _alerts() -> Document:
    """A CloudEvent; what it may say beside is none of ours."""
    text = {"type": "string", "minLength": 1}
    data = {
        column.name: {
            "description": column.doc,
            "type": [column.type, "null"] if column.nullable else column.type,
            **(INT64 if column.type == "integer" else OF_ALERTS.get(column.name, {})),
        }
        for column in ALERTS
    }
    document = _object(
        "A CloudEvent 1.0 in structured JSON. Its data has no infinite numbers; null is what is not known.",
        {
            "specversion": {"const": "1.0"},
            "id": text | {"description": "with source the one of this alert; a repeat has the same", **OF_ALERTS["id"]},
            "source": {"const": SOURCE},
            "type": {"enum": [*TYPES.values()]},
            "subject": text | {"description": "contract, environment, route and rule, percent-encoded, slashes between"},
            "time": {"type": "string", "format": "date-time", "description": "event time that decided"},
            "datacontenttype": {"const": "application/json"},
            "data": _object("the alert", data),
        },
    )
    return {"$schema": DRAFT, "title": "Alerts: what is said of promises"} | document


BLOCKS: dict[str, tuple[str, Sequence[Column]]] = {
    "spans": ("Decoded spans, requests and others", SPANS),
    "panes": ("Firings of windows, one row for each series", PANES),
    "trace-panes": (
        "Windows of traces that are over, one row for each series; messages of panes with the key `traces`",
        TRACE_PANES,
    ),
    "traces": ("Traces that are over, each written once", TRACES),
    "repeats": ("Spans that tell of a call another span stands for", REPEATS),
    "samples": ("Spans of the traces chosen for evaluation, with their content", SAMPLES),
    "scores": ("What evaluators say of traces", SCORES),
    "score-panes": ("Windows of scores, one row for each series; messages of panes with the key `scores`", SCORE_PANES),
    "counted-scores": ("Scores that count", COUNTED_SCORES),
    "ledger": ("Verdicts: what became of every span", LEDGER),
    "dead-letters": ("Records and spans that could not be understood", DEAD_LETTERS),
    "contracts": ("Contracts, each as it was applied; one row a message", CONTRACTS),
    "standings": ("How promises stand, worst first; one contract a message", STANDINGS),
    "status": ("What the stages measured of themselves", STATUS),
}
"""Title and columns of the blocks, by the name of their topic, or of what the key of its messages makes them."""

NARROWER_OF = {"standings": OF_ALERTS | {"verdict": {"enum": [*Verdict]}}}
"""Blocks whose columns keep something else."""

DOCUMENTS: dict[str, Document] = {name: block(*said, NARROWER_OF.get(name, NARROWER)) for name, said in BLOCKS.items()} | {
    "alerts": _alerts(),
    "progress": _progress(),
    "watch-state": _progress(),
    "ticks": _ticks(),
    "frontier": _frontier(),
    "window-settings": _window_settings(),
}
"""By the name of the topic, or of the key of its messages."""


def render(document: Document) -> str:
    """The document as it is committed."""
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"
