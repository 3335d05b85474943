"""Stages made from settings, and decode and sink run on Kafka."""

import logging
import os
import signal
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from importlib import import_module
from pathlib import Path
from threading import Event
from typing import Any, TypeVar

import orjson
import yaml

from pipeline.app.status import Reporter
from pipeline.connectors.clickhouse import carry_out, feed
from pipeline.connectors.clock import now_ns
from pipeline.connectors.files import read_text
from pipeline.connectors.heartbeat import Heartbeat
from pipeline.connectors.kafka import Producer, cluster_id, sources
from pipeline.connectors.kafka_batches import Limits, run_batches
from pipeline.connectors.redacting import OwnRedaction
from pipeline.connectors.source_ticks import SourceTicks
from pipeline.errors import EngineError, SettingsError
from pipeline.model.columns import STATUS
from pipeline.model.log_time import MOST_SOURCES, WindowPolicy
from pipeline.model.stream import Effects, Message, Source
from pipeline.operators.behaviour.schemas import Schema, UnusableSchemaError, schema_of
from pipeline.operators.blocks import encode_rows
from pipeline.operators.decode.behaviour import Expected
from pipeline.operators.decode.contents import ContentPolicy, Redact
from pipeline.operators.decode.language import Detect, shared_detector
from pipeline.operators.decode.sampled import Sampling
from pipeline.operators.decode.spans import DecodePolicy, Decoder
from pipeline.operators.dialects.series import SERIES_COLUMNS, SeriesColumn, read_series
from pipeline.operators.pricing.bundled import BundledBook
from pipeline.operators.pricing.own import OwnBook
from pipeline.operators.pricing.price import PriceBook
from pipeline.operators.redaction import PATTERNS, redactor
from pipeline.operators.sampling import sampling_key
from pipeline.settings import SECOND, Settings
from pipeline.stages.aggregate import Aggregate
from pipeline.stages.aggregate import Outputs as AggregateOutputs
from pipeline.stages.decode import Decode
from pipeline.stages.decode import Outputs as DecodeOutputs
from pipeline.stages.sink import Sink
from pipeline.topics import inputs

Read = TypeVar("Read")

LOST = "lost_to_retention"
"""Metric: records that retention took before a stage had read them."""

log = logging.getLogger("tailrace.stages")


def decode_stage(settings: Settings) -> Decode:
    """decode under `settings`. Raises SettingsError for a series or price file that cannot be used."""
    series = _read(settings.series_file, "TAILRACE_SERIES_FILE", read_series, SERIES_COLUMNS)
    policy = DecodePolicy(
        series=series,
        detect=_detector(series),
        prices=price_book(settings),
        claims_first=settings.cost_source == "span",
        encoding=settings.otlp_encoding,
        max_record_bytes=settings.max_record_bytes,
        max_spans=settings.max_spans_per_record,
        batch_spans=settings.decode_batch_spans,
        dead_letters=settings.dead_letters_per_record,
        max_text_bytes=settings.max_text_bytes,
        max_duration_ns=int(settings.max_duration * SECOND),
        horizon_ns=int(settings.horizon * SECOND),
        keep_raw=settings.dead_letter_raw,
        user_key=settings.user_hash_key.get_secret_value().encode(),
        expected=Expected(
            frozenset(route.strip() for route in settings.citation_routes.split(",") if route.strip()),
            route_schemas(settings.schemas),
        ),
        sampling=sampling(settings),
    )
    outputs = DecodeOutputs(
        settings.topic("spans"),
        settings.topic("dead-letters"),
        settings.topic("ledger"),
        settings.spans_partitions,
        settings.panes_partitions,
        settings.block_rows,
        settings.topic("samples"),
    )
    return Decode(Decoder(policy, os.urandom(16)), outputs)


def sampling(settings: Settings) -> Sampling | None:
    """Of which traces content is kept, and how it is redacted; None if of none. Raises SettingsError."""
    if not settings.sample_ceiling:
        return None
    key = sampling_key(settings.sample_key.get_secret_value())
    return Sampling(settings.sample_ceiling, key, ContentPolicy(settings.sample_text_bytes, _redact(settings)))


def _redact(settings: Settings) -> Redact | None:
    """What every text of a sample goes through: the user's own function, then the patterns."""
    names = [name.strip() for name in settings.redact.split(",") if name.strip()]
    if unknown := sorted(set(names) - set(PATTERNS)):
        raise SettingsError(f"TAILRACE_REDACT: there is no pattern {', '.join(unknown)}; there are {', '.join(PATTERNS)}")
    patterns = redactor(names) if names else None
    if not settings.redact_with:
        return patterns
    return OwnRedaction(_named(settings.redact_with, "TAILRACE_REDACT_WITH"), settings.redact_seconds, patterns)


