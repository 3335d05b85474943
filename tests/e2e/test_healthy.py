"""`tailrace healthy` beside real stages: it tells one that hangs, one that waits and one that is dead apart."""

import time
from collections.abc import Callable
from pathlib import Path

import pytest
from pydantic import SecretStr

from pipeline.connectors.kafka import Producer, apply_topics
from pipeline.model.columns import STATUS
from pipeline.model.stream import Message
from pipeline.operators.blocks import empty_block
from pipeline.settings import Settings
from tests.e2e.command import Outcome, finished, started
from tests.e2e.stages import Stages

pytestmark = pytest.mark.timeout(240)

ONE_EACH = {name: name for name in ("decode", "aggregate", "evaluate", "scores", "watch", "sink")}


@pytest.fixture
def settings(with_schema: Settings, tmp_path: Path) -> Settings:
    apply_topics(with_schema)
    return with_schema.model_copy(update={"local_dir": tmp_path, "healthy_within": 5.0})


def asked(settings: Settings, stage: str) -> Outcome:
    env = {"TAILRACE_LOCAL_DIR": str(settings.local_dir), "TAILRACE_HEALTHY_WITHIN": str(settings.healthy_within)}
    return finished(started("healthy", stage, env=env))


def until(stages: Stages, settings: Settings, stage: str, seen: Callable[[Outcome], bool]) -> str:
    found = stages.until(lambda: seen(answer := asked(settings, stage)) and answer, f"health of {stage}", 90)
    assert isinstance(found, tuple)
    return found[1] + found[2]


def test_a_stage_that_hangs_or_died_is_not_healthy_and_the_others_are(settings: Settings, tmp_path: Path) -> None:
    with Stages(settings, tmp_path, ONE_EACH) as stages:
        for stage in ONE_EACH:
            until(stages, settings, stage, lambda answer: answer[0] == 0)
        begin = time.monotonic()
        for stage in ("decode", "aggregate"):
            stages.freeze(stage)
            assert "hangs" in until(stages, settings, stage, lambda answer: answer[0] == 3)
            assert asked(settings, "sink")[0] == 0
            stages.thaw(stage)
            until(stages, settings, stage, lambda answer: answer[0] == 0)
        assert time.monotonic() - begin > settings.healthy_within, "everyone beat for longer than a heartbeat lasts"
        stages.kill("sink")
        assert "no process of sink runs here" in asked(settings, "sink")[2]


def test_a_stage_that_waits_for_an_engine_is_degraded_and_says_why(settings: Settings, tmp_path: Path) -> None:
    away = settings.model_copy(update={"clickhouse_dsn": SecretStr("http://u:hush@127.0.0.1:1/x")})
    producer = Producer(settings)
    producer.send([Message(settings.topic("status"), 0, empty_block(STATUS))])
    producer.confirm()
    with Stages(away, tmp_path, {"sink": "sink"}) as stages:
        said = until(stages, settings, "sink", lambda answer: "degraded" in answer[1] and answer[0] == 0)
        assert "ClickHouse" in said
        assert "127.0.0.1:1 does not answer" in said
        assert "hush" not in said
