"""What stands in a log of spans besides span blocks: ticks of decode, and settings. Told apart by the message's key.

Both make a function of the log what would otherwise be a process's own knowledge: how far decode has read, and by which
rules windows are cut. Documents: `schemas/json/ticks.json`, `schemas/json/window-settings.json`.
"""

from dataclasses import asdict, astuple
from typing import Annotated

import msgspec

from pipeline.model.log_time import WindowPolicy

TICKS_KEY = b"ticks"
SETTINGS_KEY = b"window-settings"

Nanoseconds = Annotated[int, msgspec.Meta(ge=0, lt=1 << 62)]
Index = Annotated[int, msgspec.Meta(ge=0, lt=1 << 20)]


class Ticks(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`topic` has so many partitions in this epoch; everything appended to `partition[i]` before `read_to_ns[i]` is in this
    log. Without any, it announces the sources before they are read.
    """

    topic: str
    epoch: str
    partitions: Index
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


def read_settings(value: bytes) -> WindowPolicy:
    """Raises ValueError for anything else."""
    try:
        policy = WindowPolicy(**{name: number for name, (number,) in _settings.decode(value).items()})
    except (msgspec.MsgspecError, TypeError, ValueError) as error:
        raise ValueError(str(error)) from None
    if min(policy.window_ns, policy.max_series) < 1 or min(astuple(policy)) < 0 or max(astuple(policy)) >= 1 << 62:
        raise ValueError(f"no policy of windows: {policy}")
    return policy
