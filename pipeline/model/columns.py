"""The columns of every topic that carries blocks: one table each, in wire order.

A block is a JSON object of equally long arrays (ClickHouse's `JSONColumns`). The JSON Schemas in `schemas/json`, the
ClickHouse tables and the codecs are tested against these tables, so a column has one place to be added.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

SCHEMA_VERSION = 4

SERIES = ("environment", "route", "model", "release", "cohort", "language")
"""The series key, in order. Unknown is the empty string."""

TRACE_SERIES = tuple(name for name in SERIES if name != "model")
"""The series key of a trace, which may ask several models."""

OVERFLOW = "__other__"
"""Every component of the series that takes what the cardinality limit refused."""

REQUEST_KINDS = ("llm", "embedding", "reranker")
"""Kinds of span that are calls of a model: the requests of a pane."""

OTHER_KINDS = ("agent", "chain", "evaluator", "guardrail", "retriever", "tool", "other")

JsonType = Literal["string", "integer", "number", "boolean", "object", "integers"]
"""An object is one of texts by name."""


class Firing(StrEnum):
    """Which of a window's firings a pane row is."""

    EARLY = "early"
    ON_TIME = "on_time"
    LATE = "late"
    FINAL = "final"


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a block. `doc` ends up in the JSON Schema.

    absent: what it stands for in blocks that were written before there was this column; None if there always was, or if it is
    null then. same_as: then it is this other column.
    """

    name: str
    type: JsonType
    doc: str
    nullable: bool = False
    absent: int | str | None = None
    same_as: str = ""


def _strings(*names: str, doc: str) -> tuple[Column, ...]:
    return tuple(Column(name, "string", doc) for name in names)


def _ladder(name: str, doc: str) -> tuple[Column, Column]:
    return (
        Column(f"{name}_bins", "integers", f"{doc}: the bins of the ladder that hold any, rising; none in early panes"),
        Column(f"{name}_bin_counts", "integers", "how many are in each of these bins"),
    )


SPEND: dict[str, str] = {
    "cost_input_nusd": "prompt tokens that came from no cache, audio and images included",
    "cost_cache_read_nusd": "prompt tokens read from the provider's cache",
    "cost_cache_write_nusd": "prompt tokens written to the provider's cache",
    "cost_output_nusd": "completion tokens but for reasoning, audio and images included",
    "cost_reasoning_nusd": "completion tokens spent on reasoning",
}
"""What of a cost by the price book is for which kind of token, in nano-USD. The rest of the cost is for searches, for calls that
are billed by the piece, and what spans claim in one sum.
"""

SPANS: tuple[Column, ...] = (
    Column("trace_id", "string", "32 lower-case hex digits"),
    Column("span_id", "string", "16 lower-case hex digits"),
    Column("parent_span_id", "string", "16 lower-case hex digits, empty for a root"),
    Column("start_ns", "integer", "start, nanoseconds since 1970"),
    Column("end_ns", "integer", "end, nanoseconds since 1970: the event time"),
    *_strings(*SERIES, doc="component of the series key, empty if unknown"),
    Column("model_said", "string", "the model as the span said it, prefixes and paths included", absent=""),
    Column("model_requested", "string", "the model that was asked for, as the span said it", absent=""),
    Column(
        "provider_said", "string", "the provider as the span said it: another word of it where the first bills nobody", absent=""
    ),
    Column("server_host", "string", "host of the server that was asked, as the span said it", absent=""),
    Column("provider", "string", "who bills the call: the price book's id, or the word as said"),
    Column("operation", "string", "chat, embeddings, … as the span said"),
    Column("kind", "string", "llm, embedding, reranker (requests) or what else the span is"),
    Column("session_id", "string", "conversation or session, as the span said"),
    Column("user_hash", "string", "keyed BLAKE2b of the user id, 16 hex digits; empty for no user or no TAILRACE_USER_HASH_KEY"),
    Column("stream", "boolean", "was the answer streamed; null if the span did not say", True),
    Column("status", "string", "ok, error or unset"),
    Column("error_type", "string", "class of the error, empty if none"),
    Column("latency_ns", "integer", "end - start"),
    Column("ttft_ns", "integer", "time to first token; null if not streamed or unknown", True),
    Column("input_tokens", "integer", "all prompt tokens, cached ones included", True),
    Column("output_tokens", "integer", "all completion tokens, reasoning included", True),
    Column("cache_read_tokens", "integer", "prompt tokens read from the provider's cache", True),
    Column("cache_write_tokens", "integer", "prompt tokens written to the provider's cache", True),
    Column("reasoning_tokens", "integer", "completion tokens spent on reasoning", True),
    Column("audio_input_tokens", "integer", "prompt tokens of audio", True),
    Column("audio_output_tokens", "integer", "completion tokens of audio", True),
    Column(
        "usage_rule",
        "string",
        "what decided which tokens lie inside others, e.g. `cache beside: larger`; empty if nothing had to",
        absent="",
    ),
    Column("cache_write_1h_tokens", "integer", "of the tokens written to the cache, those kept for an hour", True),
    Column("image_input_tokens", "integer", "prompt tokens of images", True),
    Column("image_output_tokens", "integer", "completion tokens of images", True),
    Column("searches", "integer", "web searches, or searches of a reranker, that are billed by the piece", True),
    Column("cost_nusd", "integer", "cost in nano-USD; null if unpriced", True),
    *(Column(name, "integer", f"of it, nano-USD: {doc}", absent=0) for name, doc in SPEND.items()),
    Column("span_cost_nusd", "integer", "what the span itself claimed, nano-USD", True),
    Column("cost_source", "string", "book, span, cached, unpriced, or empty where nothing is to be priced"),
    Column("price_version", "string", "version of the price book used"),
    Column("price_rule", "string", "entry, tiers and rule that made the cost, or why there is none", absent=""),
    Column("refusal", "boolean", "did the model refuse; null where it does not apply", True),
    Column("citation", "boolean", "does the answer cite; null where it does not apply", True),
    Column("schema_valid", "boolean", "does the answer keep its schema; null where it does not apply", True),
    Column("finish_reason", "string", "first finish reason"),
    Column("dialect", "string", "vocabulary that named the span's kind"),
    Column("scope_name", "string", "instrumentation scope"),
    Column("response_id", "string", "the provider's id of the response"),
    Column("service_tier", "string", "the provider's service tier"),
    Column("source", "string", "log id of the OTLP record: topic:partition:epoch"),
    Column("offset", "integer", "offset of the OTLP record in its source"),
    Column(
        "recorded_ns",
        "integer",
        "when the OTLP record was appended to its source, nanoseconds since 1970; 0: unknown",
        absent=0,
    ),
    Column("schema_version", "integer", "version of these columns"),
)

TOKENS = (
    "input_tokens",
    "output_tokens",
    "cache_read_tokens",
    "cache_write_tokens",
    "reasoning_tokens",
    "audio_input_tokens",
    "audio_output_tokens",
)

BILLED = ("cache_write_1h_tokens", "image_input_tokens", "image_output_tokens", "searches")
"""What is billed apart but is no column of a pane: parts of TOKENS, and pieces."""

COUNTS: dict[str, str] = {
    "requests": "model calls",
    "errors": "calls that ended in an error",
    "streamed": "calls answered as a stream",
    "refusal_checked": "calls for which a refusal could be decided",
    "refusals": "of these, refusals",
    "citation_checked": "calls for which citations could be decided",
    "citations": "of these, with a citation",
    "schema_checked": "calls with a schema to keep",
    "schema_valid": "of these, valid",
    "unknown_usage": "calls without an error that said neither input nor output tokens",
    "unpriced": "calls that said tokens but whose model has no price, or none to be believed",
}
"""The counting measures of a pane, in order."""

CHECKS = {
    "refusal": ("refusal_checked", "refusals"),
    "citation": ("citation_checked", "citations"),
    "schema_valid": ("schema_checked", "schema_valid"),
}
"""What an answer shows, by column of the spans: of how many calls it is known, and of how many it is true."""

PANES: tuple[Column, ...] = (
    Column("window_start_ns", "integer", "start of the window, inclusive"),
    Column("window_end_ns", "integer", "end of the window, exclusive"),
    *_strings(*SERIES, doc="component of the series key, empty if unknown, __other__ over the cardinality limit"),
    Column("source", "string", "log id of the partition of spans: topic:partition:epoch"),
    Column("revision", "integer", "offset up to which the partition was folded; the largest wins"),
    Column("firing", "string", "early, on_time, late or final"),
    *(Column(name, "integer", doc) for name, doc in COUNTS.items()),
    *(Column(name, "integer", "sum over calls that said it") for name in TOKENS),
    Column("cost_nusd", "string", "sum of costs, nano-USD, decimal digits (128 bits)"),
    *(
        Column(name, "string", f"sum of what these cost, decimal digits (128 bits): {doc}", absent="0")
        for name, doc in SPEND.items()
    ),
    Column("cost_sq", "string", "sum of squared costs, decimal digits (128 bits)"),
    Column("latency_sum_ns", "string", "sum of latencies, decimal digits (128 bits)"),
    Column("latency_sq", "string", "sum of squared latencies, decimal digits (128 bits)"),
    Column("ttft_count", "integer", "calls with a time to first token"),
    Column("ttft_sum_ns", "string", "sum of these, decimal digits (128 bits)"),
    Column("latency_digest", "string", "t-digest of latency_ns: base64 of ClickHouse's quantilesTDigest state"),
    Column("ttft_digest", "string", "t-digest of ttft_ns, same coding"),
    Column("tps_digest", "string", "t-digest of output tokens per second after the first token, same coding"),
    *_ladder("latency", "calls by latency_ns"),
    *_ladder("ttft", "calls by ttft_ns"),
    *_ladder("tps", "calls by thousandths of output tokens per second after the first token"),
    *_ladder("cost", "calls by cost, nano-USD; 0 where it is not known"),
    Column("schema_version", "integer", "version of these columns"),
)

TRACE_COUNTS: dict[str, str] = {
    "traces": "traces that are over",
    "traces_with_calls": "of these, those that call a model: what cost, calls and tokens are over",
    "incomplete": "of these, those whose root was not seen or that were cut",
    "failed": "traces whose root ended in an error",
    "spans": "spans",
    "calls": "model calls, each once",
    "errors": "calls that ended in an error",
    "told_twice": "spans that repeat a call that another stands for",
    "refusals": "calls that were refused",
    "unknown_usage": "calls without an error that said neither input nor output tokens",
    "unpriced": "calls that said tokens but whose model has no price, or none to be believed",
    "unpriced_traces": "traces with such a call, or with one of unknown usage: their cost is known in part",
}
"""The counting measures of a pane of traces, in order."""

TRACES: tuple[Column, ...] = (
    Column("trace_id", "string", "32 lower-case hex digits"),
    *_strings(*TRACE_SERIES, doc="what the root says, else the first span that says it; empty if none does"),
    Column("first_ns", "integer", "start of the first span, nanoseconds since 1970"),
    Column("last_ns", "integer", "end of the last span, nanoseconds since 1970"),
    Column("closed_ns", "integer", "event time at which the trace had gone quiet; its window holds it"),
    Column("spans", "integer", "spans"),
    Column("calls", "integer", "model calls, each once"),
    Column("errors", "integer", "calls that ended in an error"),
    Column("failed", "boolean", "the root ended in an error"),
    Column("told_twice", "integer", "spans that repeat a call that another stands for"),
    Column("refusals", "integer", "calls that were refused"),
    *(Column(name, "integer", "sum over calls that said it") for name in TOKENS),
    Column("unknown_usage", "integer", "calls without an error that said neither input nor output tokens"),
    Column("unpriced", "integer", "calls that said tokens but whose model has no price, or none to be believed"),
    Column("cost_nusd", "integer", "sum of costs, nano-USD"),
    Column("latency_ns", "integer", "of the root; without one from the first start to the last end"),
    Column("ttft_ns", "integer", "time to first token of the first call that has one", True),
    Column("incomplete", "boolean", "the root was not seen, or the trace was cut"),
    Column("source", "string", "log id of the partition of spans: topic:partition:epoch"),
    Column("first_offset", "integer", "offset of the block with its first span"),
    Column("revision", "integer", "offset up to which the partition was folded"),
    Column("schema_version", "integer", "version of these columns"),
)

TRACE_PANES: tuple[Column, ...] = (
    Column("window_start_ns", "integer", "start of the window, inclusive"),
    Column("window_end_ns", "integer", "end of the window, exclusive"),
    *_strings(*TRACE_SERIES, doc="component of the trace's series, empty if unknown, __other__ over the cardinality limit"),
    Column("source", "string", "log id of the partition of spans: topic:partition:epoch"),
    Column("revision", "integer", "offset up to which the partition was folded; the largest wins"),
    Column("firing", "string", "final: a window of traces is whole when it fires"),
    *(
        Column(name, "integer", doc, same_as="traces" if name == "traces_with_calls" else "")
        for name, doc in TRACE_COUNTS.items()
    ),
    *(Column(name, "integer", "sum over calls that said it") for name in TOKENS),
    Column("cost_nusd", "string", "sum of costs, nano-USD, decimal digits (128 bits)"),
    Column("cost_sq", "string", "sum over traces of squared costs, decimal digits (128 bits)"),
    Column("latency_sum_ns", "string", "sum of latencies, decimal digits (128 bits)"),
    Column("latency_sq", "string", "sum of squared latencies, decimal digits (128 bits)"),
    Column("calls_sq", "string", "sum of squared numbers of calls, decimal digits (128 bits)"),
    Column("ttft_count", "integer", "traces with a time to first token"),
    Column("ttft_sum_ns", "string", "sum of these, decimal digits (128 bits)"),
    Column(
        "cost_digest",
        "string",
        "t-digest of what traces with calls cost, nano-USD: base64 of ClickHouse's quantilesTDigest state",
    ),
    Column("latency_digest", "string", "t-digest of a trace's latency_ns, same coding"),
    Column("calls_digest", "string", "t-digest of the calls of those that have any, same coding"),
    Column("ttft_digest", "string", "t-digest of a trace's ttft_ns, same coding"),
    *_ladder("cost", "traces with calls by cost, nano-USD"),
    *_ladder("latency", "traces by latency_ns"),
    Column("schema_version", "integer", "version of these columns"),
)

REPEATS: tuple[Column, ...] = (
    Column("trace_id", "string", "32 lower-case hex digits"),
    Column("span_id", "string", "the span that repeats a call, 16 lower-case hex digits"),
    Column("counted_by", "string", "the span that stands for the call, 16 lower-case hex digits"),
    Column("rule", "string", "which rule decided: response_id, parent, steps, record, beside"),
    Column("end_ns", "integer", "end of the span that repeats, nanoseconds since 1970"),
    Column("source", "string", "log id of the partition of spans: topic:partition:epoch"),
    Column("revision", "integer", "offset up to which the partition was folded"),
    Column("schema_version", "integer", "version of these columns"),
)

SAMPLES: tuple[Column, ...] = (
    Column("trace_id", "string", "32 lower-case hex digits"),
    Column("span_id", "string", "16 lower-case hex digits"),
    Column("parent_span_id", "string", "16 lower-case hex digits, empty for a root"),
    Column("start_ns", "integer", "start, nanoseconds since 1970"),
    Column("end_ns", "integer", "end, nanoseconds since 1970: the event time"),
    *_strings(*SERIES, doc="component of the series key, empty if unknown"),
    Column("kind", "string", "llm, embedding, reranker (requests) or what else the span is"),
    Column("status", "string", "ok, error or unset"),
    Column("finish_reason", "string", "first finish reason"),
    Column("refusal", "boolean", "did the model refuse; null where it does not apply", True),
    Column("citation", "boolean", "does the answer cite; null where it does not apply", True),
    Column("schema_valid", "boolean", "does the answer keep its schema; null where it does not apply", True),
    Column("question", "string", "what the user wrote last, of a call, an agent or a chain; user text"),
    Column("answer", "string", "what was answered; user text"),
    Column("documents", "string", "JSON list of the texts a retriever found, in order, empty if none; user text"),
    Column("tool_name", "string", "name of the tool that ran"),
    Column("tool_arguments", "string", "what it was given; user text"),
    Column("tool_result", "string", "what it gave; user text"),
    Column("output_schema", "string", "the JSON Schema that the answer is to keep, empty if the request had none"),
    Column("wants_json", "boolean", "the answer is to be JSON"),
    Column("cut", "boolean", "some of its texts are longer than TAILRACE_SAMPLE_TEXT_BYTES, or their redaction failed"),
    Column("ceiling", "number", "share of the traces whose spans are written here, as it was in force"),
    Column("source", "string", "log id of the OTLP record: topic:partition:epoch"),
    Column("offset", "integer", "offset of the OTLP record in its source"),
    Column("recorded_ns", "integer", "when the OTLP record was appended to its source, nanoseconds since 1970; 0: unknown"),
    Column("schema_version", "integer", "version of these columns"),
)
"""A span of a trace that was chosen, with its content. The one block that holds users' text."""

