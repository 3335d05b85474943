"""`tailrace replay`: the same files give the same rows, byte for byte, and the right ones, whatever else is set."""

import gzip
import json
from base64 import b64decode
from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Any

import pytest
from google.protobuf.json_format import MessageToDict
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from pipeline.model.columns import SERIES
from pipeline.operators.traffic import Call, draw, encode
from pipeline.settings import SECOND
from tests.e2e.command import Outcome, finished, started
from tests.otlp import RECORDED

pytestmark = pytest.mark.engines

MINUTE = 60
BEGIN = 1_800_000_000
"""Seconds since 1970, a whole minute: when the made-up traffic begins."""

LINES, CALLS_A_LINE = 450, 3
"""More requests than one batch of a replay holds, twice over."""

OPENINFERENCE = "2026-11-23 03:40:00", "prod", "support", "gpt-4o-mini-2024-07-18", "1.2.3", "enterprise", ""
OTEL_GENAI = "2026-11-23 03:41:00", "prod", "demo-otelgenai"
RAG = "2026-11-23 03:45:00", "", "rag"

MEASURES = ("requests", "errors", "unknown_usage", "input_tokens", "output_tokens", "cache_read_tokens", "cost_nusd")
COST = 25 * 150 + 32 * 75 + 19 * 600
"""nano-USD of a recorded chat: 57 prompt tokens at 0.15 USD per million, 32 of them cached at 0.075, 19 at 0.60."""

EXPECTED = {
    # Five chats of oinf.traces.001, one of them a stream that told no usage.
    OPENINFERENCE: (5, 0, 1, 4 * 57, 4 * 19, 4 * 32, 4 * COST),
    # otelgenai.traces.006: eight chats, one of them silent, an embedding of 7 tokens at 0.02 USD, a refused connection.
    (*OTEL_GENAI, "gpt-4o-mini", "1.2.3", "", ""): (1, 1, 0, 0, 0, 0, 0),
    (*OTEL_GENAI, "gpt-4o-mini-2024-07-18", "1.2.3", "", ""): (8, 0, 1, 7 * 57, 7 * 19, 7 * 32, 7 * COST),
    (*OTEL_GENAI, "text-embedding-3-small", "1.2.3", "", ""): (1, 0, 0, 7, 0, 0, 7 * 20),
    # rag_oinf.traces.010: a chat that named the model's version and one that did not.
    (*RAG, "gpt-4o-mini", "", "free", ""): (1, 0, 0, 57, 19, 32, COST),
    (*RAG, "gpt-4o-mini-2024-07-18", "", "free", ""): (1, 0, 0, 57, 19, 32, COST),
}
"""By window and series, from what `tests/data/otlp/README.md` says the server answered."""


def traffic() -> Iterator[list[Call]]:
    """What each line holds: calls over three minutes, in no order."""
    rng = Random(1)
    for _ in range(LINES):
        yield [draw(rng, BEGIN * SECOND + rng.randrange(3 * MINUTE * SECOND), 0.5) for _ in range(CALLS_A_LINE)]


def json_line(calls: list[Call]) -> bytes:
    """The calls as a line of the OTel file exporter: OTLP/JSON writes ids in hex where protobuf's JSON has base64."""

    def ids_in_hex(span: dict[str, Any]) -> dict[str, Any]:
        return {name: b64decode(value).hex() if name.lower().endswith("id") else value for name, value in span.items()}

    document = MessageToDict(ExportTraceServiceRequest.FromString(encode(calls)))
    for resource in document["resourceSpans"]:
        for scope in resource["scopeSpans"]:
            scope["spans"] = [ids_in_hex(span) for span in scope.get("spans", [])]
    return json.dumps(document).encode() + b"\n"


