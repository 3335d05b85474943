"""The stages as processes of this machine: started, watched, started again after a crash, stopped together."""

import sys
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from pipeline.connectors.clock import steady
from pipeline.connectors.local_process import Child, child, last_words
from pipeline.connectors.local_setup import Say
from pipeline.errors import EngineError, SchemaError, SettingsError
from pipeline.settings import Settings

HOPELESS = (SettingsError.exit_code, SchemaError.exit_code)
"""Exit codes after which starting again cannot help."""

PATIENCE = 6
"""Crashes of one process within a minute before we give up."""


@dataclass(slots=True)
class Process:
    """One stage process and how often it crashed lately."""

    name: str
    stage: str
    command: list[str]
    log: Path
    running: AbstractContextManager[Child] | None = None
    child: Child | None = None
    crashes: list[float] = field(default_factory=list)
    start_at: float = 0.0


class Fleet:
    """The processes of all stages. `tend` is called now and then; it restarts what has crashed, with growing pauses."""

    def __init__(self, settings: Settings, env: Mapping[str, str], logs: Path, say: Say) -> None:
        self._env, self._say = env, say
        several = [(f"{stage}-{i}", stage) for stage in ("aggregate", "evaluate") for i in range(settings.workers)]
        names = [("decode", "decode"), *several, ("scores", "scores"), ("watch", "watch"), ("sink", "sink")]
        self.processes = [
            Process(name, stage, [sys.executable, "-m", "pipeline", "run", stage, "--instance", name], logs / f"{name}.log")
            for name, stage in names
        ]

    def start(self) -> None:
        """Start all."""
        for process in self.processes:
            self._start(process)

    def tend(self) -> None:
        """Start again what has ended. Raises EngineError if that is hopeless or happens too often."""
        for process in self.processes:
            if process.child is not None and process.child.process.poll() is not None:
                self._ended(process, process.child.process.returncode)
            elif process.child is None and steady() >= process.start_at:
                self._start(process)

    def stop(self) -> None:
        """Ask all to stop, then wait for each."""
        for process in self.processes:
            if process.child is not None:
                process.child.process.terminate()
        for process in self.processes:
            if process.running is not None:
                process.running.__exit__(None, None, None)
            process.running = process.child = None

    def _start(self, process: Process) -> None:
        process.running = child(process.name, process.command, process.log, Path.cwd(), self._env)
        process.child = process.running.__enter__()

    def _ended(self, process: Process, code: int) -> None:
        words = last_words(process.log)
        now = steady()
        process.crashes = [*(at for at in process.crashes if now - at < 60), now]
        if code in HOPELESS or len(process.crashes) >= PATIENCE:
            raise EngineError(f"{process.name} ended with code {code}: {words} (log: {process.log})")
        pause = min(10.0, 0.5 * 2.0 ** len(process.crashes))
        self._say(f"{process.name} ended with code {code}, starts again in {pause:.0f} s: {words}")
        process.running = process.child = None
        process.start_at = now + pause


@contextmanager
def fleet(settings: Settings, env: Mapping[str, str], logs: Path, say: Say) -> Iterator[Fleet]:
    """All stages for the length of the block."""
    running = Fleet(settings, env, logs, say)
    try:
        running.start()
        yield running
    finally:
        running.stop()
