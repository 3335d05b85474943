"""The stages as real processes that a test may kill, stop and restart; they die with the test.

A process that ends unasked fails the test in its own last words, whatever the test is waiting for.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient
from pydantic import SecretStr

from pipeline.connectors.kafka import connection
from pipeline.connectors.local_process import TETHER, last_words
from pipeline.settings import Settings

ROOT = Path(__file__).resolve().parents[2]
TWO_WORKERS = {"decode": "decode", "aggregate-0": "aggregate", "aggregate-1": "aggregate", "sink": "sink"}
"""Stage by process name."""

Found = TypeVar("Found")


def environment(settings: Settings) -> dict[str, str]:
    """The settings that are not the defaults, as a process reads them."""
    changed = {name: getattr(settings, name) for name, field in type(settings).model_fields.items()}
    changed = {name: value for name, value in changed.items() if value != type(settings).model_fields[name].default}
    return {
        f"TAILRACE_{name.upper()}": value.get_secret_value() if isinstance(value, SecretStr) else str(value)
        for name, value in changed.items()
        if value != {}
    }


def listens(pid: int) -> bool:
    """Has the process a handler for SIGTERM yet? Before, the signal just ends it."""
    status = dict(line.split(":\t", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    return bool(int(status["SigCgt"], 16) >> (signal.SIGTERM - 1) & 1)


class Stages:
    """Processes by name, each with a log in `directory` that survives its restarts."""

    def __init__(self, settings: Settings, directory: Path, names: dict[str, str] | None = None) -> None:
        self._settings, self._directory = settings, directory
        self._names = names or TWO_WORKERS
        self._env = {**os.environ, **environment(settings)}
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self.revived: list[str] = []
        self._admin = AdminClient(connection(settings))

    def __enter__(self) -> Self:
        for name in self._names:
            self.start(name)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for process in self._processes.values():
            process.kill()
        for process in self._processes.values():
            process.wait()

    def start(self, name: str) -> None:
        """Start it, under the same name as before."""
        command = [sys.executable, "-m", "pipeline", "run", self._names[name], "--instance", name]
        with self._log(name).open("ab") as log:
            self._processes[name] = subprocess.Popen(
                [sys.executable, "-I", "-S", TETHER, str(os.getpid()), *command], cwd=ROOT, env=self._env, stdout=log, stderr=log
            )

    def kill(self, name: str) -> None:
        """SIGKILL: it gets no chance to say goodbye."""
        process = self._processes.pop(name)
        process.kill()
        process.wait()

    def stop(self, name: str, within: float = 30.0) -> None:
        """SIGTERM once it listens to it; it must end by itself, and well."""
        self.until(lambda: listens(self._processes[name].pid), f"{name} handles SIGTERM", within)
        process = self._processes[name]
        process.terminate()
        code = process.wait(within)
        del self._processes[name]
        assert code == 0, f"{name} stopped with code {code}: {last_words(self._log(name))}"

    def freeze(self, name: str) -> None:
        """SIGSTOP."""
        self._processes[name].send_signal(signal.SIGSTOP)

    def thaw(self, name: str) -> None:
        """SIGCONT: it goes on with what it believed."""
        self._processes[name].send_signal(signal.SIGCONT)

    def members(self, stage: str) -> set[str]:
        """Static names in the group of a stage, as the broker says; a dynamic member goes by its member id."""
        group = self._settings.group(stage)
        try:
            found = self._admin.describe_consumer_groups([group])[group].result(10)
        except (KafkaException, TimeoutError):  # a broker that is busy answers later
            return set()
        return {member.group_instance_id or member.member_id for member in found.members}

    def until(self, found: Callable[[], Found], what: str, within: float, revive: bool = False) -> Found:
        """What `found` answers as soon as it is truthy. Fails after `within` seconds, or if a process ended unasked.

        revive: who ended starts again, as under a supervisor, and is in `revived`.
        """
        deadline = time.monotonic() + within
        while not (answer := found()):
            for name, process in list(self._processes.items()):
                if process.poll() is not None:
                    assert revive, f"{name} ended with code {process.returncode}: {last_words(self._log(name))}"
                    self.revived.append(name)
                    self.start(name)
            assert time.monotonic() < deadline, f"not within {within:.0f} s: {what}"
            time.sleep(0.2)
        return answer

    def _log(self, name: str) -> Path:
        return self._directory / f"{name}.log"
