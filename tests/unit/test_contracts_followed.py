"""Contracts are followed for good, or the worker that follows them ends."""

from collections.abc import Mapping
from dataclasses import replace
from threading import Event

import pytest

from pipeline.connectors.contracts_followed import ContractsFollowed
from pipeline.errors import EngineError
from pipeline.model.contract_columns import Applied
from tests.watched import LOG, stage

KNOWN = {"errors": Applied("errors", 1, "0" * 32, "us", "name: errors", 1, "me")}


def test_a_broker_that_is_away_leaves_what_was_known_and_a_mistake_ends_the_worker() -> None:
    made, known = Event(), list[Mapping[str, str] | None]()
    answers = iter([KNOWN, EngineError("Kafka is away"), KNOWN, ZeroDivisionError("a mistake")])

    def read() -> Mapping[str, Applied]:
        assert made.wait(30)
        known.append(followed())
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    followed = ContractsFollowed(read, every=0.0)
    made.set()
    followed.thread.join(30)
    assert known == [None, *3 * [{"errors": "name: errors"}]]
    watch = replace(stage(), wanted=followed)
    with pytest.raises(ZeroDivisionError, match="a mistake"):
        watch.step(watch.open(LOG, None), [], 0)
