"""Processes of this machine: children that cannot outlive us, and processes of others known by more than their number.

A `Child` dies with its parent (see `local_tether`). A `Stamp` is a pid with the start time of its process: a pid that
was given to another process since is never signalled.
"""

import os
import re
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pipeline.errors import EngineError

TETHER = Path(__file__).with_name("local_tether.py")
STOP_SECONDS = 20.0
POLL_SECONDS = 0.05
TELLING = re.compile(r"\b(ERROR|FATAL|\w*Exception|\w*Error|error|refused|already in use|not found)\b")
LINES_SHOWN = 4


@dataclass(frozen=True, slots=True)
class Stamp:
    """A process: its pid and the kernel's start time of it (clock ticks since boot)."""

    pid: int
    started: int

    @classmethod
    def of(cls, pid: int) -> "Stamp | None":
        """The running process of that number; None if there is none (a zombie is none)."""
        try:
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            return None
        return None if fields[0] in "ZX" else cls(pid, int(fields[19]))

    def alive(self) -> bool:
        return Stamp.of(self.pid) == self

    def end(self, patience: float = STOP_SECONDS) -> None:
        """SIGTERM, and SIGKILL after `patience` seconds. Harmless if it has ended."""
        try:
            handle = os.pidfd_open(self.pid)
        except ProcessLookupError:
            return
        try:
            for number, seconds in ((signal.SIGTERM, patience), (signal.SIGKILL, patience)):
                if not self.alive():  # the handle is held, so this answer stays true for it
                    return
                signal.pidfd_send_signal(handle, number)
                select.select([handle], [], [], seconds)
        finally:
            os.close(handle)


@dataclass(frozen=True, slots=True)
class Child:
    """An engine we started; everything it says goes to `log`."""

    name: str
    process: "subprocess.Popen[bytes]"
    log: Path

    def stamp(self) -> Stamp | None:
        return Stamp.of(self.process.pid)

    def await_ready(self, ready: Callable[[], bool], seconds: float) -> None:
        """Return as soon as it is ready. Raises EngineError in the engine's own words if it ends or `seconds` pass."""
        deadline = time.monotonic() + seconds
        while not ready():
            if self.ended_within(POLL_SECONDS):
                raise EngineError(f"{self.name} stopped while it started: {last_words(self.log)}")
            if time.monotonic() > deadline:
                raise EngineError(f"{self.name} did not answer within {seconds:.0f} s: {last_words(self.log)}")

    def ended_within(self, seconds: float) -> bool:
        try:
            self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            return False
        return True

    def stop(self) -> None:
        self.process.terminate()
        if not self.ended_within(STOP_SECONDS):
            self.process.kill()
            self.process.wait()


@contextmanager
def child(name: str, command: list[str], log: Path, cwd: Path, env: Mapping[str, str] | None = None) -> Iterator[Child]:
    """A tethered child, stopped at the end of the block. `env` is added to our environment.

    It is its own process group: Ctrl-C reaches us alone, so stages can drain before their engines go.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    tethered = [sys.executable, "-I", "-S", str(TETHER), str(os.getpid()), *command]
    with log.open("wb") as out:
        process = subprocess.Popen(
            tethered,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            cwd=cwd,
            env={**os.environ, **(env or {})},
            process_group=0,
        )
    engine = Child(name, process, log)
    try:
        yield engine
    finally:
        engine.stop()


def last_words(log: Path) -> str:
    """The last telling lines of a log, in one line: what went wrong in the program's own words."""
    lines = [line.strip() for line in log.read_text(errors="replace").splitlines() if line.strip()] if log.exists() else []
    told = [line for line in lines if TELLING.search(line)] or lines
    return " | ".join(line[:300] for line in told[-LINES_SHOWN:]) or f"it said nothing (log: {log})"


def free_port() -> int:
    """A loopback port nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
