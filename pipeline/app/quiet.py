"""Has decode caught up? Idle time may only enter the log of spans when nothing is waiting in front of it.

Otherwise an hour's backlog, met by a watermark that had moved with the clock, would all be too late.
"""

from pipeline.connectors.clock import steady
from pipeline.connectors.kafka import lag
from pipeline.errors import Transient
from pipeline.settings import Settings

REMEMBERED = 2.0
"""Seconds an answer is good for: all partitions of a worker ask."""


class UpstreamQuiet:
    """Callable: True if the group of decode has no lag. Kafka not answering is no sign of quiet."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._asked_at = -REMEMBERED
        self._quiet = False

    def __call__(self) -> bool:
        """Ask at most once per REMEMBERED seconds."""
        if steady() - self._asked_at >= REMEMBERED:
            try:
                self._quiet = all(part.lag == 0 for part in lag(self._settings, "decode"))
            except Transient:
                self._quiet = False
            self._asked_at = steady()
        return self._quiet
