"""A user's own redaction, called with a limit of time: a text it fails on, or takes too long for, stays here.

The limit is a timer of the operating system whose signal breaks the function off. That ends loops, sleeps, waits for a network
and regular expressions that run away. It cannot end what Python cannot: a call into C that keeps the interpreter's lock and
never looks for signals, and a function that catches the interruption (`BaseException`) and goes on; both hold decode until they
return. Python gives signals to the main thread alone, where stages run; called from another thread there is no limit.

A function that hangs on many texts would still hold decode, a limit after the other. So it may lose the time of BURST limits, and
then a REST-th of all time; until that is so it is not asked, and texts are withheld at once.
"""

import signal
from collections import Counter
from collections.abc import Callable
from threading import current_thread, main_thread
from types import FrameType
from typing import Any

from pipeline.connectors.clock import steady

BURST, REST = 3, 10

FAILED = "redaction_failed"
"""The function raised, or returned no text."""
OVER_TIME = "redaction_over_time"
"""It took longer than its limit."""
NOT_ASKED = "redaction_not_asked"
"""It had taken too long too often."""


class _TimeIsOver(BaseException):
    """No Exception, so that what is caught in the function does not catch it."""


class OwnRedaction:
    """own: the function. seconds: its limit for one text. then: what hides more of what it shows. withheld: texts that were, by
    reason.
    """

    def __init__(
        self,
        own: Callable[[str], Any],
        seconds: float,
        then: Callable[[str], str] | None = None,
        steady: Callable[[], float] = steady,
    ) -> None:
        self._own, self._seconds, self._then, self._steady = own, seconds, then, steady
        self._free_at = steady()
        self.withheld: Counter[str] = Counter()

    def __call__(self, text: str) -> str | None:
        """The text as it may be shown, None if it may not."""
        began = self._steady()
        if self._free_at - began > (BURST - 1) * REST * self._seconds:
            self.withheld[NOT_ASKED] += 1
            return None
        try:
            shown = self._asked(text)
        except _TimeIsOver:
            self._free_at = max(self._free_at, began) + REST * self._seconds
            self.withheld[OVER_TIME] += 1
            return None
        except Exception:  # noqa: BLE001 - the user's own code: whatever it raises, the text stays here
            shown = None
        if isinstance(shown, str):
            return shown if self._then is None else self._then(shown)
        self.withheld[FAILED] += 1
        return None

    def _asked(self, text: str) -> Any:
        if current_thread() is not main_thread():
            return self._own(text)
        before = signal.signal(signal.SIGALRM, self._ring)
        signal.setitimer(signal.ITIMER_REAL, self._seconds, self._seconds)  # again, should the first be caught
        try:
            return self._called(text)
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, before)

    def _called(self, text: str) -> Any:
        return self._own(text)

    def _ring(self, _: int, frame: FrameType | None) -> None:
        """The time is over. An alarm that comes before or after the function is none: then `_asked` itself runs."""
        if frame is None or frame.f_code is not OwnRedaction._asked.__code__:
            raise _TimeIsOver
