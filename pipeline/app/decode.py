"""decode made from settings, and run on Kafka."""

import logging
import os
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from typing import Any

from pipeline.app.compose import as_on_broker, delivery, overtaken_by_retention, stop_on_signal
from pipeline.app.own_files import price_book, read_own, route_schemas
from pipeline.connectors.clock import now_ns
from pipeline.connectors.heartbeat import Heartbeat
from pipeline.connectors.kafka import sources
from pipeline.connectors.kafka_batches import Limits, run_batches
from pipeline.connectors.redacting import OwnRedaction
from pipeline.connectors.source_ticks import SourceTicks
from pipeline.errors import EngineError, SettingsError
from pipeline.model.columns import STATUS
from pipeline.model.log_time import MOST_SOURCES
from pipeline.model.stream import Effects, Message
from pipeline.operators.blocks import encode_rows
from pipeline.operators.decode.behaviour import Expected
from pipeline.operators.decode.contents import ContentPolicy, Redact
from pipeline.operators.decode.language import Detect, shared_detector
from pipeline.operators.decode.sampled import Sampling
from pipeline.operators.decode.spans import DecodePolicy, Decoder
from pipeline.operators.dialects.series import SERIES_COLUMNS, SeriesColumn, read_series
from pipeline.operators.redaction import PATTERNS, redactor
from pipeline.operators.sampling import sampling_key
from pipeline.settings import SECOND, Settings
from pipeline.stages.decode import Decode, Outputs
from pipeline.topics import inputs

log = logging.getLogger("tailrace.stages")


def decode_stage(settings: Settings) -> Decode:
    """decode under `settings`. Raises SettingsError for a series or price file that cannot be used."""
    series = read_own(settings.series_file, "TAILRACE_SERIES_FILE", read_series, SERIES_COLUMNS)
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
    outputs = Outputs(
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
