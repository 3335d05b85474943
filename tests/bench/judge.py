"""`python -m tests.bench.judge`: judgements per second of one process against a server that takes 150 ms, and what each costs it.

The server is a process of its own, so that its work is not counted as the client's.
"""

import asyncio
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from random import Random

from aiohttp import web

from pipeline.app.judging import cost_by
from pipeline.connectors.judge import HttpJudge, JudgePolicy
from pipeline.evaluators import Groundedness, Sample
from pipeline.operators.pricing.bundled import BundledBook
from tests.bench.answers import text
from tests.judge_server import Asked, JudgeServer, completion, json, said

DELAY = 0.15
JUDGEMENTS = 1500
ROUNDS = 3


async def serve(label: str) -> None:
    """Serve until standard input ends."""

    async def slow(_request: web.Request, _asked: Asked) -> web.StreamResponse:
        """As a hosted model answers."""
        await asyncio.sleep(DELAY)
        return json(completion(said("It stands there. " * 10, label=label)))

    async with JudgeServer(slow) as server:
        print(server.url, flush=True)
        await asyncio.to_thread(sys.stdin.read)


@contextmanager
def served(label: str) -> Iterator[str]:
    """The address of a server that always chooses `label`, while the context lasts."""
    command = [sys.executable, "-m", "tests.bench.judge", "serve", label]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin
        assert process.stdout
        try:
            yield process.stdout.readline().strip()
        finally:
            process.stdin.close()


def figures() -> tuple[float, float]:
    """Judgements per second, and milliseconds of CPU each: the best of some rounds, as others only make it slower."""
    random = Random(1)
    samples = [
        Sample(input=f"{n}?", output=text(random, 800), context=tuple(text(random, 1000) for _ in range(3))) for n in range(100)
    ]
    with served("supported") as url:
        found = [asyncio.run(_round(url, samples)) for _ in range(ROUNDS)]
    return max(rate for rate, _ in found), min(cpu for _, cpu in found)


async def _round(url: str, samples: list[Sample]) -> tuple[float, float]:
    judge = HttpJudge(JudgePolicy(url=url, model="gpt-4o-mini"), cost_by(BundledBook(), "gpt-4o-mini", "https://api.openai.com"))
    evaluator = Groundedness(asks=judge)
    begin, cpu = time.perf_counter(), time.process_time()
    scores = await asyncio.gather(*(evaluator.judged(samples[n % len(samples)]) for n in range(JUDGEMENTS)))
    took, cpu = time.perf_counter() - begin, time.process_time() - cpu
    await judge.close()
    assert all(score.value == 1 and score.judge_cost_nusd for score in scores)
    return JUDGEMENTS / took, 1000 * cpu / JUDGEMENTS


if __name__ == "__main__":
    if sys.argv[1:2] == ["serve"]:
        asyncio.run(serve(sys.argv[2]))
    else:
        rate, cpu = figures()
        print(f"{rate:,.0f} judgements/s, {cpu:.2f} ms of CPU each (64 at once, {DELAY * 1000:.0f} ms each)")
