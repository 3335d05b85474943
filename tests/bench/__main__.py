"""`make bench`: every promised figure measured in one run and printed beside its bound. Exit code 1 if one is missed.

Ratios compare what was measured in this very run; absolute figures depend on the machine.
"""

import argparse
import os
import random
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import orjson
from fastdigest import TDigest
from rich.console import Console
from rich.table import Table
from tdigest import TDigest as PlainDigest

from pipeline.app import demo
from pipeline.app.aggregate import aggregate_stage
from pipeline.app.decode import decode_stage
from pipeline.app.up import pipeline
from pipeline.connectors.kafka import Producer, apply_topics
from pipeline.connectors.local_engines import engines
from pipeline.model.stream import Message, Record
from pipeline.operators.decode.language import detector
from pipeline.operators.decode.scan import scan
from pipeline.settings import Settings
from tests.bench import alert_delay, backlog, evaluate_rate, judge
from tests.bench.aggregate_rate import costs_of_traces
from tests.bench.answers import answer_batches, judged
from tests.bench.decode_rate import rate
from tests.bench.evaluators import rates
from tests.bench.traffic import BLOCKS, otlp_records, span_blocks

MESSAGES = 15_000


@dataclass(frozen=True)
class Figure:
    """One measured figure. `bound` is promised: at least (or with `most` at most) so much."""

    name: str
    value: float
    unit: str
    bound: float | None = None
    most: bool = False

    @property
    def kept(self) -> bool:
        return self.bound is None or (self.value <= self.bound if self.most else self.value >= self.bound)


def decode_figures() -> Iterator[Figure]:
    """decode on the demo's spans: OTLP record bytes to span block bytes."""
    stage = decode_stage(Settings())
    calls = otlp_records(8000, around=False)
    traces = otlp_records(4000, around=True)
    stage.step(calls[:2], 0)
    per_batch = 25

    def run(records: list[Record], spans: int) -> Callable[[], int]:
        def work() -> int:
            for at in range(0, len(records), per_batch):
                stage.step(records[at : at + per_batch], 0)
            return spans

        return work

    spans = len(stage.decoder.decode(calls).columns["kind"])
    whole = len(stage.decoder.decode(traces).columns["kind"])
    payloads = [record.value or b"" for record in calls]
    yield Figure("decode, model calls of about 25 attributes", rate(run(calls, spans)), "spans/s", 40_000)
    yield Figure("decode, whole traces of the demo", rate(run(traces, whole)), "spans/s")
    yield Figure("the scan alone", rate(lambda: len(scan(payloads, stage.decoder.asked, 10**6).spans)), "spans/s")


def table_figures() -> Iterator[Figure]:
    """decode with every table against decode with three, and with samples, in processes of their own that take turns."""
    best: dict[str, list[float]] = {}
    for choice in ("all", "three", "unsampled") * 2:
        done = subprocess.run(
            [sys.executable, "-m", "tests.bench.decode_rate", choice], capture_output=True, text=True, check=True
        )
        best[choice] = list(map(max, best.get(choice, [0.0, 0.0]), map(float, done.stdout.split())))
    columns = (best[choice] for choice in ("all", "three", "unsampled"))
    for what, every, three, unsampled in zip(("the demo's calls", "recordings"), *columns, strict=True):
        yield Figure(f"decode of {what} with all tables", every, "spans/s")
        yield Figure(f"decode of {what}: all tables over three", every / three, "times", 0.9)
        yield Figure(f"decode of {what}: with samples of one trace in five over without", every / unsampled, "times", 0.85)


def language_figure() -> Figure:
    """The language of texts of a hundred characters, all different."""
    detect = detector()
    texts = [f"What does the warranty of appliance number {i} cover, and for how many months after that?" for i in range(2000)]
    return Figure("languages told", rate(lambda: sum(detect(text, 0) is not None for text in texts)), "texts/s")


def behaviour_figures() -> Iterator[Figure]:
    """What an answer's behaviour takes, per answer, by where and how long it is; all are different."""
    for what, batch, answers in answer_batches():
        yield Figure(f"behaviour of {what}", 1e6 / rate(lambda batch=batch, n=answers: judged(batch, n)), "us", 20, most=True)