SCORES: tuple[Column, ...] = (
    Column("trace_id", "string", "32 lower-case hex digits"),
    *_strings(*SERIES, doc="component of the series of the trace; its model is that of the answer"),
    Column("evaluator", "string", "name of the evaluator"),
    Column("evaluator_version", "string", "version of the evaluator: another one is another series"),
    Column("scorer", "string", "who scored: evaluate, or who else says so"),
    Column("status", "string", "ok, failed, skipped, over_budget, invalid or timeout; only ok has a value"),
    Column("value", "number", "the score, from 0 to 1, 1 is best", True),
    Column("passed", "boolean", "does it keep the evaluator's threshold", True),
    Column("label", "string", "the word the evaluator chose, of its own closed set"),
    Column("status_reason", "string", "why there is no value, in words of ours"),
    Column("explanation", "string", "the judge's own words, cut; empty unless the evaluator's `explain`: may repeat users' text"),
    Column("inclusion_probability", "number", "share of the traces of this slice that are judged so, as it was in force"),
    Column("control", "number", "value of groundedness_lexical for the same trace, null where it has none", True),
    Column("control_probability", "number", "share of the traces that have such a value"),
    Column("incomplete", "boolean", "the root was not seen, or the trace or one of its texts was cut"),
    Column("trace_ns", "integer", "end of the last span of the trace, nanoseconds since 1970"),
    Column("judge_model", "string", "the model that judged, empty without one"),
    Column("prompt_hash", "string", "hash of the words it was asked with"),
    Column("judge_input_tokens", "integer", "prompt tokens of the judge, retries included"),
    Column("judge_output_tokens", "integer", "completion tokens of the judge, retries included"),
    Column("judge_cost_nusd", "integer", "cost of the judge, nano-USD; null if unpriced or without one", True),
    Column("source", "string", "log id of the partition of samples: topic:partition:epoch"),
    Column("offset", "integer", "offset of the message that closed the trace"),
    Column("settled", "integer", "every score of an offset below this is in the log, before this row"),
    Column("schema_version", "integer", "version of these columns"),
)
"""What an evaluator says of one trace. The first in the log with its trace, evaluator, version and scorer counts."""

