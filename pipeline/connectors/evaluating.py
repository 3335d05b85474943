"""Carries out what a stage asks: runs evaluators, users' own among them, and gives every sample a score whatever they do.

Ours run on an event loop in a thread, each of the users' in a thread of its own, so one that blocks holds up neither another nor
a partition, heartbeat or commit. An evaluator that raises is `failed`, one that gives no score `invalid`, one that takes too long
`timeout`, also where it does not end when it is told to. One that blocks cannot be stopped: it is left to itself, and asked again
if it goes on.
"""

import asyncio
import logging
from collections import defaultdict
from collections.abc import Awaitable, Callable, Sequence
from threading import Thread

from pipeline.connectors.clock import steady
from pipeline.evaluators.base import LACKS, skipped
from pipeline.evaluators.believed import believed
from pipeline.evaluators.protocol import Configured, Evaluator
from pipeline.model.asks import Answered, Ask
from pipeline.model.samples import Sample
from pipeline.model.scores import Score, ScoreStatus

LOOK_EVERY = 1.0
"""Seconds between two looks whether the loop turns."""

log = logging.getLogger("tailrace.evaluators")


class Bench:
    """The evaluators of a process, and the threads they run in.

    within: seconds for one that asks nobody. asks_within: for one that asks a judge, which keeps times of its own; it ends a wait
    that should not be. blocked_after: seconds without a turn of a thread's loop.
    """

    def __init__(self, evaluators: Sequence[Configured], within: float, asks_within: float, blocked_after: float = 30.0) -> None:
        self._evaluators = [each.evaluator for each in evaluators]
        self._within, self._asks_within = within, asks_within
        self._strays: dict[str, set[asyncio.Task[Score]]] = defaultdict(set)
        ours = _Turning(blocked_after)
        self._places = [ours if type(one).__module__.startswith(OURS) else _Turning(blocked_after) for one in self._evaluators]

    async def answer(self, ask: Ask) -> Answered:
        """The scores of a trace."""
        together: dict[_Turning, list[int]] = {}
        for i in ask.evaluators:
            together.setdefault(self._places[i], []).append(i)
        found: dict[int, Score] = {}
        for scores in await asyncio.gather(*(self._at(place, chosen, ask.sample) for place, chosen in together.items())):
            found |= scores
        return Answered(ask, tuple(found[i] for i in ask.evaluators))

    async def _at(self, place: "_Turning", chosen: Sequence[int], sample: Sample) -> dict[int, Score]:
        """The scores of those who run at one place; `timeout` of all of them once it blocks."""
        if place.is_blocked():
            return dict.fromkeys(chosen, BLOCKS)
        scores = asyncio.wrap_future(asyncio.run_coroutine_threadsafe(self._all(chosen, sample), place.loop))
        while not scores.done():
            await asyncio.wait({scores}, timeout=LOOK_EVERY)
            if not scores.done() and place.is_blocked():
                log.error("evaluator %s blocks; it is asked again when it goes on", self._evaluators[chosen[0]].name)
                return dict.fromkeys(chosen, BLOCKS)
        return scores.result()

    async def _all(self, chosen: Sequence[int], sample: Sample) -> dict[int, Score]:
        scores = await asyncio.gather(*(self._one(self._evaluators[i], sample) for i in chosen))
        return dict(zip(chosen, scores, strict=True))

    async def _one(self, evaluator: Evaluator, sample: Sample) -> Score:
        """The score within its time. It is not waited for that an evaluator ends that was told to."""
        within = self._asks_within if evaluator.judge else self._within
        if len(self._strays[evaluator.name]) >= MOST_STRAYS:
            return HANGS
        judging = asyncio.ensure_future(_guarded(evaluator, sample))
        try:
            await asyncio.wait({judging}, timeout=within)
        finally:
            if not judging.done():
                judging.cancel()
                self._strays[evaluator.name].add(judging)
                judging.add_done_callback(self._strays[evaluator.name].discard)
        return (
            judging.result()
            if judging.done()
            else Score(ScoreStatus.TIMEOUT, reason=f"the evaluator took longer than {within:.0f} s")
        )


async def _guarded(evaluator: Evaluator, sample: Sample) -> Score:
    """A score, whatever an evaluator raises: SystemExit would end the thread, a cancellation of its own would be no answer."""
    try:
        if lacking := next((name for name in sorted(evaluator.needs) if not getattr(sample, name, None)), None):
            return skipped(LACKS.get(lacking, f"there is no {lacking}"))
        return believed(await evaluator.judged(sample))
    except BaseException as error:  # noqa: BLE001 - users' own code
        log.info("evaluator %s raised %s", evaluator.name, type(error).__name__)
        return Score(ScoreStatus.FAILED, reason=f"the evaluator raised {type(error).__name__}"[:200])


BLOCKS = Score(ScoreStatus.TIMEOUT, reason="the evaluator blocks its thread")
HANGS = Score(ScoreStatus.TIMEOUT, reason="the evaluator does not end when it is told to; too many of its judgements hang")
MOST_STRAYS = 64
"""Judgements of an evaluator that have not ended though their time was over; with so many it is not asked."""

OURS = "pipeline.evaluators."


class _Turning:
    """An event loop in a thread of its own that says when it last turned."""

    def __init__(self, blocked_after: float) -> None:
        self.loop = asyncio.new_event_loop()
        self._blocked_after = blocked_after
        self._at = steady()
        self.loop.call_soon(self._turn)
        Thread(target=self.loop.run_forever, name="evaluators", daemon=True).start()

    def _turn(self) -> None:
        self._at = steady()
        self.loop.call_later(LOOK_EVERY / 2, self._turn)

    def is_blocked(self) -> bool:
        """Whether it stands still; it may turn again."""
        return steady() - self._at > self._blocked_after


class Asking:
    """What one session of a partition has asked and not heard. It ends with the session: who comes after asks again."""

    def __init__(self, answer: Callable[[Ask], Awaitable[Answered]]) -> None:
        self._answer = answer
        self._under_way: set[asyncio.Task[Answered]] = set()
        self._done: list[asyncio.Task[Answered]] = []

    def __len__(self) -> int:
        """Answers awaited."""
        return len(self._under_way)

    def ask(self, asks: Sequence[Ask]) -> None:
        """Begin to answer."""
        for ask in asks:
            task = asyncio.ensure_future(self._answer(ask))
            self._under_way.add(task)
            task.add_done_callback(self._come)

    def heard(self) -> list[Answered]:
        """The answers that have come since this was last asked. Raises what nobody expected: an answer that never comes holds
        the offset for ever.
        """
        done, self._done = self._done, []
        return [task.result() for task in done]

    async def some(self, within: float) -> None:
        """Until an answer has come, or `within` seconds are over."""
        if self._under_way and not self._done:
            await asyncio.wait(self._under_way, timeout=within, return_when=asyncio.FIRST_COMPLETED)

    def end(self) -> None:
        """Nobody will hear the rest."""
        for task in self._under_way:
            task.remove_done_callback(self._come)
            task.cancel()

    def _come(self, task: asyncio.Task[Answered]) -> None:
        self._under_way.discard(task)
        self._done.append(task)
