"""A process says that it still turns, in a file of this machine: `<local_dir>/heartbeats/STAGE-PID`.

The file's age is the age of the last turn; its text says whose it is and what it waits for. A number that was given to
another process since is told apart by the start time of the process. At most one write a second, and what dead
processes left is removed by the next one that starts, so there are as many files as processes.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from os import getpid
from pathlib import Path
from typing import Final

import orjson

from pipeline.connectors.clock import now_ns, steady
from pipeline.connectors.local_process import Stamp

EVERY: Final = 1.0
"""Seconds between two writes that say the same."""

LONGEST_WORDS: Final = 500

log = logging.getLogger("tailrace.heartbeat")


class Heartbeat:
    """Call it once per turn of the loop, with what the loop waits for ("": nothing). A full disk stops no stage."""

    def __init__(self, path: Path, stamp: Stamp) -> None:
        self._path, self._stamp = path, stamp
        self._said: str | None = None
        self._at = 0.0

    def __call__(self, waits_for: str = "") -> None:
        """Write it down, unless the same was said within EVERY seconds."""
        now = steady()
        if waits_for == self._said and now - self._at < EVERY:
            return
        try:
            self._write(waits_for[:LONGEST_WORDS])
        except OSError as error:
            if self._said is None:
                log.warning("no heartbeat: %s; `tailrace healthy` will not know this process", error)
        self._said, self._at = waits_for, now

    def _write(self, waits_for: str) -> None:
        draft = self._path.with_name(f".{self._path.name}")
        draft.write_bytes(orjson.dumps({"pid": self._stamp.pid, "started": self._stamp.started, "waits_for": waits_for}))
        draft.replace(self._path)  # whole at every moment


@contextmanager
def beating(local_dir: Path, stage: str) -> Iterator[Heartbeat]:
    """The heartbeat of this process for the length of the block; it begins with a beat."""
    directory, stamp = local_dir / "heartbeats", Stamp.of(getpid())
    assert stamp, "we are alive"
    with suppress(OSError):
        directory.mkdir(parents=True, exist_ok=True)
        _bury(directory)
    path = directory / f"{stage}-{stamp.pid}"
    heartbeat = Heartbeat(path, stamp)
    heartbeat()
    try:
        yield heartbeat
    finally:
        with suppress(OSError):
            path.unlink(missing_ok=True)


@dataclass(frozen=True, slots=True)
class Beat:
    """A live process: `age` is seconds since its last turn."""

    stage: str
    pid: int
    age: float
    waits_for: str


def heartbeats(local_dir: Path) -> list[Beat]:
    """Those of the processes that are alive."""
    return [beat for path in sorted((local_dir / "heartbeats").glob("[!.]*-*")) if (beat := _read(path))]


def _read(path: Path) -> Beat | None:
    """None if the process has ended, or the file is none of ours."""
    try:
        said, at = orjson.loads(path.read_bytes()), path.stat().st_mtime
        alive = Stamp(said["pid"], said["started"]).alive()
        return (
            Beat(path.name.rpartition("-")[0], said["pid"], max(0.0, now_ns() / 1e9 - at), said["waits_for"]) if alive else None
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _bury(directory: Path) -> None:
    """Remove what dead processes left."""
    for path in directory.iterdir():
        if _read(path) is None:
            path.unlink(missing_ok=True)
