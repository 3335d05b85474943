"""What is no reason to crash does not crash a worker, and what is one is not hidden: real Kafka, real processes."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from pipeline.connectors.faust_worker import END_WITHIN
from pipeline.connectors.kafka import apply_topics
from pipeline.settings import Settings
from tests.conformance.worker_group import ROOT, environment_of

pytestmark = pytest.mark.engines

WITHIN = 90.0


@contextmanager
def worker(settings: Settings, fault: str) -> Iterator["subprocess.Popen[str]"]:
    """A worker with this fault, on topics of its own."""
    apply_topics(settings)
    command = [sys.executable, "-m", "tests.conformance.faulty_worker", fault]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    with subprocess.Popen(command, cwd=ROOT, env=environment_of(settings), **pipes) as process:  # type: ignore[call-overload]
        try:
            yield process
        finally:
            process.kill()


def one_partition(settings: Settings) -> Settings:
    return settings.model_copy(update={"session_timeout": 6.0, "spans_partitions": 1})


def test_a_commit_of_a_partition_that_was_taken_away_is_no_error(fresh_prefix: Settings) -> None:
    with worker(one_partition(fresh_prefix), "lost") as process:
        output, _ = process.communicate(timeout=WITHIN)
    assert process.returncode == 0, output
    assert "Crashed" not in output


def test_an_error_of_a_partition_while_the_worker_stops_is_told_and_not_a_crash(fresh_prefix: Settings) -> None:
    with worker(one_partition(fresh_prefix), "stopping") as process:
        assert process.stdout is not None
        assert any(line == "ready\n" for line in process.stdout)
        process.terminate()
        output, _ = process.communicate(timeout=WITHIN)
    assert process.returncode == 0, output
    assert "the engine is gone" in output
    assert "AttributeError" not in output


def test_a_worker_that_hangs_while_it_stops_ends_all_the_same_and_says_where_it_stood(fresh_prefix: Settings) -> None:
    with worker(one_partition(fresh_prefix), "hangs") as process:
        output, _ = process.communicate(timeout=WITHIN)
    assert process.returncode == 1, output
    assert "the engine is gone" in output
    assert f"Timeout (0:00:{END_WITHIN:.0f})" in output
