"""What users said, and who they are, gets into no row and no dead letter, wherever a sender may put it."""

from collections.abc import Iterator
from typing import Any

import orjson
import pytest

from pipeline.operators.decode.accounts import dead_letter
from pipeline.operators.dialects.vocabulary import ANSWER_FIELDS, CLASSES, IDS, REQUEST_FIELDS, field_paths
from pipeline.operators.log_marks import read_settings, read_ticks
from pipeline.operators.siphash import key_of
from pipeline.operators.span_columns import read_span_block
from tests.otlp import decoder, record, rows
from tests.spans import block
from tests.spans import span as row_of_span
from tests.unit.test_decode_bad_input import START_NS, decode, json_request, json_span, only, request, span

SAID = "TELLME why 'it' hurts?"
"""What a user said."""

CONTENT = [
    "gen_ai.input.messages", "gen_ai.output.messages", "gen_ai.prompt.0.content", "gen_ai.completion.0.content",
    "gen_ai.system_instructions", "gen_ai.tool.call.arguments", "input.value", "output.value", "exception.message",
    "llm.input_messages.0.message.content", "llm.prompts", "traceloop.entity.input", "traceloop.entity.output",
]  # fmt: skip
"""Where instrumentors put it."""


def places() -> list[str]:
    """Attributes of a span that may hold text of users: content, and the words, ids and users of every dialect."""
    asked = [
        path.name
        for field in sorted(CLASSES | IDS | {"user_id", *ANSWER_FIELDS, *REQUEST_FIELDS})
        for path in field_paths(field)
        if path.where == "span"
    ]
    return [*CONTENT, *asked]


@pytest.mark.parametrize("place", places())
def test_no_attribute_carries_what_was_said(place: str) -> None:
    made = span(1, {place: SAID}, name=SAID)
    made.status.message = SAID
    made.events.add(name=SAID, time_unix_nano=START_NS + 1).attributes.add(key="exception.message").value.string_value = SAID
    assert "TELLME" not in repr(only(decode(request(made))))


def test_nor_does_a_list_or_a_document() -> None:
    made = span(1, {"metadata": orjson.dumps({"prompt": SAID}).decode()})
    made.attributes.add(key="gen_ai.response.finish_reasons").value.array_value.values.add().string_value = SAID
    row = only(decode(request(made)))
    assert row["finish_reason"] == "other"
    assert "TELLME" not in repr(row)


@pytest.mark.parametrize(
    "word",
    ["ValueError", "openai.RateLimitError", "_OTHER", "429", "-32603", "content_filter", "MAX_TOKENS", "FinishReason.STOP",
     "*url.Error", "std::io::Error", "github.com/a/b.Err", "Outer$Inner", "A+B", "timed-out", "e" * 80],
)  # fmt: skip
@pytest.mark.parametrize(("name", "column"), [("error.type", "error_type"), ("gen_ai.response.finish_reason", "finish_reason")])
def test_a_word_for_a_class_is_kept(name: str, column: str, word: str) -> None:
    assert only(decode(request(span(1, {name: word}))))[column] == word


@pytest.mark.parametrize(
    "text",
    ["openai.BadRequestError: no", "it hurts", "it hurts.", "größe", "e" * 81, "a..b", "/home/me", "https://a.b/c", "me@a.b",
     "4111111111", '{"a":1}', "'a'", "a,b"],
)  # fmt: skip
def test_any_other_text_is_other(text: str) -> None:
    assert only(decode(request(span(1, {"error.type": text}))))["error_type"] == "other"
    assert only(decode(request(span(1, {"error.type": text})), by=decoder(max_text_bytes=16)))["error_type"] == "other"


def test_an_error_that_is_a_number_and_none_at_all() -> None:
    assert [only(decode(request(span(1, {"error.type": of}))))["error_type"] for of in (503, " ", True)] == ["503", "", ""]


def test_an_id_that_is_none_leaves_the_next_place_to_be_asked() -> None:
    row = only(decode(request(span(1, {"gen_ai.conversation.id": SAID, "session.id": "sess-42/7@x"}))))
    assert row["session_id"] == "sess-42/7@x"


