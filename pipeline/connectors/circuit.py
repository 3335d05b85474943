"""A circuit breaker: who fails again and again is left alone for a while, then tried once. Time is an argument.

closed ──failures in a row──► open ──after the pause──► one try ──► closed, or open again
"""

from dataclasses import dataclass


@dataclass(slots=True)
class Circuit:
    """failures: in a row, that open it. pause: seconds it stays open before one try. now: seconds of a steady clock."""

    failures: int
    pause: float
    failed: int = 0
    try_at: float = 0.0

    def admits(self, now: float) -> bool:
        """Whether a call may go out. While it is open one may, each time the pause is over."""
        if self.failed < self.failures:
            return True
        if now < self.try_at:
            return False
        self.try_at = now + self.pause  # this one tries; the others wait for it
        return True

    def succeeded(self) -> None:
        """A call was answered."""
        self.failed = 0

    def failed_at(self, now: float) -> None:
        """A call was not."""
        self.failed += 1
        if self.failed >= self.failures:
            self.try_at = now + self.pause
