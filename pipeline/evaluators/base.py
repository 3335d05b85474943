"""What evaluators share: what they need is asked for first, and people may call them directly.

    Groundedness().evaluate(input="…", output="…", context=["…"]).score

`evaluate` is synchronous and may be called anywhere, also where an event loop runs, which then waits; there
`await evaluator.judged(sample)` is better. All direct calls of a process share one event loop in a thread of its own, so a judge
keeps its connections.
"""

import asyncio
import os
from collections.abc import Coroutine, Mapping
from dataclasses import MISSING, dataclass, fields
from functools import cache
from hashlib import blake2b
from threading import Thread
from typing import Any, ClassVar, TypeVar

from pipeline.evaluators.fields import sample_of
from pipeline.model.samples import Sample
from pipeline.model.scores import Score, ScoreStatus

Said = TypeVar("Said")

LACKS = {
    "input": "there is no question",
    "output": "there is no answer",
    "context": "there are no documents",
    "reference": "there is no reference",
}
"""What a score says where a field that is needed is empty."""


@dataclass(frozen=True, kw_only=True)
class BaseEvaluator:
    """An evaluator is a frozen dataclass: its fields are its options, and what `version` is made of.

    A subclass says `rules`, the version of what it does, changed with every change that may change a verdict; `needs`; and
    `verdict`. direct: fields of a sample that are meant where somebody calls it directly and does not say them.
    """

    name: str

    rules: ClassVar[str]
    needs: ClassVar[frozenset[str]] = frozenset()
    judge: ClassVar[bool] = False
    direct: ClassVar[Mapping[str, Any]] = {}

    @property
    def version(self) -> str:
        """The rules' version, with a hash of the options that are not the default."""
        changed = [
            (field.name, value)
            for field in fields(self)
            if field.name != "name" and field.compare and (value := getattr(self, field.name)) != _default(field)
        ]
        return f"{self.rules}-{digest(changed)}" if changed else self.rules

    async def judged(self, sample: Sample) -> Score:
        """The verdict, or `skipped` with what is lacking."""
        lacking = next((name for name in sorted(self.needs) if not getattr(sample, name)), None)
        return skipped(LACKS.get(lacking, f"there is no {lacking}")) if lacking else await self.verdict(sample)

    async def verdict(self, sample: Sample) -> Score:
        """The verdict on a sample that has all it needs."""
        raise NotImplementedError

    def evaluate(self, **given: Any) -> Score:
        """The verdict on what is given: input, output, context (a text or several), reference, schema, …

        Raises TypeError naming a field that is unknown, or is no text.
        """
        return run(self.judged(sample_of(given, self.direct)))


def _default(field: Any) -> Any:
    return field.default_factory() if field.default_factory is not MISSING else field.default


def digest(value: Any) -> str:
    """Eight hexadecimal digits of what a value is."""
    return blake2b(repr(value).encode("utf-8", "backslashreplace"), digest_size=4).hexdigest()


def skipped(reason: str) -> Score:
    """No value, because of what the sample lacks."""
    return Score(ScoreStatus.SKIPPED, reason=reason)


def decided(holds: bool, yes: str, no: str) -> Score:
    """One of two labels: 1 and passed if it holds, else 0."""
    return Score(ScoreStatus.OK, value=float(holds), passed=holds, label=yes if holds else no)


@cache
def _loop() -> asyncio.AbstractEventLoop:
    loop = asyncio.new_event_loop()
    Thread(target=loop.run_forever, name="evaluators", daemon=True).start()
    return loop


os.register_at_fork(after_in_child=_loop.cache_clear)  # the thread stays behind


def run(work: Coroutine[Any, Any, Said]) -> Said:
    """The result of a coroutine, from wherever one is. Raises RuntimeError inside an evaluator that runs so itself."""
    loop = _loop()
    try:
        inside = asyncio.get_running_loop() is loop
    except RuntimeError:
        inside = False
    if inside:
        work.close()
        raise RuntimeError("an evaluator that calls another awaits its `judged(sample)`; `evaluate` would wait for itself")
    future = asyncio.run_coroutine_threadsafe(work, loop)
    try:
        return future.result()
    except BaseException:
        future.cancel()
        raise