def evaluator_figures() -> Iterator[Figure]:
    """Evaluators without a model, on traces of retrieval, and one that asks a judge."""
    for name, traces in rates():
        yield Figure(f"{name}, five documents of 1,000 characters", traces, "traces/s", 500)
    per_second, cpu = judge.figures()
    yield Figure("judgements against a server that takes 150 ms", per_second, "1/s", 300)
    yield Figure("CPU of one", cpu, "ms", 2, most=True)


def evaluate_figures() -> Iterator[Figure]:
    """The stage evaluate with what it asks: reading samples, putting traces together, the evaluators."""
    traces, span = evaluate_rate.without_a_judge()
    yield Figure("evaluate without a judge, whole traces of the demo", traces, "traces/s", 500)
    yield Figure("the same for each span of samples", span, "us")
    calls, each = evaluate_rate.with_a_judge()
    yield Figure("judge calls of the whole stage, 150 ms each", calls, "1/s", 300)
    yield Figure("CPU of one", each, "ms", 2, most=True)


def aggregate_figures(bootstrap_of: Callable[[], tuple[Settings, str]]) -> Iterator[Figure]:
    """aggregate against a per-span Faust agent, block bytes to pane rows, in the same run."""
    stage = aggregate_stage(Settings())
    blocks = span_blocks(60, 5000, 200)
    spans = 5000 * len(blocks)
    stage.step(stage.open(BLOCKS, None), blocks[:1], 0)

    def work() -> int:
        state = stage.open(BLOCKS, None)
        for block in blocks:
            state, _ = stage.step(state, [block], block.timestamp_ns)
        stage.close(state)
        return spans

    ours = rate(work)
    yield Figure("aggregate, span block bytes to pane rows", ours, "spans/s", 100_000)
    whole, alone = costs_of_traces()
    yield Figure("aggregate with traces over without, whole traces", whole, "times", 4 / 3, most=True)
    yield Figure("the same, every call a trace of its own", alone, "times")
    settings, bootstrap = bootstrap_of()
    topic = one_span_a_message(settings)
    lean, typed = (per_span_agent(bootstrap, topic, style) for style in ("bytes", "record"))
    yield Figure("a per-span Faust agent, raw bytes and orjson", lean, "spans/s")
    yield Figure("a per-span Faust agent, typed records", typed, "spans/s")
    yield Figure("aggregate over the agent of raw bytes", ours / lean, "times")
    yield Figure("aggregate over the agent of typed records", ours / typed, "times", 50)


def one_span_a_message(settings: Settings) -> str:
    """The same spans, one a message; the topic they are in."""
    block = orjson.loads(span_blocks(5, 5000, 200)[0].value or b"")
    rows = [dict(zip(block, values, strict=True)) for values in zip(*block.values(), strict=True)]
    producer, topic = Producer(settings), settings.topic("panes")
    for n in range(0, MESSAGES, 1000):
        producer.send(Message(topic, 0, orjson.dumps(rows[i % len(rows)] | {"span_id": f"{i:016x}"})) for i in range(n, n + 1000))
        producer.confirm()
    return topic


def per_span_agent(bootstrap: str, topic: str, style: str) -> float:
    """Spans per second of CPU of `tests.bench.faust_agent`."""
    command = [sys.executable, "-m", "tests.bench.faust_agent", bootstrap, topic, str(MESSAGES), style]
    done = subprocess.run(command, capture_output=True, text=True, timeout=180, check=False)
    return float(done.stdout.splitlines()[-1].split()[0])


