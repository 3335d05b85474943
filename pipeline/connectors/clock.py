"""The only place that reads a clock; everything else gets the time as an argument."""

import time


def now_ns() -> int:
    """Wall clock, nanoseconds since 1970. May jump: fit for time stamps, not for durations."""
    return time.time_ns()


def steady() -> float:
    """Seconds since some moment, never backwards: fit for deadlines, not for time stamps."""
    return time.monotonic()


def wait(seconds: float) -> None:
    """Let time pass."""
    time.sleep(seconds)
