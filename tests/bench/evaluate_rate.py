"""`python -m tests.bench.evaluate_rate`: the stage evaluate with what carries out its asks, without Kafka.

Without a judge: traces and spans of samples that one core reads, puts together and gives to the four evaluators that ask nobody.
With one: judge calls of the whole stage against a server that takes 150 ms, in a process of its own, 64 at once.
"""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.app.decode import decode_stage
from pipeline.app.evaluate import JUDGED_WITHIN, evaluate_stage
from pipeline.app.evaluators import evaluators
from pipeline.connectors.evaluating import Asking, Bench
from pipeline.connectors.judge import HttpJudge, JudgePolicy, Usage
from pipeline.evaluators import TaskCompletion
from pipeline.evaluators.protocol import Configured
from pipeline.model.stream import Record, Source
from pipeline.operators.log_marks import TICKS_KEY, Ticks, encode_ticks
from pipeline.settings import SECOND, Settings
from tests.bench.judge import served
from tests.bench.traffic import NOW_NS, OTLP, otlp_records

SAMPLES = Source("samples", 0, "bench")
CALLS = 2000
ROUNDS = 3
SETTINGS = Settings(sample_ceiling=1.0, sample_rate=1.0)


@dataclass(frozen=True)
class Rate:
    """What one round did: seconds of a clock and of CPU, spans read, traces judged."""

    seconds: float
    cpu: float
    spans: int
    traces: int


def log_of_samples() -> tuple[list[Record], int]:
    """What decode writes of the demo's traces, with ticks until all of them are over; and how many spans it holds."""
    stage = decode_stage(SETTINGS)
    effects = stage.step(otlp_records(CALLS, around=True), 0)
    blocks = [message.value for message in effects.messages if message.topic == stage.outputs.samples]
    spans = sum(block.count(b'"', 0, block.index(b"]")) // 2 - 1 for block in blocks)
    log = [Record(SAMPLES, i, NOW_NS, block) for i, block in enumerate(blocks)]
    for i in range(40):
        at = NOW_NS + 30 * (i + 1) * SECOND
        said = Ticks(topic=OTLP.topic, epoch=OTLP.epoch, partitions=1, partition=[0], read_to_ns=[at])
        log.append(Record(SAMPLES, len(log), at, encode_ticks(said), TICKS_KEY))
    return log, spans


async def judged(log: Sequence[Record], spans: int, chosen: list[Configured]) -> Rate:
    """The log through the stage, as a partition in the hands of a worker goes through it."""
    stage, asking = evaluate_stage(SETTINGS, chosen), Asking(Bench(chosen, 60, JUDGED_WITHIN).answer)
    state, at, traces = stage.open(SAMPLES, None), 0, 0
    begin, cpu = time.perf_counter(), time.process_time()
    while at < len(log) or len(asking) or state.asked:
        batch: Sequence[Record] = ()
        if stage.is_full(state) or at == len(log):
            await asking.some(0.2)
        else:
            batch, at = log[at : at + 1], at + 1
        heard = asking.heard()
        traces += len(heard)
        stage.heard(state, heard)
        state, effects = stage.step(state, batch, NOW_NS)
        asking.ask(effects.asks)
    return Rate(time.perf_counter() - begin, time.process_time() - cpu, spans, traces)


def without_a_judge() -> tuple[float, float]:
    """Traces per second of CPU, and microseconds of it for each span of samples."""
    log, spans = log_of_samples()
    found = [asyncio.run(judged(log, spans, evaluators(SETTINGS))) for _ in range(ROUNDS)]
    best = min(found, key=lambda rate: rate.cpu)
    return best.traces / best.cpu, 1e6 * best.cpu / best.spans


def with_a_judge() -> tuple[float, float]:
    """Judge calls per second of the whole stage, and milliseconds of CPU for each: TaskCompletion of every trace."""
    log, spans = log_of_samples()
    with served("completed") as url:
        found = []
        for _ in range(ROUNDS):
            judge = HttpJudge(JudgePolicy(url=url, model="judge"), _free)
            found.append(asyncio.run(judged(log, spans, [Configured(TaskCompletion(asks=judge))])))
            for loop in list(judge._open):
                asyncio.run_coroutine_threadsafe(judge.close(), loop).result(10)
    return max(rate.traces / rate.seconds for rate in found), min(1000 * rate.cpu / rate.traces for rate in found)


def _free(_usage: Usage, _model: str) -> int:
    return 0


if __name__ == "__main__":
    rate, span = without_a_judge()
    print(f"without a judge {rate:,.0f} traces/s of one core, {span:.0f} us a span")
    rate, each = with_a_judge()
    print(f"with a judge {rate:,.0f} calls/s of the whole stage, {each:.2f} ms of CPU each")
