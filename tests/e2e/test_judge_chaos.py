"""evaluate beside a judge that is slow, wrong or gone, over real HTTP, and killed: no score is invented and none is lost."""

import asyncio
import random
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import blake2b
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
import yaml
from aiohttp import web
from confluent_kafka import Consumer, Producer, TopicPartition

from pipeline.connectors.kafka import apply_topics, connection
from pipeline.connectors.progress_log import ProgressLog
from pipeline.operators.sampling import is_in, randomness_of, sampling_key
from pipeline.settings import Settings
from tests.databases import own_names
from tests.e2e.stages import Stages
from tests.e2e.test_judging import at, counted, read, rows
from tests.judge_server import Asked, JudgeServer, Reply, always, closed, completion, half, json, parts, raw, said
from tests.otlp import Told, request_of

HOUR_NS = 3_600_000_000_000
QUICK = {
    "otlp_partitions": 2,
    "spans_partitions": 2,
    "panes_partitions": 2,
    "trace_settle": 1.0,
    "out_of_orderness": 1.0,
    "tick_every": 0.2,
    "progress_every": 0.3,
    "session_timeout": 6.0,
    "sample_ceiling": 0.8,
    "judge_model": "judge-1",
    "judge_timeout": 0.5,
    "judge_retries": 1,
    "judge_max_tokens": 200,
    "judge_circuit_failures": 30,
    "judge_circuit_pause": 0.5,
    "judgements": 64,
}
WITHIN = 60.0
EVALUATORS = {
    "evaluators": [
        {"name": "Groundedness", "rate": 1.0},
        {"name": "tone", "type": "CustomEvaluation", "prompt": "How kind is the answer?", "scale": [1, 5], "rate": 1.0},
    ]
}
LABELS = {"supported": 1.0, "partly_supported": 0.5, "unsupported": 0.0}
INPUT_NUSD, OUTPUT_NUSD = 1000, 10_000
"""What a token costs, as the price file says it."""


def verdict_on(answer: str) -> tuple[str, int]:
    """Label and grade that belong to a text; what the server says of it, if it says something."""
    drawn = blake2b(answer.encode(), digest_size=2).digest()
    return list(LABELS)[drawn[0] % 3], 1 + drawn[1] % 5


class Judge:
    """A server in a thread of its own that counts what it bills. `ways`: how it may answer now, each with its turn at random."""

    def __init__(self) -> None:
        self.ways: list[Reply] = [self.well]
        self.billed_nusd = 0
        self.given: set[tuple[str, str]] = set()
        self._random = random.Random(5)

    async def answer(self, request: web.Request, asked: Asked) -> web.StreamResponse:
        return await self._random.choice(self.ways)(request, asked)

    def bill(self, asked: Asked) -> dict[str, int]:
        """What an answer uses and costs from now on, whether anybody hears it or not."""
        tokens = sum(len(message["content"]) for message in asked["messages"]) // 4
        self.billed_nusd += tokens * INPUT_NUSD + 60 * OUTPUT_NUSD
        return {"prompt_tokens": tokens, "completion_tokens": 60}

    async def well(self, _request: web.Request, asked: Asked) -> web.StreamResponse:
        label, grade = verdict_on(parts(asked)["answer"])
        labelled = "label" in asked["response_format"]["json_schema"]["schema"]["required"]
        content = said(label=label) if labelled else said(score=grade)
        self.given.add((parts(asked)["answer"], "label" if labelled else "score"))
        return json(completion(content, usage=self.bill(asked), model="judge-1"))

    async def billed_and_cut(self, request: web.Request, asked: Asked) -> web.StreamResponse:
        """The answer is made and paid for, and the connection breaks in the middle of it."""
        self.bill(asked)
        return await half(request, asked)

    async def billed_too_late(self, request: web.Request, asked: Asked) -> web.StreamResponse:
        """The answer is made and paid for, and comes when nobody waits for it any more."""
        self.bill(asked)
        await asyncio.sleep(QUICK["judge_timeout"] * 2)  # type: ignore[operator] # the server is slow
        return await self.well(request, asked)

    def wrong(self, content: Any) -> Reply:
        """A verdict that is none, and paid for."""

        async def reply(_request: web.Request, asked: Asked) -> web.StreamResponse:
            return json(completion(content, usage=self.bill(asked), model="judge-1"))

        return reply

    def faults(self) -> dict[str, list[Reply]]:
        return {
            "slow": [self.billed_too_late],
            "429": [always({}, 429, **{"Retry-After": "0"})],
            "500": [raw(b"", 500)],
            "closed": [closed, self.billed_and_cut],
            "garbage": [raw(b"\x00\xff<html>"), raw(b'{"choices": [{"mess')],
            "no verdict": [
                self.wrong(said(label="excellent")),
                self.wrong(said(score=99)),
                self.wrong('{"reasoning": "x", "sco'),
            ],
        }