def _named(dotted: str, setting: str) -> Callable[[str], Any]:
    """The function of a dotted name, `package.module:function`. Raises SettingsError."""
    module, _, name = dotted.partition(":")
    try:
        found = getattr(import_module(module), name)
    except (ImportError, AttributeError, ValueError) as error:
        raise SettingsError(f"{setting}={dotted}: {error}; it must be package.module:function, importable here") from None
    if not callable(found):
        raise SettingsError(f"{setting}={dotted}: it is no function")
    return found  # type: ignore[no-any-return]


def route_schemas(directory: Path | None) -> dict[str, Schema]:
    """The schemas of a directory, by route. Raises SettingsError for one that cannot be used."""
    found = {}
    for path in sorted(directory.glob("*.json")) if directory is not None else ():
        try:
            found[path.stem] = schema_of(orjson.loads(path.read_bytes()))
        except (OSError, orjson.JSONDecodeError, UnusableSchemaError) as error:
            raise SettingsError(f"TAILRACE_SCHEMAS: {path}: {error}") from None
    if directory is not None and not found:
        raise SettingsError(f"TAILRACE_SCHEMAS={directory}: no schemas (<route>.json) are there")
    return found


def _detector(series: Mapping[str, SeriesColumn]) -> Detect | None:
    """What guesses languages, if the series ask for it. Raises SettingsError if it is not installed."""
    if not series["language"].detect:
        return None
    try:
        return shared_detector()
    except ImportError:
        raise SettingsError(
            "TAILRACE_SERIES_FILE asks for `detect` of languages: install py3langid (pip install 'tailrace[language]')"
        ) from None


def price_book(settings: Settings) -> PriceBook:
    """The bundled prices, under the user's own if there are any. Raises SettingsError for a file that cannot be used."""
    book: PriceBook = BundledBook()
    return _read(settings.price_file, "TAILRACE_PRICE_FILE", lambda raw: OwnBook.over(book, raw), book)


def window_policy(settings: Settings) -> WindowPolicy:
    """What the settings promise of windows and traces."""
    return WindowPolicy(
        window_ns=int(settings.window * SECOND),
        allowed_lateness_ns=int(settings.allowed_lateness * SECOND),
        out_of_orderness_ns=int(settings.out_of_orderness * SECOND),
        max_ahead_ns=int(settings.max_ahead * SECOND),
        max_series=settings.max_series,
        source_patience_ns=int(settings.source_patience * SECOND),
        call_hold_ns=int(settings.call_hold * SECOND),
        trace_settle_ns=int(settings.trace_settle * SECOND),
        trace_idle_ns=int(settings.trace_idle * SECOND),
        trace_longest_ns=int(settings.trace_longest * SECOND),
        max_trace_spans=settings.max_trace_spans,
        max_open_spans=settings.max_open_spans,
        max_traces=settings.max_traces,
    )


def aggregate_stage(settings: Settings) -> Aggregate:
    """aggregate under `settings`."""
    outputs = AggregateOutputs(
        settings.topic("panes"),
        settings.topic("ledger"),
        settings.topic("dead-letters"),
        settings.topic("status"),
        settings.panes_partitions,
        settings.topic("traces"),
        settings.topic("repeats"),
        settings.spans_partitions,
    )
    return Aggregate(window_policy(settings), outputs, int(settings.early_every * SECOND), int(settings.progress_every * SECOND))


def sink_stage(settings: Settings) -> Sink:
    """sink under `settings`."""
    return Sink(settings.tables(), settings.topic("dead-letters"), settings.panes_partitions, settings.dead_letter_raw)


def run_decode(settings: Settings, instance: str, beat: Heartbeat) -> None:
    """Run decode until SIGTERM or SIGINT."""
    here = as_on_broker(settings)
    if (samples := len(sources(here, "samples"))) != here.spans_partitions:
        raise EngineError(
            f"{here.topic('samples')} has {samples} partitions and {here.topic('spans')} {here.spans_partitions}: they must be "
            "as many; `tailrace topics` says how to change that"
        )
    if len(sources(here, *inputs("decode"))) > MOST_SOURCES:
        raise EngineError(f"{here.otlp_topic} has more than {MOST_SOURCES} partitions: more than a watermark can wait for")
    stage = decode_stage(here)
    if not stage.decoder.policy.user_key:
        log.warning("TAILRACE_USER_HASH_KEY is not set: the column user_hash stays empty")
    deliver = delivery(settings)
    logs = [settings.topic("spans"), *([settings.topic("samples")] if stage.decoder.policy.sampling else [])]
    ticks = SourceTicks(settings, dict.fromkeys(logs, here.spans_partitions), deliver)

    withheld = Withheld(stage, settings.topic("status"), instance)

    def write(effects: Effects) -> None:
        announcement = ticks.announcement
        with withheld.told(now_ns()) as texts:
            deliver((*announcement, *effects.messages, *texts))
        ticks.announced(announcement)

    run_batches(
        settings,
        group=settings.group("decode"),
        topic_keys=inputs("decode"),
        parts=stage.parts,
        step=stage.step,
        carry_out=write,
        stop=stop_on_signal(),
        limits=Limits(settings.decode_batch_records, settings.decode_batch_bytes, settings.decode_linger),
        watch=ticks,
        overtaken=overtaken_by_retention(settings, "decode"),
        beat=beat,
    )


