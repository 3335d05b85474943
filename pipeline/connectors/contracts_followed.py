"""The contracts that were applied, as far as this process knows by now: read again and again, beside what it does."""

import logging
from collections.abc import Callable, Mapping
from threading import Thread

from pipeline.connectors.clock import wait
from pipeline.errors import TailraceError
from pipeline.model.contract_columns import Applied

EVERY = 5.0
"""Seconds between two readings: a contract that is applied is judged by that much later at most, and a pulse."""

log = logging.getLogger("tailrace.watch")


class ContractsFollowed:
    """Call it for name -> text; None before the first reading. A broker that does not answer leaves what was known.

    read: the contracts in force, by name; every: seconds between two readings. What `read` raises and is none of ours is a
    mistake of the program: whoever asks next raises it, so the worker ends, and does not go on with old contracts in silence.
    """

    def __init__(self, read: Callable[[], Mapping[str, Applied]], every: float = EVERY) -> None:
        self._read, self._every = read, every
        self._known: dict[str, str] | None = None
        self._ended: Exception | None = None
        self.thread = Thread(target=self._follow, name="contracts", daemon=True)
        self.thread.start()

    def __call__(self) -> dict[str, str] | None:
        if self._ended is not None:
            raise self._ended
        return self._known

    def _follow(self) -> None:
        while True:
            try:
                self._known = {name: one.text for name, one in self._read().items()}
            except TailraceError as error:
                log.warning("the contracts are judged as they were known: %s", error)
            except Exception as error:  # noqa: BLE001 - it is raised where it is heard
                self._ended = error
                return
            wait(self._every)