@contextmanager
def serving(judge: Judge) -> Iterator[str]:
    """The judge's URL for as long as it is there."""
    loop = asyncio.new_event_loop()
    thread = Thread(target=loop.run_forever, daemon=True)
    thread.start()
    server = JudgeServer(judge.answer)
    asyncio.run_coroutine_threadsafe(server.__aenter__(), loop).result(10)
    try:
        yield server.url
    finally:
        asyncio.run_coroutine_threadsafe(server.__aexit__(None, None, None), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)


@pytest.fixture
def chaos(engines: Settings, tmp_path: Path) -> Iterator[tuple[Settings, Judge]]:
    """Topics of this test alone, and a judge with a price."""
    (tmp_path / "evaluators.yaml").write_text(yaml.safe_dump(EVALUATORS))
    prices = [{"provider": "*", "model": "judge-1", "input": INPUT_NUSD / 1000, "output": OUTPUT_NUSD / 1000}]
    (tmp_path / "prices.yaml").write_text(yaml.safe_dump(prices))
    judge = Judge()
    with own_names(engines) as named, serving(judge) as url:
        own = {"judge_url": url, "evaluators": tmp_path / "evaluators.yaml", "price_file": tmp_path / "prices.yaml"}
        settings = named.model_copy(update=QUICK | own)
        apply_topics(settings)
        yield settings, judge


class Traffic:
    """Traces with an answer of their own each."""

    def __init__(self, settings: Settings) -> None:
        self.answers: dict[str, str] = {}
        self._settings, self._producer, self._sent = settings, Producer(connection(settings)), 0

    def send(self, traces: int) -> None:
        """So many traces that have ended now."""
        for _ in range(traces):
            self._sent += 1
            answer = f"The bridge number {self._sent} is {self._sent * 7} metres long."
            call = {"openinference.span.kind": "LLM", "llm.model_name": "m", "input.value": "How long?", "output.value": answer}
            found = {"openinference.span.kind": "RETRIEVER", "retrieval.documents.0.document.content": "Bridges are long."}
            request = at(time.time_ns(), self._sent, request_of(Told(call), Told(found)))
            self._producer.produce(self._settings.otlp_topic, request, partition=self._sent % 2)
            trace_id = self._sent.to_bytes(16, "big").hex()
            if is_in(randomness_of(trace_id, sampling_key("")), self._settings.sample_ceiling):
                self.answers[trace_id] = answer
        assert self._producer.flush(30) == 0

    @property
    def due(self) -> set[tuple[str, str]]:
        """A score of each evaluator for each trace that is sampled."""
        return {(trace, evaluator) for trace in self.answers for evaluator in ("Groundedness", "tone")}


def settled(settings: Settings) -> bool:
    """Is all that stands in samples judged, as the progress says?"""
    log = ProgressLog(settings, settings.group("evaluate"), "samples", "reader")
    consumer = Consumer({**connection(settings), "group.id": "reader"})
    try:
        for p in range(settings.spans_partitions):
            _, end = consumer.get_watermark_offsets(TopicPartition(settings.topic("samples"), p), timeout=30)
            progress = log.takeover(p).progress
            if progress is None or progress.folded < end - 20:  # ticks keep coming
                return False
    finally:
        consumer.close()
    return True