class Withheld:
    """Says in `status` how many texts of samples a decode process withheld because of the user's own redaction, by reason."""

    def __init__(self, stage: Decode, topic: str, instance: str) -> None:
        sampling = stage.decoder.policy.sampling
        redact = sampling.content.redact if sampling is not None else None
        self._counts: Counter[str] = redact.withheld if isinstance(redact, OwnRedaction) else Counter()
        self._told: Counter[str] = Counter()
        self._topic, self._instance = topic, instance

    @contextmanager
    def told(self, at_ns: int) -> Iterator[list[Message]]:
        """What was withheld since it was last told, as messages; told again if they are not written."""
        counts = self._counts.copy()
        rows = [
            {"time_ns": at_ns, "stage": "decode", "source": self._instance, "metric": reason, "value": float(more)}
            for reason, more in (counts - self._told).items()
        ]
        yield [Message(self._topic, 0, encode_rows(STATUS, rows))] if rows else []
        self._told = counts


def run_sink(settings: Settings, instance: str, beat: Heartbeat) -> None:  # noqa: ARG001
    """Run the sink until SIGTERM or SIGINT. Beside it a thread reports how far every stage is."""
    stage = sink_stage(as_on_broker(settings))
    deliver = delivery(settings)
    stop = stop_on_signal()
    Reporter(settings, delivery(settings), stop).start()
    cluster = cluster_id(settings)
    store = cache(lambda: feed(settings, cluster))  # a store that is away at the start is waited for like one that goes away

    def insert(effects: Effects) -> None:
        carry_out(store(), effects, refused=stage.refused, deliver=deliver)

    run_batches(
        settings,
        group=settings.group("sink"),
        topic_keys=inputs("sink"),
        step=stage.step,
        carry_out=insert,
        stop=stop,
        limits=Limits(settings.sink_records, settings.sink_bytes, settings.sink_linger),
        overtaken=overtaken_by_retention(settings, "sink"),
        beat=beat,
    )


def overtaken_by_retention(settings: Settings, stage: str) -> Callable[[Source, int, int], None]:
    """Says, in the log and in `status`, what retention took before the stage had read it."""
    deliver = cache(lambda: delivery(settings))

    def tell(source: Source, due: int, found: int) -> None:
        log.warning("%s: retention took offsets %d to %d before %s had read them", source, due, found - 1, stage)
        row = {"time_ns": now_ns(), "stage": stage, "source": str(source), "metric": LOST, "value": float(found - due)}
        deliver()([Message(settings.topic("status"), 0, encode_rows(STATUS, [row]))])

    return tell


def delivery(settings: Settings) -> Callable[[Sequence[Message]], None]:
    """Writes messages and returns when they are in the log."""
    producer = Producer(settings)

    def deliver(messages: Sequence[Message]) -> None:
        producer.send(messages)
        producer.confirm()

    return deliver


def as_on_broker(settings: Settings) -> Settings:
    """The settings with the partition counts the topics really have. Raises EngineError if a topic is missing."""
    return settings.model_copy(
        update={
            "spans_partitions": len(sources(settings, "spans")),
            "panes_partitions": len(sources(settings, "panes")),
        }
    )


def stop_on_signal() -> Event:
    """Set by SIGTERM or SIGINT."""
    stop = Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    return stop


def _read(path: Path | None, setting: str, read: Callable[[Any], Read], otherwise: Read) -> Read:
    """What a YAML file of the user says, `otherwise` if there is none. Raises SettingsError naming the setting."""
    if path is None:
        return otherwise
    try:
        return read(yaml.safe_load(read_text(path, setting)))
    except (ValueError, TypeError, AttributeError, yaml.YAMLError) as error:
        raise SettingsError(f"{setting}={path}: {' '.join(str(error).split())}") from None
