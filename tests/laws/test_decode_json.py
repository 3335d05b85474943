"""OTLP/JSON means what protobuf's own JSON mapping says it means, ids apart; and no document breaks the writer."""

import base64
import binascii
from collections.abc import Iterator
from random import Random
from typing import Any

import orjson
import pytest
from google.protobuf.json_format import MessageToDict, ParseDict, ParseError
from google.protobuf.message import DecodeError
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from pipeline.operators.decode.json_values import ID_BYTES
from pipeline.operators.decode.otlp_json import to_protobuf
from tests.laws.otlp_requests import built, mutated
from tests.laws.reference_decoder import Request
from tests.laws.test_decode_agreement import EXAMPLES, PLAYED, pieces
from tests.otlp import RECORDED

ID_NAMES = {*ID_BYTES, "traceId", "spanId", "parentSpanId"}

WRONG: list[Any] = [None, True, 0, -1, 3, 1.0, 1.5, 2**63, 2**64 - 1, "7", "-7", "x", "NaN", "0a", [None], [{}], {"a": 1}]
"""What is put in the place of something else."""


def reference(document: Any) -> Any:
    """The request by protobuf's own mapping. Raises ParseError, also for a few wrong types that it overlooks, for names of
    a status it does not know and where it finds no span but members it does not know.
    """
    _check_types(document, ExportTraceServiceRequest.DESCRIPTOR)
    try:
        request = ParseDict(_ids(document, _base64), ExportTraceServiceRequest(), ignore_unknown_fields=True)
    except (TypeError, AttributeError, binascii.Error) as error:  # json_format on lists where it expects objects
        raise ParseError(str(error)) from error
    if not any(scope.spans for resource in request.resource_spans for scope in resource.scope_spans):
        _refuse_strangers(document)
    return request


def _refuse_strangers(document: Any) -> None:
    """Nothing above the spans has a member that OTLP does not know."""
    for _, known, message in _messages(document):
        if not known.issuperset(message):
            raise ParseError("no span, but something else")


def _messages(document: Any) -> Iterator[tuple[Any, set[str], dict[str, Any]]]:
    level = [(ExportTraceServiceRequest.DESCRIPTOR, document)]
    while level:
        descriptor, message = level.pop()
        if descriptor is Span.DESCRIPTOR:
            continue
        yield descriptor, {name for field in descriptor.fields for name in (field.name, field.json_name)}, message
        for field in descriptor.fields:
            for name in {field.name, field.json_name} if field.is_repeated and field.message_type else ():
                level += [(field.message_type, item) for item in message.get(name) or ()]


def _check_types(value: Any, descriptor: Any) -> None:
    if not isinstance(value, dict):
        raise ParseError(f"{descriptor.name} is not an object")
    for field in descriptor.fields:
        for found in (value.get(field.name), value.get(field.json_name)):
            if field.cpp_type == field.CPPTYPE_DOUBLE and isinstance(found, bool):
                raise ParseError(f"{field.name} is no number")
            if field.enum_type is not None and (isinstance(found, bool) or (isinstance(found, float) and found % 1)):
                raise ParseError(f"{field.name} is no number of an enum")
            if field.enum_type is Status.StatusCode.DESCRIPTOR and isinstance(found, str) and _is_strange(found):
                raise ParseError(f"{field.name} is a name nobody knows")
            if field.message_type is not None and found is not None:
                if field.is_repeated and not isinstance(found, list):
                    raise ParseError(f"{field.name} is not an array")
                for item in found if field.is_repeated else [found]:
                    _check_types(item, field.message_type)


def _is_strange(status: str) -> bool:
    return status not in {"", *Status.StatusCode.keys()} and not status.removeprefix("-").isdigit()


def _base64(text: Any) -> Any:
    try:
        return base64.b64encode(bytes.fromhex(text)).decode() if isinstance(text, str) else text
    except ValueError:
        return ""


def _hex(text: str) -> str:
    return base64.b64decode(text).hex()


def _ids(value: Any, convert: Any) -> Any:
    """The document with every id converted."""
    if isinstance(value, list):
        return [_ids(item, convert) for item in value]
    if isinstance(value, dict):
        return {k: convert(v) if k in ID_NAMES else _ids(v, convert) for k, v in value.items()}
    return value


def document_of(raw: bytes, random: Random) -> Any:
    """A request as OTLP/JSON in one of the ways it may be written, None if protobuf refuses it."""
    try:
        readable = Request.FromString(raw)
        _make_readable(readable)
        request = ExportTraceServiceRequest.FromString(readable.SerializeToString())
    except DecodeError:
        return None
    snake, numbers = random.random() < 0.3, random.random() < 0.7
    written = MessageToDict(request, preserving_proto_field_name=snake, use_integers_for_enums=numbers)
    return _ids(written, _hex)


def _make_readable(message: Any) -> None:
    """Replace what is no UTF-8 in a request of the reference's classes, whose texts are bytes."""
    for field, value in message.ListFields():
        if field.message_type is not None:
            for item in value if field.is_repeated else [value]:
                _make_readable(item)
        elif field.type == field.TYPE_BYTES and not field.is_repeated:
            setattr(message, field.name, value.decode(errors="replace").encode())


def places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every (container, key) of the document."""
    for key, item in enumerate(value) if isinstance(value, list) else value.items() if isinstance(value, dict) else ():
        yield value, key
        yield from places(item)


def assert_same_meaning(document: Any) -> bool:
    """Ours and protobuf's mapping give equal messages; True if the mapping takes the document at all."""
    text = orjson.dumps(document)
    try:
        payload, wrong = to_protobuf(text)
        ours = ExportTraceServiceRequest.FromString(payload)
    except ValueError:
        ours, wrong = None, {}
    try:
        theirs = reference(orjson.loads(text))
    except ParseError:
        return False
    # NaN is not equal to itself, its bytes are.
    assert ours is not None, text
    assert not wrong, text
    assert ours.SerializeToString(deterministic=True) == theirs.SerializeToString(deterministic=True), text
    return True


@settings(max_examples=PLAYED, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.randoms(use_true_random=False))
def test_built_documents(random: Random) -> None:
    document = document_of(built(random), random)
    assert document is None or assert_same_meaning(document)


def test_documents_with_something_wrong() -> None:
    originals = pieces()
    accepted = 0
    for seed in range(EXAMPLES):
        random = Random(seed)
        document = document_of(random.choice(originals) if seed % 2 else built(random), random)
        found = list(places(document))
        for _ in range(random.randint(1, 3) if found else 0):
            container, key = random.choice(found)
            empty = type(container[key])() if container[key] is not None else None
            container[key] = random.choice([*WRONG, empty])
        accepted += assert_same_meaning(document)
    assert 0.1 < accepted / EXAMPLES < 0.9


def test_mutated_text_never_breaks_the_writer() -> None:
    originals = [path.read_bytes() for path in sorted(RECORDED.glob("*.otlp.json"))]
    for seed in range(EXAMPLES):
        try:
            payload, _ = to_protobuf(mutated(Random(seed), originals))
        except ValueError:
            continue
        ExportTraceServiceRequest.FromString(payload)


@pytest.mark.parametrize("path", sorted(RECORDED.glob("*.otlp.json")), ids=lambda path: path.name)
def test_recorded_documents(path: Any) -> None:
    document = orjson.loads(path.read_bytes())
    assert assert_same_meaning(document)
    payload, _ = to_protobuf(path.read_bytes())
    recorded = path.with_name(path.name.replace(".otlp.json", ".pb")).read_bytes()
    assert ExportTraceServiceRequest.FromString(payload) == ExportTraceServiceRequest.FromString(recorded)
