"""The documents in `schemas/` agree with the code, with their examples and with what the stages write."""

import json
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
import yaml
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from pipeline.connectors.progress_log import ProgressLog
from pipeline.model.log_time import BEGINNING, Era, LogClock, LogTime, SourceMark, WindowPolicy
from pipeline.model.stream import Progress, Source, Unending
from pipeline.operators.blocks import empty_block
from pipeline.operators.decode.otlp_json import to_protobuf
from pipeline.settings import Settings
from pipeline.topics import schemas_dir, topics
from schemas.documents import BLOCKS, DOCUMENTS, EQUAL_LENGTHS, JSON, Document, render
from tests.spans import block, span

SCHEMAS = schemas_dir()


class EqualLengths:
    """The keyword `equalLengths` of our own: all arrays of the object are equally long."""

    def __init__(self, parent_schema: Document, value: Any, schema_path: list[str | int]) -> None:
        self.wanted = bool(value)

    def validate(self, instance: Any) -> None:
        lengths = {len(values) for values in instance.values() if isinstance(values, list)}
        if self.wanted and len(lengths) > 1:
            raise ValueError(f"arrays of different lengths: {sorted(lengths)}")


def validator(topic: str) -> jsonschema_rs.Validator:
    return jsonschema_rs.validator_for(DOCUMENTS[topic], keywords={EQUAL_LENGTHS: EqualLengths}, validate_formats=True)


def files(folder: str) -> list[Any]:
    """Every file below `folder` whose topic has a schema, as (topic, path) with a readable test id."""
    found = sorted((SCHEMAS / folder).glob("*/*.json"))
    return [pytest.param(p.parent.name, p, id=f"{p.parent.name}/{p.stem}") for p in found if p.parent.name in DOCUMENTS]


@pytest.mark.parametrize("topic", DOCUMENTS)
def test_committed_schema_is_what_the_columns_say(topic: str) -> None:
    assert (JSON / f"{topic}.json").read_text() == render(DOCUMENTS[topic]), "run `python -m schemas`"


def test_no_schema_is_left_over() -> None:
    assert {path.stem for path in JSON.glob("*.json")} == set(DOCUMENTS)


@pytest.mark.parametrize("topic", DOCUMENTS)
def test_schema_is_valid_draft_2020_12(topic: str) -> None:
    jsonschema_rs.meta.validate(DOCUMENTS[topic])


@pytest.mark.parametrize(("topic", "path"), files("examples"))
def test_example_is_accepted(topic: str, path: Path) -> None:
    errors = [error.message for error in validator(topic).iter_errors(json.loads(path.read_text()))]
    assert errors == []


@pytest.mark.parametrize(("topic", "path"), files("counterexamples"))
def test_counterexample_is_refused_for_one_reason(topic: str, path: Path) -> None:
    value = json.loads(path.read_text())
    errors = list(validator(topic).iter_errors(value))
    assert errors, "accepted"
    if path.stem != "row-instead-of-columns":  # wrong in every column
        assert len({str(error.instance_path[:1]) for error in errors}) == 1, [error.message for error in errors]


@pytest.mark.parametrize("folder", ["examples", "counterexamples"])
def test_every_schema_has_examples(folder: str) -> None:
    assert {path.name for path in (SCHEMAS / folder).iterdir() if any(path.iterdir())} >= set(DOCUMENTS)


def test_blocks_as_they_are_written_are_accepted() -> None:
    rows = [span(1, 10**18), span(2, 10**18, stream=True, ttft_ns=5, source="otlp_spans:0:x")]
    assert validator("spans").is_valid(json.loads(block(rows)))


@pytest.mark.parametrize("topic", BLOCKS)
def test_empty_block_is_accepted(topic: str) -> None:
    _, columns = BLOCKS[topic]
    assert validator(topic).is_valid(json.loads(empty_block(columns)))


def test_example_request_is_otlp() -> None:
    text = (SCHEMAS / "examples/otlp_spans/two-model-calls.json").read_bytes()
    payload, wrong = to_protobuf(text)
    assert wrong == {}
    request = ExportTraceServiceRequest.FromString(payload)
    assert [s.name for r in request.resource_spans for o in r.scope_spans for s in o.spans] == ["chat gpt-5-mini"] * 2


@pytest.mark.parametrize("topic", topics())
def test_topic_file_says_what_a_user_needs(topic: str) -> None:
    raw = yaml.safe_load((SCHEMAS / "topics" / f"{topic}.yaml").read_text())
    assert {"name", "key", "partitions", "value", "config", "producers", "consumers", "compatibility"} <= set(raw)
    assert raw["name"] == topic
    assert raw["producers"]
    assert raw["consumers"]
    assert raw["partitions"] in {"otlp", "spans", "panes", "one"}
    assert "retention.ms" in raw["config"] or "compact" in raw["config"]["cleanup.policy"]


@pytest.mark.parametrize("topic", sorted(set(topics()) - {"otlp_spans"}))
def test_topic_file_names_its_schema(topic: str) -> None:
    value = yaml.safe_load((SCHEMAS / "topics" / f"{topic}.yaml").read_text())["value"]
    named = value.removeprefix("block of ").removeprefix("event of ")
    assert named == f"schemas/json/{topic}.json"
    assert (SCHEMAS.parent / named).is_file()
    assert value.startswith("block of ") == (topic in BLOCKS)
    assert value.startswith("event of ") == (topic in EVENTS)


EVENTS = {"alerts"}
"""CloudEvents: objects, with a table."""

NOWHERE = {"samples", "scores"}
"""Users' text is stored nowhere, and of scores those that count."""


def test_only_blocks_and_events_have_tables() -> None:
    for topic in topics().values():
        assert bool(topic.table) == (topic.key in {*BLOCKS, *EVENTS} and topic.key not in NOWHERE)
    keyed = {table.replace("_", "-") for topic in topics().values() for table in topic.keyed.values()}
    assert keyed | {topic.key for topic in topics().values() if topic.table} == {*BLOCKS, *EVENTS} - NOWHERE


def test_progress_is_written_as_its_document_says() -> None:
    """All fields set, those that came later too."""
    policy = WindowPolicy(60, 300, 10, 300, 9)
    clock = LogClock(5, 6, 7, (("otlp_spans:0:a", SourceMark(1, 2)),))
    stood = LogTime(3, clock, (Era(BEGINNING, policy),), whole_ns=2)
    unending = (Unending("0" * 31 + "1", "support", "", 3),)
    log = ProgressLog(Settings(), "aggregate", "spans", "w")
    written = log.entry(Source("spans", 0, "a"), 4, Progress(1, 2, 3, clock, stood.eras, stood, unending))
    document = json.loads((schemas_dir() / "json" / "progress.json").read_text())
    jsonschema_rs.validator_for(document).validate(json.loads(written.value))