LEDGER: tuple[Column, ...] = (
    Column("stage", "string", "decode (per OTLP record) or aggregate (per span block)"),
    Column("source", "string", "log id: topic:partition:epoch"),
    Column("offset", "integer", "offset of the record in its source"),
    Column("time_ns", "integer", "the record's own timestamp"),
    Column("spans", "integer", "spans in"),
    Column("rows", "integer", "decode: rows out"),
    Column("dead", "integer", "decode: dead letters"),
    Column("not_understood", "integer", "decode: rows that look like calls of a model in words nobody knows", absent=0),
    Column("names", "string", "decode: of these the names of the attributes of the most frequent kind, never values", absent=""),
    Column("contradictions", "integer", "decode: rows whose tokens or total do not add up by any rule", absent=0),
    Column("counted", "integer", "aggregate: rows counted"),
    Column("duplicate", "integer", "aggregate: rows seen before"),
    Column("too_late", "integer", "aggregate: rows of a window already final"),
    Column("ahead_of_clock", "integer", "aggregate: rows that end too far after they were appended"),
    Column("late_for_trace", "integer", "aggregate: of those counted, rows whose trace was over", absent=0),
    Column("outside_nusd", "integer", "aggregate: cost of the calls among these, in no trace's row, nano-USD", absent=0),
)

DEAD_LETTERS: tuple[Column, ...] = (
    Column("source", "string", "log id: topic:partition:epoch"),
    Column("offset", "integer", "offset of the record in its source"),
    Column("index", "integer", "position of the span in the record, -1 for the whole record"),
    Column("count", "integer", "1, or how many spans of this record and reason end here, the first of them at index", absent=1),
    Column("reason", "string", "one of pipeline.model.reasons"),
    Column("detail", "string", "what exactly, without user text"),
    Column("time_ns", "integer", "the record's own timestamp"),
    Column("size_bytes", "integer", "size of the record"),
    Column("head_hash", "string", "BLAKE2b of the first 256 bytes: groups equal failures"),
    Column("raw", "string", "base64 of the record, only if the operator asked for it"),
)

STATUS: tuple[Column, ...] = (
    Column("time_ns", "integer", "when it was measured, wall clock"),
    Column("stage", "string", "decode, aggregate, sink"),
    Column("source", "string", "topic:partition it speaks of, or empty"),
    Column("metric", "string", "lag, watermark_delay_ns, freshness_ns, open_windows, series, overflow, …"),
    Column("value", "number", "the value in the unit the metric's name says"),
)