def refuse_invented(settings: Settings, traffic: Traffic, judge: Judge) -> Counter[str]:
    """Each value is what the judge said of that very trace, and nothing else has one. Returns how many have which status."""
    statuses: Counter[str] = Counter()
    for row in rows(read(settings, "scores")):
        answer = traffic.answers[row["trace_id"]]
        label, grade = verdict_on(answer)
        statuses[row["status"]] += 1
        if row["status"] != "ok":
            assert row["value"] is None
            assert row["passed"] is None
            assert row["status_reason"]
        elif row["evaluator"] == "Groundedness":
            assert (row["label"], row["value"]) == (label, LABELS[label])
            assert (answer, "label") in judge.given
        else:
            assert row["value"] == pytest.approx((grade - 1) / 4)
            assert (answer, "score") in judge.given
    return statuses


def test_through_any_chaos_of_the_judge_no_score_is_invented_and_none_is_lost(
    chaos: tuple[Settings, Judge], tmp_path: Path
) -> None:
    settings, judge = chaos
    traffic, faults = Traffic(settings), judge.faults()
    phases = [*faults.values(), [judge.well, *(way for ways in faults.values() for way in ways)]]
    with Stages(settings, tmp_path, {"decode": "decode", "evaluate": "evaluate"}) as stages:
        stages.until(lambda: stages.members("decode") and stages.members("evaluate"), "the stages have joined", WITHIN)
        for ways in phases:
            judge.ways = ways
            traffic.send(30)
            stages.until(lambda: counted(settings).keys() >= traffic.due, "each trace has its scores", WITHIN)
        judge.ways = [judge.well]
        healthy = set(traffic.answers)
        found: dict[tuple[str, str], Any] = {}

        def is_well_again() -> bool:
            traffic.send(5)
            found.update(counted(settings))
            return any(status == "ok" and trace not in healthy for (trace, _), (status, *_) in found.items())

        stages.until(is_well_again, "the judge is asked again", WITHIN)
        healthy = set(traffic.answers)
        traffic.send(30)
        stages.until(lambda: counted(settings).keys() >= traffic.due, "each trace has its scores", WITHIN)
        stages.until(lambda: settled(settings), "nothing is left to judge", WITHIN)
    assert counted(settings).keys() == traffic.due
    assert {s for (trace, _), (s, *_) in counted(settings).items() if trace not in healthy} == {"ok"}
    statuses = refuse_invented(settings, traffic, judge)
    assert statuses.keys() == {"ok", "failed", "timeout", "invalid"}, statuses


def test_killed_at_random_under_chaos_the_budget_holds_and_each_score_counts_once(
    chaos: tuple[Settings, Judge], tmp_path: Path
) -> None:
    given, judge = chaos
    usd = 0.5
    settings = given.model_copy(update={"judge_hourly_usd": usd})
    traffic, rng, faults = Traffic(settings), random.Random(23), judge.faults()
    judge.ways = [judge.well, judge.well, judge.well, *(way for ways in faults.values() for way in ways)]
    begun = time.time_ns()
    with Stages(settings, tmp_path, {"decode": "decode", "evaluate": "evaluate"}) as stages:
        stages.until(lambda: stages.members("decode") and stages.members("evaluate"), "the stages have joined", WITHIN)
        for _ in range(5):
            sent, more = len(judge.given), rng.randrange(5, 40)
            traffic.send(60)
            stages.until(lambda s=sent, n=more: len(judge.given) >= s + n or is_over(settings), "the judge is asked", WITHIN)  # type: ignore[misc]
            stages.kill("evaluate")
            stages.start("evaluate")
        stages.until(lambda: counted(settings).keys() >= traffic.due, "each trace has its scores", WITHIN)
        judge.ways = [judge.well]
        stages.until(lambda: traffic.send(20) or is_over(settings), "the budget is spent", WITHIN)
        stages.until(lambda: counted(settings).keys() >= traffic.due, "each trace has its scores", WITHIN)
    found = counted(settings)
    assert found.keys() == traffic.due
    statuses = refuse_invented(settings, traffic, judge)
    assert statuses.keys() >= {"ok", "over_budget"}, statuses
    hours = time.time_ns() // HOUR_NS - begun // HOUR_NS + 1
    assert judge.billed_nusd <= usd * 1e9 * hours


def is_over(settings: Settings) -> bool:
    """Is the budget spent?"""
    return any(status == "over_budget" for status, *_ in counted(settings).values())
