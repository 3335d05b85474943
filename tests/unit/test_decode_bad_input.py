"""What cannot be understood is a dead letter with its reason, a null, or is kept; it never costs its neighbours.

Every test also holds law (a): per record, spans in = rows out + dead.
"""

import gzip
from collections import Counter
from itertools import pairwise
from typing import Any

import orjson
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from pipeline.model.reasons import Reason
from pipeline.model.stream import Record
from pipeline.operators.decode.accounts import dead_letter
from pipeline.operators.decode.spans import Decoded, Decoder
from pipeline.operators.dialects.series import read_series
from pipeline.operators.siphash import key_of
from pipeline.operators.span_columns import read_span_block
from pipeline.stages.decode import Decode, Outputs
from tests.otlp import DAY_NS, DECODER, RECORDED_NS, SOURCE, decoder, keeps_law_a, record, rows

START_NS = 1_795_405_220_000_000_000

FIRST_NS = 946_684_800 * 10**9
"""The beginning of the year 2000."""

LAST_NS = (1 << 62) - 1
"""The last time there is: aggregate can read it."""


def span(number: int = 1, attributes: dict[str, Any] | None = None, **changes: Any) -> Span:
    """A streamed-or-not chat of 400 ms, changed where the test says."""
    made = Span(
        trace_id=number.to_bytes(16, "big"),
        span_id=number.to_bytes(8, "big"),
        start_time_unix_nano=START_NS,
        end_time_unix_nano=START_NS + 400_000_000,
    )
    for name, value in ({"gen_ai.operation.name": "chat", "gen_ai.request.model": "gpt-4o-mini"} | (attributes or {})).items():
        kind = {str: "string_value", bool: "bool_value", int: "int_value", float: "double_value", bytes: "bytes_value"}
        setattr(made.attributes.add(key=name).value, kind[type(value)], value)
    for name, value in changes.items():
        setattr(made, name, value)
    return made


def request(*spans: Span, resource: dict[str, str] | None = None) -> bytes:
    """One request with these spans."""
    made = ExportTraceServiceRequest()
    holder = made.resource_spans.add()
    for name, text in (resource or {}).items():
        holder.resource.attributes.add(key=name).value.string_value = text
    holder.scope_spans.add().spans.extend(spans)
    return bytes(made.SerializeToString())


def json_request(*spans: Any) -> bytes:
    """One OTLP/JSON request with these spans."""
    return orjson.dumps({"resourceSpans": [{"scopeSpans": [{"spans": list(spans)}]}]})


def json_span(number: int, **changes: Any) -> dict[str, Any]:
    """A span in OTLP/JSON."""
    times = {"startTimeUnixNano": str(START_NS), "endTimeUnixNano": START_NS + 1}
    return {"traceId": f"{number:032x}", "spanId": f"{number:016X}", **times, **changes}


def decode(*values: bytes | None, by: Decoder = DECODER, content_type: str = "") -> Decoded:
    """A batch of records."""
    decoded = by.decode([record(value, offset, content_type) for offset, value in enumerate(values)])
    assert keeps_law_a(decoded)
    return decoded


def only(decoded: Decoded) -> dict[str, Any]:
    """The one row of a batch without dead letters."""
    assert not decoded.dead
    (row,) = rows(decoded)
    return row


WHOLE: dict[Reason, tuple[bytes, str, Decoder]] = {
    Reason.UNKNOWN_ENCODING: (gzip.compress(request(span())), "", DECODER),
    Reason.MALFORMED_PROTOBUF: (request(span())[:-1], "", DECODER),
    Reason.MALFORMED_JSON: (b'{"resourceSpans": [', "", DECODER),
    Reason.TOO_LARGE: (request(span(attributes={"input.value": "x" * 2000})), "", decoder(max_record_bytes=1500)),
    Reason.TOO_MANY_SPANS: (request(span(1), span(2), span(3)), "", decoder(max_spans=2)),
}
"""A whole record that dies: its bytes, its content-type, who decodes it."""