def memory_figure() -> Figure:
    """An aggregate worker with six minutes of open windows."""
    command = [sys.executable, "-m", "tests.bench.memory", "420", "5000", "1000"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return Figure("memory: 1,000 series, 5,000 spans/s, 6 min open", int(done.stdout) / 2**20, "MB", 500, most=True)


def open_traces_figures() -> Iterator[Figure]:
    """A partition with as many open traces as it may have."""
    done = subprocess.run([sys.executable, "-m", "tests.bench.open_traces"], capture_output=True, text=True, check=True)
    held, moment = map(float, done.stdout.split())
    yield Figure("memory: a million open traces in one partition", held / 2**20, "MB", 900, most=True)
    yield Figure("a moment among them", moment * 1e3, "ms", 250, most=True)


def digest_figures() -> Iterator[Figure]:
    """fastdigest against the plain one, values per second."""
    values = np.random.default_rng(1).lognormal(3, 0.8, 20_000)

    def fast() -> int:
        digest = TDigest(max_centroids=200)
        for at in range(0, len(values), 250):
            digest.batch_update(values[at : at + 250])
        return len(values)

    def plain() -> int:
        PlainDigest().batch_update(values[:2000])
        return 2000

    yield Figure("fastdigest over tdigest", rate(fast) / rate(plain), "times", 20)


def freshness_figure(settings: Settings, seconds: float) -> Figure:
    """The demo's traffic through all stages: age of a call when a pane first shows it."""
    with pipeline(settings, lambda _: None) as running:
        generator = demo.Generator(running.settings, seconds)
        freshness = demo.Freshness(generator.sent)
        generator.start()
        deadline = time.monotonic() + seconds + 60
        while time.monotonic() < deadline:
            visible = demo.visible_calls(running.settings, generator.since_s)
            freshness.saw(visible, time.monotonic())
            if not generator.is_alive() and visible >= generator.sent.calls:
                break
            time.sleep(0.5)
        if freshness.visible < generator.sent.calls:
            sys.exit(f"{generator.sent.calls - freshness.visible} calls never became visible")
        return Figure("freshness: 95 % of calls in a visible pane within", freshness.quantile(0.95), "s", 15, most=True)


def main() -> None:
    """Measure, print, judge."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--seconds", type=float, default=60, help="length of the freshness run")
    parser.add_argument("--backlog", type=int, default=500_000, help="spans of the backlog that goes through Kafka")
    options = parser.parse_args()
    err = Console(stderr=True)
    figures: list[Figure] = []

    def keep(found: Iterator[Figure]) -> None:
        for figure in found:
            figures.append(figure)
            err.print(f"{figure.name}: {figure.value:,.{2 if figure.value < 10 else 1}f} {figure.unit}", highlight=False)

    keep(decode_figures())
    keep(table_figures())
    keep(iter([language_figure()]))
    keep(behaviour_figures())
    keep(evaluator_figures())
    keep(evaluate_figures())
    keep(digest_figures())
    keep(iter([memory_figure()]))
    keep(open_traces_figures())
    local = Settings(local_dir=Path(os.environ.get("TAILRACE_LOCAL_DIR", ".local")))
    with engines(local, lambda _: None) as running:
        settings = running.settings(local).model_copy(update={"topic_prefix": f"bench{random.randrange(10**6)}"})
        apply_topics(settings)
        keep(aggregate_figures(lambda: (settings, running.kafka_bootstrap)))
        keep(Figure(*measured) for measured in backlog.figures(running.settings(local), options.backlog))
        keep(Figure(*measured) for measured in alert_delay.figures(settings))
        keep(iter([freshness_figure(running.settings(local), options.seconds)]))
    report(figures, options.json)
    sys.exit(0 if all(figure.kept for figure in figures) else 1)


def report(figures: list[Figure], as_json: bool) -> None:
    """The table, or a JSON object a line."""
    if as_json:
        for figure in figures:
            print(orjson.dumps({**figure.__dict__, "kept": figure.kept}).decode())
        return
    table = Table("figure", "measured", "promised", "", header_style="bold")
    for figure in figures:
        promised = "" if figure.bound is None else f"{'≤' if figure.most else '≥'} {figure.bound:,g} {figure.unit}"
        verdict = "" if figure.bound is None else "kept" if figure.kept else "[bold red]MISSED[/]"
        table.add_row(figure.name, f"{figure.value:,.{2 if figure.value < 10 else 1}f} {figure.unit}", promised, verdict)
    Console(width=None if sys.stdout.isatty() else 120).print(table)


if __name__ == "__main__":
    main()
