"""`python -m tests.bench.evaluators`: traces judged per second of one core by the evaluators that need no model.

A trace has a question, an answer of 800 characters, and five documents of a thousand characters, all different.
"""

import asyncio
from collections.abc import Iterator
from random import Random

from pipeline.evaluators.configuration import evaluators_in
from pipeline.evaluators.protocol import Evaluator
from pipeline.model.samples import Sample
from tests.bench.answers import text
from tests.bench.decode_rate import rate

TRACES = 400


def samples() -> list[Sample]:
    """Traces of retrieval, each with words of its own."""
    random = Random(1)
    return [
        Sample(
            input=f"What about number {n}?",
            output=f"{n}: {text(random, 800)}",
            context=tuple(f"{n}-{at}: {text(random, 1000)}" for at in range(5)),
            wants_json=True,
        )
        for n in range(TRACES)
    ]


def rates() -> Iterator[tuple[str, float]]:
    """Each default evaluator and its traces per second."""
    traces = samples()

    def work(evaluator: Evaluator) -> int:
        async def judge_all() -> None:
            for trace in traces:
                await evaluator.judged(trace)

        asyncio.run(judge_all())
        return len(traces)

    for one in evaluators_in(None):
        yield one.evaluator.name, rate(lambda evaluator=one.evaluator: work(evaluator))


if __name__ == "__main__":
    for name, traces_per_second in rates():
        print(f"{name}: {traces_per_second:,.0f} traces/s")
