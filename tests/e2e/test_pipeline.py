"""Recorded requests through every stage, and what nobody can read among them."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Producer

from pipeline.app.replay import performance
from pipeline.connectors.files import read_requests
from pipeline.connectors.kafka import apply_topics, connection
from pipeline.settings import Settings
from tests.databases import Databases
from tests.e2e import accounts
from tests.e2e.command import finished, started
from tests.e2e.stages import Stages
from tests.otlp import Told, request_of

DATA = Path(__file__).parents[1] / "data" / "otlp"
RECORDED = [*sorted(DATA.glob("*.pb")), *sorted(DATA.glob("*.json"))]
"""As protobuf, then the same spans as JSON: every span comes twice."""

FOREVER = 10 * 365 * 86400.0
"""Recordings are as old as they are, and nothing of them may be late or ahead of its clock."""

VISIBLE = 30.0
"""Seconds in which what was sent must show."""

DEAD = "SELECT reason, sum(count) FROM dead_letters FINAL GROUP BY reason"

JUDGED = "SELECT sum(spans) FROM ledger FINAL WHERE stage = 'aggregate'"

QUICK = {
    "otlp_partitions": 2,
    "spans_partitions": 2,
    "panes_partitions": 2,
    "allowed_lateness": FOREVER,
    "max_ahead": FOREVER,
    "horizon": FOREVER,
    "early_every": 0.5,
    "sink_linger": 0.2,
    "session_timeout": 6.0,
    "sample_ceiling": 0.0,  # so nobody has to run evaluate and scores
}


@pytest.fixture(scope="module")
def pipeline(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Settings, Stages]]:
    """All stages, one process each, over topics and tables of this module alone."""
    with databases.lent() as named:
        settings = named.model_copy(update=QUICK)
        apply_topics(settings)
        one_each = {name: name for name in ("decode", "aggregate", "watch", "sink")}
        with Stages(settings, tmp_path_factory.mktemp("stages"), one_each) as stages:
            yield settings, stages


def produce(settings: Settings, topic: str, *values: bytes | None) -> None:
    """Write values into the topic's partitions in turn."""
    producer = Producer(connection(settings))
    for i, value in enumerate(values):
        producer.produce(settings.topic(topic), value, partition=i % 2)
    assert producer.flush(30) == 0


def comparable(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Without what a file has and a log has not: its end, which makes everything final."""
    return [{name: value for name, value in row.items() if name != "final"} for row in rows]


def test_the_cluster_and_a_replay_of_the_same_requests_agree(pipeline: tuple[Settings, Stages], tmp_path: Path) -> None:
    settings, stages = pipeline
    replay = started("replay", "--json", *map(str, RECORDED), settings=Settings(local_dir=settings.local_dir))
    produce(settings, "otlp_spans", *(record.value for record in read_requests(RECORDED)))
    exit_code, out, _ = finished(replay)
    assert exit_code == 0
    expected = comparable([json.loads(line) for line in out.splitlines()])
    requests = sum(row["requests"] for row in expected)
    shown = "SELECT sum(requests) FROM performance"
    stages.until(lambda: accounts.number(settings, shown) >= requests, f"{requests} requests in the view", VISIBLE)
    names, rows = performance(settings)
    found = comparable([dict(zip(names, row, strict=True)) for row in rows])
    assert requests > 50
    assert found == [{name: near(name, value) for name, value in row.items()} for row in expected]


def near(name: str, value: Any) -> Any:
    """Counts and sums are equal, quantiles within the digest's error."""
    return pytest.approx(value, rel=0.005) if value is not None and any(f"_p{q}" in name for q in (50, 95, 99)) else value


def test_what_nobody_can_read_is_a_dead_letter_and_stops_nothing(pipeline: tuple[Settings, Stages]) -> None:
    settings, stages = pipeline
    protobuf, text = RECORDED[0].read_bytes(), RECORDED[-1].read_text()
    one_wrong = json.loads(text)
    one_wrong["resourceSpans"][0]["scopeSpans"][0]["spans"][0]["traceId"] = ""
    produce(settings, "otlp_spans", protobuf[:-7], b"\xff" * 99, None, text[:-9].encode(), json.dumps(one_wrong).encode())
    produce(settings, "spans", b'{"trace_id": ["x"]}', None, b"[]")
    dead = {"malformed_protobuf": 2, "malformed_json": 1, "bad_trace_id": 1, "malformed_block": 3}
    stages.until(lambda: dict(map(tuple, accounts.rows(settings, DEAD))) == dead, f"{dead} dead", VISIBLE)
    before = accounts.number(settings, JUDGED)
    produce(settings, "otlp_spans", protobuf)
    stages.until(lambda: accounts.number(settings, JUDGED) > before, "what comes behind is judged and stored", VISIBLE)
    exit_code, out, _ = finished(started("status", "--json", settings=settings))
    status = json.loads(out)
    assert (exit_code, status["dead_letters"], status["problems"]) == (0, dead, [])


def test_a_trace_that_went_through_is_explained_from_the_log(pipeline: tuple[Settings, Stages]) -> None:
    settings, _ = pipeline
    trace = "SELECT trace_id, span_id FROM spans WHERE kind = 'llm' AND ttft_ns IS NOT NULL ORDER BY ALL LIMIT 1"
    ((trace_id, span_id),) = accounts.rows(settings, trace)
    exit_code, out, _ = finished(started("explain", "--trace", trace_id, "--span", span_id, "--json", settings=settings))
    assert exit_code == 0
    for story in map(json.loads, out.splitlines()):  # protobuf and JSON tell it
        assert (story["trace_id"], story["span_id"], story["is_call"]) == (trace_id, span_id, True)
        first_token = next(field for field in story["fields"] if field["field"] == "ttft_ns")
        assert first_token["sources"][0]["outcome"] == "taken"
    exit_code, _, err = finished(started("explain", "--trace", "ab" * 16, settings=settings))
    assert (exit_code, err.splitlines()) == (2, [f"tailrace: no span of trace {'ab' * 16} is in the table spans"])


def test_what_looks_like_a_call_in_words_nobody_knows_is_in_the_status(pipeline: tuple[Settings, Stages]) -> None:
    settings, stages = pipeline
    produce(settings, "otlp_spans", request_of(Told({"acme.llm.tokens": 12, "acme.user": "Ann Lee"})))
    counted = "SELECT sum(not_understood) FROM ledger FINAL"
    stages.until(lambda: accounts.number(settings, counted) == 1, "a span that is not understood", VISIBLE)
    _, out, _ = finished(started("status", "--json", settings=settings))
    assert json.loads(out)["not_understood"] == {"acme.llm.tokens, acme.user": 1}