SINGLE: dict[Reason, dict[str, Any]] = {
    Reason.BAD_TRACE_ID: {"trace_id": bytes(16)},
    Reason.BAD_SPAN_ID: {"span_id": b"short"},
    Reason.MISSING_TIME: {"end_time_unix_nano": 0},
    Reason.IMPLAUSIBLE_TIME: {"start_time_unix_nano": START_NS // 10**6},
    Reason.NEGATIVE_DURATION: {"end_time_unix_nano": START_NS - 1},
    Reason.TOO_LONG: {"end_time_unix_nano": START_NS + 7 * DAY_NS + 1},
    Reason.BEYOND_HORIZON: {"start_time_unix_nano": RECORDED_NS + 100 * DAY_NS, "end_time_unix_nano": RECORDED_NS + 101 * DAY_NS},
}
"""One span that dies: what is wrong with it."""


def usage(prompt: int) -> dict[str, int]:
    """What a call of so many prompt tokens and one answered says."""
    return {"gen_ai.usage.input_tokens": prompt, "gen_ai.usage.output_tokens": 1}


MORE_SINGLE = [
    (Reason.BAD_TRACE_ID, {"trace_id": b""}),
    (Reason.BAD_TRACE_ID, {"trace_id": bytes(range(17))}),
    (Reason.BAD_SPAN_ID, {"span_id": bytes(8)}),
    (Reason.BAD_SPAN_ID, {"parent_span_id": b"parent"}),
    (Reason.MISSING_TIME, {"start_time_unix_nano": 0}),
    (Reason.MISSING_TIME, {"end_time_unix_nano": (1 << 64) - 1}),
    (Reason.IMPLAUSIBLE_TIME, {"start_time_unix_nano": 1, "end_time_unix_nano": 1}),
    (Reason.IMPLAUSIBLE_TIME, {"end_time_unix_nano": START_NS // 10**6}),
    (Reason.IMPLAUSIBLE_TIME, {"start_time_unix_nano": FIRST_NS - 1, "end_time_unix_nano": FIRST_NS - 1}),
    (Reason.BEYOND_HORIZON, {"start_time_unix_nano": FIRST_NS, "end_time_unix_nano": FIRST_NS}),
    (Reason.BEYOND_HORIZON, {"start_time_unix_nano": LAST_NS, "end_time_unix_nano": LAST_NS}),
    (Reason.MISSING_TIME, {"start_time_unix_nano": LAST_NS + 1, "end_time_unix_nano": LAST_NS + 1}),
]


@pytest.mark.parametrize("reason", WHOLE, ids=lambda reason: reason.value)
def test_a_record_dies_alone(reason: Reason) -> None:
    value, content_type, by = WHOLE[reason]
    decoded = decode(request(span(1)), value, request(span(2)), by=by, content_type=content_type)
    assert [(d.record.offset, d.index, d.reason) for d in decoded.dead] == [(1, -1, reason)]
    assert [row["offset"] for row in rows(decoded)] == [0, 2]
    assert [(a.spans, a.rows, a.dead) for a in decoded.ledger] == [(1, 1, 0), (1, 0, 1), (1, 1, 0)]


@pytest.mark.parametrize(("reason", "changes"), [*SINGLE.items(), *MORE_SINGLE], ids=str)
def test_a_span_dies_alone(reason: Reason, changes: dict[str, Any]) -> None:
    decoded = decode(request(span(1), span(2, **changes), span(3)))
    assert [(d.index, d.reason) for d in decoded.dead] == [(1, reason)]
    assert [row["span_id"] for row in rows(decoded)] == [f"{1:016x}", f"{3:016x}"]


@pytest.mark.parametrize(("recorded_ns", "kept"), [(RECORDED_NS, range(2, 5)), (0, range(1, 6)), (-1_000_000, range(1, 6))])
def test_the_horizon_lies_on_both_sides_of_the_record_and_a_record_without_time_has_none(recorded_ns: int, kept: range) -> None:
    """As files are replayed: they say nothing of when they were written."""
    ends = [RECORDED_NS + away for away in (-DAY_NS - 1, -DAY_NS, 0, DAY_NS, DAY_NS + 1)]
    spans = [span(i + 1, start_time_unix_nano=end - 1, end_time_unix_nano=end) for i, end in enumerate(ends)]
    decoded = decoder(horizon_ns=DAY_NS).decode([Record(SOURCE, 0, recorded_ns, request(*spans))])
    assert keeps_law_a(decoded)
    assert [row["span_id"] for row in rows(decoded)] == [f"{i:016x}" for i in kept]


@pytest.mark.parametrize(
    ("scale", "detail"),
    [
        (10**3, "the start is in microseconds, not nanoseconds"),
        (10**6, "the start is in milliseconds, not nanoseconds"),
        (10**9, "the start is in seconds, not nanoseconds"),
        (10**12, "the start is before the year 2000"),
    ],
)
def test_a_time_nobody_can_mean_says_the_unit_it_looks_like(scale: int, detail: str) -> None:
    """In files too, which have no horizon."""
    made = request(span(start_time_unix_nano=START_NS // scale, end_time_unix_nano=(START_NS + 10**12) // scale))
    (dead,) = DECODER.decode([Record(SOURCE, 0, 0, made)]).dead
    assert (dead.reason, dead.detail) == (Reason.IMPLAUSIBLE_TIME, detail)
    (dead,) = decode(request(span(end_time_unix_nano=START_NS // scale))).dead
    assert (dead.reason, dead.detail) == (Reason.IMPLAUSIBLE_TIME, detail.replace("start", "end"))


def test_whatever_time_a_row_has_aggregate_reads_its_block() -> None:
    """A record without a time has no horizon, so a span of it may end at any time decode takes."""
    times = [{"start_time_unix_nano": ns, "end_time_unix_nano": ns} for ns in (FIRST_NS, LAST_NS, LAST_NS + 1, (1 << 64) - 1)]
    made = request(*(span(i + 1, **changes) for i, changes in enumerate(times)))
    stage = Decode(DECODER, Outputs("spans", "dead", "ledger", spans_partitions=1, side_partitions=1, block_rows=10))
    messages = stage.step([Record(SOURCE, 0, 0, made)], now_ns=0).messages
    (block,) = [message.value for message in messages if message.topic == "spans"]
    assert read_span_block(block, key_of("test")).end_ns.tolist() == [FIRST_NS, LAST_NS]


def test_every_reason_of_decode_has_a_case() -> None:
    of_decode = set(Reason) - {Reason.MALFORMED_BLOCK, Reason.DUPLICATE, Reason.TOO_LATE, Reason.AHEAD_OF_CLOCK}
    assert of_decode == set(WHOLE) | set(SINGLE)


@pytest.mark.parametrize("cut", range(1, 60))
def test_truncated_protobuf(cut: int) -> None:
    decoded = decode(request(span(1))[:-cut], request(span(2)))
    assert [d.reason for d in decoded.dead] == [Reason.MALFORMED_PROTOBUF]
    assert [row["span_id"] for row in rows(decoded)] == [f"{2:016x}"]


def test_a_failed_record_leaves_nothing_behind() -> None:
    """Spans of the next record take the rows of the failed one; they must not take its ids or attributes."""
    full = span(1, {"session.id": "s", "user.id": "u", "route": "r"}, parent_span_id=b"parentid")
    row = only_row = rows(decode(request(full) + b"\x0a\x05", request(span(2))))[0]
    assert only_row["parent_span_id"] == ""
    assert (row["session_id"], row["user_hash"], row["route"]) == ("", "", "")


@pytest.mark.parametrize("value", [b"", None], ids=["empty", "tombstone"])
def test_records_without_spans(value: bytes | None) -> None:
    decoded = decode(value)
    assert (rows(decoded), decoded.dead, [(a.spans, a.rows, a.dead) for a in decoded.ledger]) == ([], [], [(0, 0, 0)])


def test_empty_batch() -> None:
    decoded = decode()
    assert (rows(decoded), decoded.dead, decoded.ledger) == ([], [], [])


@pytest.mark.parametrize(
    ("content_type", "reason"),
    [
        ("text/plain", Reason.UNKNOWN_ENCODING),
        ("application/json", Reason.MALFORMED_JSON),
        ("application/x-protobuf", None),
        ("Application/Protobuf; charset=utf-8", None),
    ],
)
def test_content_type_decides(content_type: str, reason: Reason | None) -> None:
    dead = decode(request(span()), content_type=content_type).dead
    assert [d.reason for d in dead] == ([] if reason is None else [reason])


def test_a_protobuf_request_that_looks_like_json() -> None:
    """A request begins with 0x0a, a newline, and a length, which may be `{`."""
    bare = span()
    del bare.attributes[:]
    value = next(v for v in (request(bare, resource={"pad": "x" * n}) for n in range(100)) if v[1:2] == b"{")
    assert only(decode(value))["span_id"] == bare.span_id.hex()


def test_json_with_blanks_before_it() -> None:
    assert only(decode(b" \t" + json_request(json_span(1))))["span_id"] == f"{1:016x}"


BAD_JSON_SPANS: dict[str, Any] = {
    "text": "span",
    "null": None,
    "array": [],
    "time": json_span(9, startTimeUnixNano="soon"),
    "negative time": json_span(9, startTimeUnixNano=-1),
    "attributes": json_span(9, attributes="a=1"),
    "key": json_span(9, attributes=[{"key": 5}]),
    "deep": json_span(9, attributes=[{"key": "a", "value": "DEEP"}]),
}


@pytest.mark.parametrize("bad", BAD_JSON_SPANS.values(), ids=BAD_JSON_SPANS)
def test_a_bad_json_span_among_good_ones(bad: Any) -> None:
    deep = b'{"arrayValue":{"values":[' * 90 + b"{}" + b"]}}" * 90
    decoded = decode(json_request(json_span(1), bad, json_span(3)).replace(b'"DEEP"', deep))
    assert [(d.index, d.reason) for d in decoded.dead] == [(1, Reason.MALFORMED_JSON)]
    assert [row["span_id"] for row in rows(decoded)] == [f"{1:016x}", f"{3:016x}"]


def test_the_detail_of_a_bad_json_span_holds_no_user_text() -> None:
    (dead,) = decode(json_request(json_span(1, startTimeUnixNano="my secret"))).dead
    assert dead.detail == "Span.start_time_unix_nano is not an integer"


def test_a_json_span_with_an_id_that_is_not_hex() -> None:
    decoded = decode(json_request(json_span(1, traceId="zz"), json_span(2)))
    assert [(d.index, d.reason) for d in decoded.dead] == [(0, Reason.BAD_TRACE_ID)]


@pytest.mark.parametrize("value", [b"[]", b"[1]", b'{"resourceSpans": 1}', b'{"resourceSpans": ["x"]}', b"{" * 5000])
def test_json_that_is_no_request(value: bytes) -> None:
    assert [(d.index, d.reason) for d in decode(value).dead] == [(-1, Reason.MALFORMED_JSON)]


@pytest.mark.parametrize(
    ("attributes", "column", "expected"),
    [
        ({"gen_ai.usage.input_tokens": "57", "gen_ai.usage.output_tokens": 19.0}, "input_tokens", 57),
        ({"gen_ai.usage.input_tokens": "many", "gen_ai.usage.output_tokens": 19}, "input_tokens", None),
        ({"gen_ai.usage.input_tokens": -5, "gen_ai.usage.output_tokens": 19}, "input_tokens", None),
        ({"gen_ai.usage.input_tokens": 1 << 40, "gen_ai.usage.output_tokens": 19}, "input_tokens", None),
        ({"gen_ai.usage.input_tokens": True, "gen_ai.usage.output_tokens": 19}, "input_tokens", None),
        ({"gen_ai.usage.input_tokens": -5, "llm.token_count.prompt": 57}, "input_tokens", 57),
        (
            {"gen_ai.usage.input_tokens": 0, "gen_ai.usage.output_tokens": 0, "gen_ai.usage.cache_read.input_tokens": 3},
            "cost_source",
            "",
        ),
        ({"gen_ai.usage.input_tokens": 0, "gen_ai.usage.output_tokens": 0}, "input_tokens", None),
        ({"gen_ai.usage.input_tokens": 0, "gen_ai.usage.output_tokens": 3}, "input_tokens", 0),
        ({"gen_ai.request.model": True}, "model", ""),
        ({"gen_ai.request.model": 4.5}, "model", ""),
        ({"gen_ai.request.model": 4}, "model", "4"),
        ({"gen_ai.request.model": b"bytes"}, "model", ""),
        ({"gen_ai.request.model": " \u200bgpt\x1b[0m\n "}, "model", "gpt[0m"),
        ({"gen_ai.request.model": "m" * 300}, "model", "m" * 256),
        ({"gen_ai.request.model": "é" * 300}, "model", "é" * 128),
        ({"gen_ai.request.stream": "False", "gen_ai.response.time_to_first_chunk": 0.1}, "ttft_ns", None),
        ({"gen_ai.request.stream": "maybe", "gen_ai.response.time_to_first_chunk": 0.1}, "stream", True),
        ({"gen_ai.response.time_to_first_chunk": 0.1}, "stream", True),
        ({"gen_ai.response.time_to_first_chunk": 0.4}, "ttft_ns", 400_000_000),
        ({"gen_ai.response.time_to_first_chunk": 0.400000001}, "ttft_ns", None),
        ({"gen_ai.response.time_to_first_chunk": -0.1}, "stream", None),
        ({"gen_ai.response.time_to_first_chunk": float("nan")}, "ttft_ns", None),
        ({"gen_ai.response.time_to_first_chunk": float("inf")}, "ttft_ns", None),
        ({"gen_ai.response.time_to_first_chunk": 0.0}, "ttft_ns", 0),
        ({"llm.cost.total": "0.25", "gen_ai.request.model": "mine"}, "cost_nusd", 250_000_000),
        ({"llm.cost.total": 10_000, "gen_ai.request.model": "mine"}, "cost_nusd", 10**13),
        ({"llm.cost.total": 10_000.01, "gen_ai.request.model": "mine"}, "cost_nusd", None),
        ({"llm.cost.total": 10_000.01, "gen_ai.request.model": "mine", **usage(3)}, "cost_source", "unpriced"),
        ({"gen_ai.request.model": "gpt-4o", **usage(10**9)}, "cost_nusd", 2_500 * 10**9 + 10_000),
        ({"gen_ai.request.model": "gpt-4", **usage(10**9)}, "cost_source", "unpriced"),
        ({"gen_ai.request.model": "gpt-4", **usage(10**9), "llm.cost.total": 3}, "cost_source", "span"),
        ({"gen_ai.request.model": "gpt-4o", **usage(10**9 + 1)}, "input_tokens", None),
        ({"llm.cost.total": "much", "gen_ai.request.model": "mine"}, "span_cost_nusd", None),
        ({"openinference.span.kind": "POEM"}, "kind", "llm"),
        ({"openinference.span.kind": "POEM", "gen_ai.operation.name": "execute_tool"}, "kind", "tool"),
        ({"gen_ai.operation.name": "poem_chain"}, "kind", "chain"),
        ({"metadata": '{"route": "rag"}'}, "route", "rag"),
        ({"metadata": '{"route": {"deep": 1}}'}, "route", "svc"),
        ({"metadata": '{"route": null}'}, "route", "svc"),
        ({"metadata": '["route"]'}, "route", "svc"),
        ({"metadata": "{broken"}, "route", "svc"),
        ({"metadata": '{"route": "' + "x" * 70_000 + '"}'}, "route", "svc"),
        ({"metadata": '{"route": "rag"}', "tailrace.route": "told"}, "route", "told"),
        ({"metadata": '{"route": 7}'}, "route", "7"),
        ({}, "route", "svc"),
        ({"route": ""}, "route", "svc"),
    ],
    ids=str,
)
def test_a_value_of_the_wrong_kind_is_not_usable(attributes: dict[str, Any], column: str, expected: Any) -> None:
    assert only(decode(request(span(1, attributes), resource={"service.name": "svc"})))[column] == expected


def invalid_utf8(value: bytes) -> bytes:
    """Text that protobuf's writers refuse, put in over a placeholder of the same length."""
    return value.replace(b"@@@@", b"\xff\xfe\x80\x80")


@pytest.mark.parametrize("name", ["route", "gen_ai.request.model", "nobody.asked", "metadata"])
def test_text_that_is_no_utf8_costs_only_itself(name: str) -> None:
    value = invalid_utf8(request(span(1, {name: "@@@@"}), span(2), resource={"service.name": "svc"}))
    bad, good = rows(decode(value))
    assert (bad["route"], good["route"]) == ("svc", "svc")
    assert bad["model"] == ("" if name == "gen_ai.request.model" else "gpt-4o-mini")


def test_a_name_or_scope_that_is_no_utf8() -> None:
    assert only(decode(invalid_utf8(request(span(1, name="@@@@", trace_state="@@@@")))))["kind"] == "llm"


def test_an_array_is_no_json_object() -> None:
    made = span(1)
    made.attributes.add(key="metadata").value.array_value.values.add().string_value = "not a route"
    made.attributes.add(key="gen_ai.response.finish_reasons").value.array_value.values.add().string_value = "stop"
    row = only(decode(request(made)))
    assert (row["route"], row["finish_reason"]) == ("", "stop")


def test_an_event_outside_the_span_is_no_first_token() -> None:
    for offset, ttft in ((-1, None), (0, 0), (400_000_000, 400_000_000), (400_000_001, None)):
        made = span(1)
        made.events.add(name="First Token Stream Event", time_unix_nano=START_NS + offset)
        row = only(decode(request(made)))
        assert (row["ttft_ns"], row["stream"]) == (ttft, None if ttft is None else True)


@pytest.mark.parametrize("name", ["input.value", "metadata", "route"])
def test_ten_megabytes_in_an_attribute(name: str) -> None:
    row = only(decode(request(span(1, {name: "x" * 10_000_000}))))
    assert row["route"] == ("x" * 256 if name == "route" else "")


def test_a_hundred_thousand_routes() -> None:
    records = [request(*(span(i + 1, {"route": f"route-{i}"}) for i in range(at, at + 5000))) for at in range(0, 100_000, 5000)]
    decoded = decode(*records)
    assert decoded.columns["route"].tolist() == [f"route-{i}" for i in range(100_000)]


def test_short_names_of_attributes() -> None:
    """Attributes of one letter are the smallest; all of them find room in the arrays of a scan."""
    made = span(1)
    for _ in range(2000):
        made.attributes.add(key="u")
    made.attributes.add(key="u").value.string_value = "last"
    by = decoder(series=read_series({"cohort": ["u"]}))
    assert only(decode(request(made), by=by))["cohort"] == "last"


@pytest.mark.parametrize(
    "value",
    [b"\x12\x05hello", b"\x10\x01", b"\x0a\x03\xc2\x3e\x00", b"\x0a\x04\x12\x02\x22\x00"],
    ids=["another message", "a number", "field 1000 of ResourceSpans", "field 4 of ScopeSpans"],
)
def test_a_message_without_spans_that_is_no_empty_request(value: bytes) -> None:
    decoded = decode(value, request(span(1)))
    assert [(d.record.offset, d.index, d.reason) for d in decoded.dead] == [(0, -1, Reason.MALFORMED_PROTOBUF)]
    assert len(rows(decoded)) == 1


@pytest.mark.parametrize("value", [b"\x0a\x00", b"\x0a\x02\x12\x00", b"\x0a\x04\x12\x02\x0a\x00"], ids=lambda value: value.hex())
def test_an_empty_request_is_one(value: bytes) -> None:
    assert decode(value).dead == []


def test_a_million_empty_messages() -> None:
    """Resources and scopes without spans take no room."""
    assert decode(b"\x0a\x00" * 1_000_000 + request(span(1))).columns["span_id"].tolist() == [f"{1:016x}"]
    empty_scopes = b"\x12\x00" * 60
    assert rows(decode((b"\x0a\x78" + empty_scopes) * 10_000)) == []


def test_dead_letters_hold_no_user_text() -> None:
    value = request(span(1, {"input.value": "my secret"}))[:-1]
    (dead,) = decode(value).dead
    letter = dead_letter(dead, keep_raw=False)
    assert (letter["reason"], letter["index"], letter["size_bytes"], letter["raw"]) == ("malformed_protobuf", -1, len(value), "")
    assert "secret" not in repr(letter)
    assert dead_letter(dead, keep_raw=True)["raw"]


def test_order_of_the_log_is_kept() -> None:
    decoded = decode(*(request(span(3 * i + 1), span(3 * i + 2), span(3 * i + 3)) for i in range(20)))
    numbers = [int(row["span_id"], 16) for row in rows(decoded)]
    assert all(later == earlier + 1 for earlier, later in pairwise(numbers))
    assert Counter(row["offset"] for row in rows(decoded)) == dict.fromkeys(range(20), 3)