def drawn() -> dict[tuple[str, ...], Counter[str]]:
    """What the made-up calls add up to, by window and series."""
    sums = defaultdict[tuple[str, ...], Counter[str]](Counter)
    for call in (call for line in traffic() for call in line):
        window = datetime.fromtimestamp(call.end_ns // SECOND // MINUTE * MINUTE, UTC)
        sums[f"{window:%Y-%m-%d %H:%M:%S}", *call.series].update(
            requests=1,
            errors=bool(call.error),
            streamed=call.stream,
            input_tokens=call.input_tokens or 0,
            output_tokens=call.output_tokens or 0,
        )
    return dict(sums)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Every kind of file: protobuf, one JSON document, JSON lines, something packed."""
    directory = tmp_path_factory.mktemp("files")
    lines, packed = directory / "traffic.jsonl", directory / "rag.pb.gz"
    lines.write_bytes(b"".join(map(json_line, traffic())))
    packed.write_bytes(gzip.compress((RECORDED / "rag_oinf.traces.010.pb").read_bytes()))
    recorded = RECORDED / "oinf.traces.001.pb", RECORDED / "otelgenai.traces.006.otlp.json"
    return [str(path) for path in (*recorded, lines, packed)]


def replayed(files: list[str], **env: str) -> Outcome:
    return finished(started("replay", "--json", *files, env=env), 120)


@pytest.fixture(scope="module")
def first(files: list[str]) -> str:
    code, out, err = replayed(files)
    assert code == 0, err
    return out


def by_key(out: str) -> dict[tuple[str, ...], dict[str, Any]]:
    rows = [json.loads(line) for line in out.splitlines()]
    found = {(row["window_start"], *(row[name] for name in SERIES)): row for row in rows}
    assert len(found) == len(rows), "a window of a series is one row"
    return found


def test_the_same_files_give_the_same_rows_byte_for_byte(files: list[str], first: str) -> None:
    assert replayed(files)[:2] == (0, first)


def test_recorded_calls_add_up(first: str) -> None:
    found = {key: tuple(row[name] for name in MEASURES) for key, row in by_key(first).items() if key[1] != "demo"}
    assert found == EXPECTED


def test_made_up_calls_add_up(first: str) -> None:
    expected = drawn()
    found = {key: row for key, row in by_key(first).items() if key[1] == "demo"}
    assert {key: {name: found[key][name] for name in sums} for key, sums in expected.items()} == expected
    assert found.keys() == expected.keys()
    assert sum(row["requests"] for row in found.values()) == LINES * CALLS_A_LINE


def test_rows_are_those_of_the_view_in_its_order(first: str) -> None:
    found = by_key(first)
    assert list(found) == sorted(found)
    for row in found.values():
        assert list(row)[:9] == ["window_start", "window_end", *SERIES, "final"]
        assert not [name for name in row if name.endswith("digest")]
        assert row["final"] is True
        assert 0 < row["latency_p50_ns"] <= row["latency_p95_ns"] <= row["latency_p99_ns"]
        assert row["cost_nusd"] >= 0


def test_a_store_of_the_user_is_neither_read_nor_written(files: list[str], first: str) -> None:
    """Nobody listens there, so whoever asks it fails."""
    nobody = "http://reader:secret@127.0.0.1:1/elsewhere"
    env = {"TAILRACE_CLICKHOUSE_DSN": nobody, "TAILRACE_CLICKHOUSE_READER_DSN": nobody, "TAILRACE_KAFKA_BOOTSTRAP": "127.0.0.1:1"}
    for chosen in (["TAILRACE_CLICKHOUSE_READER_DSN"], list(env)):
        assert replayed(files, **{name: env[name] for name in chosen})[:2] == (0, first)


def test_a_damaged_file_is_named_and_nothing_printed(files: list[str], tmp_path: Path) -> None:
    damaged = tmp_path / "cut.pb.gz"
    damaged.write_bytes(Path(files[-1]).read_bytes()[:-20])
    code, out, err = replayed([*files, str(damaged)])
    assert (code, out) == (2, "")
    assert err.splitlines()[-1].startswith(f"tailrace: cannot read {damaged}: ")
