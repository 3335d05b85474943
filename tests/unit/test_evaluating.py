"""Users' own evaluators at their worst: each sample has a score that can be written, and the stage goes on."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import orjson
import pytest

from pipeline.connectors.evaluating import MOST_STRAYS, Asking, Bench
from pipeline.model.asks import Answered, Ask
from pipeline.model.columns import SCORES
from pipeline.model.samples import Sample
from pipeline.model.scores import Score, ScoreStatus
from pipeline.operators.blocks import encode_rows
from tests.samples import configured
from tests.scores import score as score_row

OK = ScoreStatus.OK
ASK = Ask(0, "0" * 32, Sample(input="a", output="b"), (0,))


@dataclass(frozen=True)
class Own:
    """Says what the test wants."""

    says: Callable[[Sample], Awaitable[Any]]
    name: str = "own"
    version: str = "1"
    needs: Any = frozenset()
    judge: bool = False

    async def judged(self, sample: Sample) -> Any:
        return await self.says(sample)


async def at(bench: Bench, asks: int = 1) -> list[Answered]:
    """What is heard of so many asks, as a session of a partition hears it."""
    asking, heard = Asking(bench.answer), []
    asking.ask([ASK] * asks)
    async with asyncio.timeout(60):
        while len(heard) < asks:
            await asking.some(1)
            heard += asking.heard()
    return heard


def answer(says: Callable[[Sample], Awaitable[Any]], within: float = 60.0, **options: Any) -> Score:
    (heard,) = asyncio.run(at(Bench(configured(Own(says, **options)), within, within)))
    (score,) = heard.scores
    return score


def saying(what: Any) -> Callable[[Sample], Awaitable[Any]]:
    async def says(_sample: Sample) -> Any:
        return what

    return says


def raising(error: BaseException) -> Callable[[Sample], Awaitable[Any]]:
    async def says(_sample: Sample) -> Any:
        raise error

    return says


NO_SCORE = [
    *[None, 0.5, "ok"],
    *[Score(OK, value) for value in (None, float("nan"), float("inf"), 1.1, -0.1, True, "1", [0.5])],  # type: ignore[arg-type]
    *[Score(ScoreStatus.FAILED, 0.5), Score(ScoreStatus.SKIPPED, passed=True), Score("ok", 0.5)],  # type: ignore[arg-type]
    *[Score(OK, 0.5, "yes"), Score(OK, 0.5, label={"a": object()}), Score(OK, 0.5, explanation=None)],  # type: ignore[arg-type]
    *[Score(ScoreStatus.FAILED, reason=ValueError("x")), Score(OK, 0.5, prompt_hash=b"x")],  # type: ignore[arg-type]
    *[
        Score(OK, 0.5, judge_input_tokens=10**30),
        Score(OK, 0.5, judge_input_tokens=2**32 + 1),
        Score(OK, 0.5, judge_output_tokens="many"),
    ],  # type: ignore[arg-type]
    *[Score(OK, 0.5, judge_cost_nusd=-5), Score(OK, 0.5, judge_cost_nusd=1.5), Score(OK, 0.5, judge_cost_nusd=10**18)],  # type: ignore[arg-type]
]


@pytest.mark.parametrize("said", NO_SCORE, ids=lambda said: str(said)[:80])
def test_what_is_no_score_is_invalid(said: Any) -> None:
    score = answer(saying(said))
    assert (score.status, score.value, score.passed) == (ScoreStatus.INVALID, None, None)
    assert score.reason.startswith("the evaluator gave ")


def test_texts_of_any_length_and_kind_are_cut_to_what_can_be_written() -> None:
    long = "\ud800" * 20_000_000
    score = answer(saying(Score(OK, np.float64(0.5), np.bool_(True), long, "", long, long, long)))  # type: ignore[arg-type]
    row = score_row(1) | {"label": score.label, "explanation": score.explanation, "judge_model": score.judge_model}
    block = encode_rows(SCORES, [row | {"value": score.value, "passed": score.passed, "prompt_hash": score.prompt_hash}])
    assert orjson.loads(block)["value"] == [0.5]
    assert len(block) < 4000


@pytest.mark.parametrize("error", [ValueError("a"), TimeoutError(), asyncio.CancelledError(), SystemExit(3), KeyboardInterrupt()])
def test_what_an_evaluator_raises_fails_its_score_alone(error: BaseException) -> None:
    bench = Bench(configured(Own(raising(error))), 60, 60)
    for _ in range(2):
        (heard,) = asyncio.run(at(bench))
        assert (heard.scores[0].status, heard.scores[0].reason) == (
            ScoreStatus.FAILED,
            f"the evaluator raised {type(error).__name__}",
        )


def test_what_an_evaluator_needs_may_be_nonsense() -> None:
    assert answer(saying(Score(OK, 0.5)), needs=3).status is ScoreStatus.FAILED


async def deaf(_sample: Sample) -> Score:
    """Does not end when it is told to."""
    while True:
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            continue


def test_an_evaluator_that_does_not_end_is_not_waited_for_and_at_last_not_asked() -> None:
    bench = Bench(configured(Own(deaf)), 0.01, 0.01)
    first = asyncio.run(at(bench, MOST_STRAYS))
    assert {heard.scores[0].reason for heard in first} == {"the evaluator took longer than 0 s"}
    (last,) = asyncio.run(at(bench))
    assert last.scores[0].status is ScoreStatus.TIMEOUT
    assert "hang" in last.scores[0].reason


def test_an_answer_that_never_comes_is_no_silence() -> None:
    async def broken(_ask: Ask) -> Answered:
        raise RuntimeError("a fault of ours")

    async def run() -> None:
        asking = Asking(broken)
        asking.ask([ASK])
        await asking.some(10)
        await asyncio.sleep(0)
        asking.heard()

    with pytest.raises(RuntimeError, match="a fault of ours"):
        asyncio.run(run())
