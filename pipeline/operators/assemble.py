"""The spans of one trace as what an evaluator judges: one question, one answer, what was retrieved and done, and whose it is.

The question is that of the span that began first, the answer that of the span that ended last: what the user asked and got, not
what the steps between asked of each other. A text is preferred to JSON, in which frameworks write their state; an answer that was
to be JSON is one. Among equals a call counts before what is around it.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from pipeline.model.columns import SERIES
from pipeline.model.samples import Sample, ToolCall
from pipeline.operators.sample_rows import SampleRow
from pipeline.operators.sampled_traces import Closed

MOST_CONTEXT = 50
"""Documents of a trace, the first of them."""
MOST_TOOLS = 50

ROUTE, COHORT, LANGUAGE = (SERIES.index(name) for name in ("route", "cohort", "language"))
MODEL = SERIES.index("model")

_documents: msgspec.json.Decoder[list[str]] = msgspec.json.Decoder(list[str])


@dataclass(frozen=True, slots=True)
class Judged:
    """A trace to be judged. series: of the trace, its model that of the answer. ceiling: share of the traces that were kept."""

    trace_id: str
    series: tuple[str, ...]
    sample: Sample
    trace_ns: int
    ceiling: float


def assembled(closed: Closed) -> Judged:
    """The trace as it is judged, in any order of its spans."""
    rows = closed.rows
    calls = [row for row in rows if row.kind == "llm"]
    question = _first(sorted(rows, key=lambda row: (row.start_ns, -row.end_ns, row.span_id)), lambda row: row.question, False)
    last = sorted(rows, key=lambda row: (-row.end_ns, row.kind != "llm", row.start_ns, row.span_id))
    answer = _first(last, lambda row: row.answer, any(row.wants_json for row in calls))
    of_answer = next((row for row in last if row.kind == "llm" and row.answer), next(iter(reversed(calls)), None))
    series = _series(rows, of_answer)
    sample = Sample(
        input=question,
        output=answer,
        context=tuple(dict.fromkeys(text for row in rows for text in _read(row.documents)))[:MOST_CONTEXT],
        tools=tuple(ToolCall(r.tool_name, r.tool_arguments, r.tool_result) for r in rows if r.kind == "tool")[:MOST_TOOLS],
        schema=of_answer.output_schema.encode() if of_answer and of_answer.output_schema else None,
        wants_json=bool(of_answer and of_answer.wants_json),
        language=series[LANGUAGE],
        finish_reason=of_answer.finish_reason if of_answer else "",
        refusal=of_answer.refusal if of_answer else None,
        citation=of_answer.citation if of_answer else None,
        schema_valid=of_answer.schema_valid if of_answer else None,
        incomplete=closed.incomplete,
    )
    return Judged(closed.trace_id, series, sample, max(row.end_ns for row in rows), min(row.ceiling for row in rows))


def _first(rows: Iterable[SampleRow], text_of: Callable[[SampleRow], str], json: bool) -> str:
    """The first text, else the first JSON. json: JSON is a text as good as any."""
    texts = [text for row in rows if (text := text_of(row))]
    return next((text for text in texts if json or text.lstrip()[:1] not in ("{", "[")), texts[0] if texts else "")


def _read(documents: str) -> list[str]:
    try:
        return _documents.decode(documents) if documents else []
    except msgspec.MsgspecError:
        return []


def _series(rows: Sequence[SampleRow], of_answer: SampleRow | None) -> tuple[str, ...]:
    """What the root says, else the first span that says it; the model is that of the answer."""
    ordered = sorted(rows, key=lambda row: (not row.is_root, row.start_ns, row.span_id))
    said: list[Any] = [next((row.series[i] for row in ordered if row.series[i]), "") for i in range(len(SERIES))]
    said[MODEL] = of_answer.series[MODEL] if of_answer else ""
    return tuple(said)
