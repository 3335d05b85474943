"""What stands in a log of spans or scores besides its blocks: ticks, and settings. Told apart by the message's key.

Both make a function of the log what would otherwise be a process's own knowledge: how far decode has read, and by which
rules windows are cut. Documents: `schemas/json/ticks.json`, `schemas/json/window-settings.json`.
"""

from dataclasses import asdict, astuple, replace
from typing import Annotated

import msgspec

from pipeline.model.log_time import MOST_SOURCES, WindowPolicy

TICKS_KEY = b"ticks"
SETTINGS_KEY = b"window-settings"
TIME_KEY = b"time"
"""In a log of scores: says nothing but that it was appended. Without a value."""

HOUR_NS = 3_600_000_000_000
LONGEST_NS = 10**18
"""No duration of a policy is longer, as in the settings: sums with event times stay within 64 bits."""
FURTHEST_AHEAD_NS = 7 * 24 * HOUR_NS
"""What may be ahead of its clock: a change of settings waits for so long."""

Nanoseconds = Annotated[int, msgspec.Meta(ge=0, lt=1 << 62)]
Index = Annotated[int, msgspec.Meta(ge=0, lt=MOST_SOURCES)]
Count = Annotated[int, msgspec.Meta(ge=0, le=MOST_SOURCES)]
Topic = Annotated[str, msgspec.Meta(pattern=r"^[a-zA-Z0-9._-]{1,249}$")]
Epoch = Annotated[str, msgspec.Meta(pattern=r"^[a-zA-Z0-9+/=._-]{1,40}$")]


class Ticks(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`topic` has so many partitions in this epoch; everything appended to `partition[i]` before `read_to_ns[i]` is in this
    log. Without any, it announces the sources before they are read.
    """

    topic: Topic
    epoch: Epoch
    partitions: Count
    partition: list[Index] = []
    read_to_ns: list[Nanoseconds] = []

    def __post_init__(self) -> None:
        if len(self.partition) != len(self.read_to_ns):
            raise ValueError("partition and read_to_ns are not equally long")

    def source(self, partition: int) -> str:
        """The log id of a partition."""
        return f"{self.topic}:{partition}:{self.epoch}"


_ticks = msgspec.json.Decoder(Ticks)
_settings = msgspec.json.Decoder(dict[str, tuple[int]])


def encode_ticks(ticks: Ticks) -> bytes:
    """The value of a message with TICKS_KEY."""
    return msgspec.json.encode(ticks)


def read_ticks(value: bytes) -> Ticks:
    """Raises ValueError for anything else."""
    try:
        return _ticks.decode(value)
    except msgspec.MsgspecError as error:
        raise ValueError(str(error)) from None


def encode_settings(policy: WindowPolicy) -> bytes:
    """The value of a message with SETTINGS_KEY: a block of one row, like all that stands in the log."""
    return msgspec.json.encode({name: [value] for name, value in asdict(policy).items()})


def read_settings(value: bytes, finest_ns: int) -> WindowPolicy:
    """A policy as the settings allow it, its window a multiple of `finest_ns`. Raises ValueError for anything else."""
    try:
        policy = WindowPolicy(**{name: number for name, (number,) in _settings.decode(value).items()})
    except (msgspec.MsgspecError, TypeError, ValueError) as error:
        raise ValueError(str(error)) from None
    durations = astuple(replace(policy, max_series=0))
    if policy.max_series < 1 or min(durations) < 0 or max(durations) > LONGEST_NS or policy.max_ahead_ns > FURTHEST_AHEAD_NS:
        raise ValueError(f"no policy of windows: {policy}")
    if policy.window_ns < 1 or policy.window_ns % finest_ns or HOUR_NS % policy.window_ns:
        raise ValueError(f"no window: {policy.window_ns}")
    return policy
