"""Why a span decodes to what it does, for spans in files or of a trace that went through the pipeline."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from pipeline.app.decode import decode_stage
from pipeline.connectors.clickhouse import query
from pipeline.connectors.files import read_requests
from pipeline.connectors.kafka_look import records_at
from pipeline.errors import SettingsError
from pipeline.model.stream import Record
from pipeline.operators.counted import Counted, who_counts
from pipeline.operators.decode.explain import SpanStory, explain
from pipeline.operators.decode.spans import Decoder
from pipeline.operators.told_columns import COLUMNS
from pipeline.settings import Settings

MOST_RECORDS = 1_000
"""Of a trace: it may lie in so many OTLP records."""

ID = re.compile(r"[0-9a-f]{16}|[0-9a-f]{32}")

PLACES = "SELECT DISTINCT source, offset FROM spans WHERE trace_id = '{trace}' ORDER BY source, offset LIMIT {most}"


def stories(settings: Settings, files: Sequence[Path], trace: str, span: str) -> Iterator[SpanStory]:
    """The story of every span of the files, or of the trace; of the one `span` if that is said.

    Who counts a call is decided among all spans of its trace that are there, so the files are read twice.

    Raises:
        SettingsError: neither files nor a trace, or both; an id that is none; nothing of that id.
        EngineError: a record of the trace is gone from its log.
    """
    if bool(files) == bool(trace):
        raise SettingsError("say either files or --trace ID (32 hex digits)")
    for name, value in (("--trace", trace), ("--span", span)):
        if value and not ID.fullmatch(value):
            raise SettingsError(f"{name} {value!r} is no id: hex digits, 32 of a trace, 16 of a span")
    decoder = decode_stage(settings).decoder
    records = [] if files else list(_records(settings, trace))
    counts = counted(decoder, read_requests(files) if files else records, trace)
    found = False
    for record in read_requests(files) if files else records:
        for story in explain(decoder, record):
            if (not trace or story.trace_id == trace) and (not span or story.span_id == span):
                found = True
                by, rule, why = counts.get((story.trace_id, story.span_id), Counted("", "", ""))
                yield replace(story, counted_by=by, counted_rule=rule, counted=why)
    if not found:
        raise SettingsError(f"no span {span or trace or 'at all'} is there")


def counted(decoder: Decoder, records: Iterable[Record], trace: str = "") -> dict[tuple[str, str], Counted]:
    """Who counts each call of the records, by trace and span id; of the one `trace` if that is said."""
    columns: dict[str, list[Any]] = {name: [] for name in COLUMNS}
    for record in records:
        found = decoder.columns(decoder.open([record])[0], [record])[0]
        chosen = [i for i, of in enumerate(found["trace_id"]) if trace in ("", of)]
        for name, values in columns.items():
            values += [found[name][i] for i in chosen]
    return who_counts(columns)


def _records(settings: Settings, trace: str) -> Iterator[Record]:
    """The OTLP records that the rows of a trace come from, still in their topic."""
    _, places = query(settings, PLACES.format(trace=trace, most=MOST_RECORDS))
    if not places:
        raise SettingsError(f"no span of trace {trace} is in the table spans")
    yield from records_at(settings, "otlp_spans", ((str(source), int(offset)) for source, offset in places))
