"""The contracts that were applied, as far as this process knows by now: read again and again, beside what it does."""

import logging
from threading import Thread

from pipeline.connectors.clock import wait
from pipeline.connectors.contracts_in_force import contracts_in_force
from pipeline.errors import TailraceError
from pipeline.settings import Settings

EVERY = 5.0
"""Seconds between two readings; a contract that is applied is judged by that much later at most, and a pulse."""

log = logging.getLogger("tailrace.watch")


class ContractsFollowed:
    """Call it for name -> text; None before the first reading. A broker that does not answer leaves what was known."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._known: dict[str, str] | None = None
        Thread(target=self._follow, name="contracts", daemon=True).start()

    def __call__(self) -> dict[str, str] | None:
        return self._known

    def _follow(self) -> None:
        while True:
            try:
                self._known = {name: one.text for name, one in contracts_in_force(self._settings).items()}
            except TailraceError as error:
                log.warning("the contracts are judged as they were known: %s", error)
            wait(EVERY)
