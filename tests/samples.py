"""Blocks of samples for tests: plain spans of traces, changed where the test says, and evaluators that need nobody."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from pipeline.evaluators.protocol import Configured
from pipeline.model.columns import SAMPLES
from pipeline.model.samples import Sample
from pipeline.model.scores import Score, ScoreStatus
from pipeline.model.stream import Record, Source
from pipeline.operators.blocks import encode_rows
from pipeline.operators.log_marks import TICKS_KEY, Ticks, encode_ticks

SOURCE = Source("tailrace.samples.v1", 0, "test")

PLAIN: dict[str, Any] = {
    **{c.name: None if c.nullable else "" if c.type == "string" else False if c.type == "boolean" else 0 for c in SAMPLES},
    "kind": "llm",
    "status": "ok",
    "route": "support",
    "question": "How tall is it?",
    "answer": "It is 330 metres tall.",
    "ceiling": 1.0,
    "source": "otlp_spans:0:test",
    "schema_version": 3,
}


def sample_row(trace: int, number: int, end_ns: int, **changes: Any) -> dict[str, Any]:
    """A span of a trace, with ids made from the numbers; the first of a trace is its root."""
    ids = {
        "trace_id": f"{trace:032x}",
        "span_id": f"{trace * 1000 + number:016x}",
        "parent_span_id": "" if number == 0 else f"{trace * 1000:016x}",
    }
    return PLAIN | ids | {"start_ns": end_ns - 10, "end_ns": end_ns} | changes


def record(offset: int, append_ns: int, rows: Sequence[dict[str, Any]], source: Source = SOURCE) -> Record:
    """A block as read from the log; rows were recorded when it was appended unless they say otherwise."""
    told = [row | {"recorded_ns": row["recorded_ns"] or append_ns} for row in rows]
    return Record(source, offset, append_ns, encode_rows(SAMPLES, told))


def tick(offset: int, append_ns: int, source: Source = SOURCE) -> Record:
    """`otlp_spans` has one partition, and is read to the time of this message."""
    said = Ticks(topic="otlp_spans", epoch="test", partitions=1, partition=[0], read_to_ns=[append_ns])
    return Record(source, offset, append_ns, encode_ticks(said), TICKS_KEY)


@dataclass(frozen=True)
class Length:
    """Says how long an answer is: a value that differs from trace to trace."""

    name: str = "length"
    version: str = "1"
    needs: frozenset[str] = frozenset({"output"})
    judge: bool = False
    nusd: int = 0
    asked: list[Sample] = field(default_factory=list, compare=False)

    async def judged(self, sample: Sample) -> Score:
        self.asked.append(sample)
        value = (len(sample.output) % 100) / 100
        return Score(ScoreStatus.OK, value, value >= 0.5, judge_cost_nusd=self.nusd if self.judge else None)

    def most_nusd(self, sample: Sample) -> int:
        return self.nusd


def configured(*evaluators: Any, **rates: Any) -> tuple[Configured, ...]:
    """Evaluators as the stage gets them."""
    return tuple(Configured(evaluator, **rates) for evaluator in evaluators)
