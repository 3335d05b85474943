"""What several stages are made of, from settings, and how they run on Kafka."""

import logging
import signal
from collections.abc import Callable, Sequence
from functools import cache
from threading import Event

from pipeline.connectors.clock import now_ns
from pipeline.connectors.kafka import Producer, sources
from pipeline.model.columns import STATUS
from pipeline.model.log_time import WindowPolicy
from pipeline.model.stream import Message, Source
from pipeline.operators.blocks import encode_rows
from pipeline.settings import SECOND, Settings

LOST = "lost_to_retention"
"""Metric: records that retention took before a stage had read them."""

log = logging.getLogger("tailrace.stages")


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