def test_who_does_not_know_the_key_cannot_try_names() -> None:
    hashes = [
        [
            only(decode(request(span(1, {"user.id": user})), by=decoder(user_key=key)))["user_hash"]
            for user in ("ann", "ann", "bob", "")
        ]
        for key in (b"one key of tests", b"two key of tests", b"")
    ]
    assert [[len(found) for found in of_key] for of_key in hashes] == [[16, 16, 16, 0], [16, 16, 16, 0], [0, 0, 0, 0]]
    assert all(first == second != third for first, second, third, _ in hashes[:2])
    assert len({found for of_key in hashes for found in of_key}) == 5


def broken_documents() -> Iterator[bytes]:
    """OTLP/JSON requests with what was said in the place of every value, and cut at every byte of it."""
    attribute = {"key": "k", "value": {"arrayValue": {"values": [{"stringValue": "s"}, {"intValue": "1"}, {"boolValue": True}]}}}
    event = {"timeUnixNano": "1", "name": "e", "attributes": [attribute], "droppedAttributesCount": 0}
    link = {"traceId": "00" * 16, "spanId": "00" * 8, "traceState": "", "attributes": [attribute]}
    extra = {"attributes": [attribute], "events": [event], "links": [link], "status": {"code": 1, "message": "m"}}
    whole = orjson.loads(json_request(json_span(1, name="n", kind="SPAN_KIND_CLIENT", flags=1, parentSpanId="00" * 8, **extra)))
    whole["resourceSpans"][0] |= {"resource": {"attributes": [attribute]}, "schemaUrl": ""}
    for instead in (SAID, [SAID], {SAID: SAID}, [{"key": SAID, "value": SAID}]):
        yield from (orjson.dumps(changed) for changed in each_replaced(whole, instead))
    said = orjson.dumps({SAID: [SAID, {"a": SAID}]})
    yield from (said[:cut] for cut in range(1, len(said)))
    yield from (said[:cut] + wrong + said[cut:] for cut in range(1, len(said)) for wrong in (b'"', b"\x01", b"\xff", b"\\u"))


def each_replaced(value: Any, instead: Any) -> Iterator[Any]:
    """`value` with each of its parts replaced, one at a time."""
    yield instead
    if isinstance(value, dict):
        yield from ({**value, key: changed} for key, part in value.items() for changed in each_replaced(part, instead))
    if isinstance(value, list):
        yield from (
            [*value[:i], changed, *value[i + 1 :]] for i, part in enumerate(value) for changed in each_replaced(part, instead)
        )


def test_no_dead_letter_quotes_its_record() -> None:
    batch = [record(value, i, "application/json") for i, value in enumerate(broken_documents())]
    decoded = decoder().decode(batch)
    letters = [dead_letter(dead, keep_raw=False) for dead in decoded.dead]
    assert len({letter["detail"] for letter in letters}) > 20
    assert "TELLME" not in repr(letters)
    assert "TELLME" not in repr([{**row, "source": ""} for row in rows(decoded)])


@pytest.mark.parametrize(
    ("header", "detail"),
    [(SAID, "other"), ("text/" + "x" * 80, "other"), ("\x00", "other"), ("Application/vnd.a+b; q=1", "application/vnd.a+b")],
)
def test_nor_its_header(header: str, detail: str) -> None:
    (dead,) = decode(request(span(1)), content_type=header).dead
    assert dead.detail == detail


def test_nor_does_the_dead_letter_of_a_block() -> None:
    whole = orjson.loads(block([row_of_span(1, START_NS)]))
    blocks = [orjson.dumps(changed) for instead in (SAID, [SAID], {SAID: 1}) for changed in each_replaced(whole, instead)]
    ticks = {"topic": "t", "epoch": "e", "partitions": 1, "partition": [0], "read_to_ns": [1]}
    marks = [orjson.dumps(changed) for instead in (SAID, [SAID]) for changed in each_replaced(ticks, instead)]
    complaints = []
    for value, read in [
        *((value, lambda value: read_span_block(value, key_of("log"))) for value in blocks),
        *((value, read) for value in marks for read in (read_ticks, lambda value: read_settings(value, 1))),
    ]:
        try:
            read(value)
        except ValueError as error:
            complaints.append(str(error))
    assert len(complaints) > 100
    assert not [text for text in complaints if "TELLME" in text]
