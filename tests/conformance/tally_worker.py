"""The smallest stage with state, run as a process of its own by `test_worker.py`.

Input: `b"<window> <number>"`, or `b"<window>"` to say only how late it is. The watermark is the largest window seen; a
window is final two windows later, and then its numbers are written out as they were folded: one folded twice shows up
twice. A number that comes after that is too late and counts for nothing.

Every session and every step is written down in a journal, and files beside it make the process fail or wait at a chosen
offset:

- `boom-<partition>` holds an offset: the step that meets it raises.
- `gate-<partition>` holds an offset: the step that meets it waits until the file is gone.

Usage: python -m tests.conformance.tally_worker CONNECTOR DIRECTORY INSTANCE, settings from the environment.
"""

import faulthandler
import json
import os
import signal
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path

from pipeline.model.stream import Effects, Message, Progress, Record, Source
from pipeline.settings import Settings

FINAL_AFTER = 2


@dataclass(slots=True)
class Window:
    """A window still open: its first offset holds back what may be acknowledged."""

    first: int
    numbers: list[int] = field(default_factory=list)


@dataclass(slots=True)
class TallyState:
    """All of one partition."""

    source: Source
    watermark: int
    folded: int
    windows: dict[int, Window] = field(default_factory=dict)


class Tally:
    """Counts numbers per window and partition; a `Worker` like the real ones, with the same three numbers of progress."""

    name = "tally"

    def __init__(self, directory: Path, instance: str, topic: str) -> None:
        self._directory = directory
        self._instance = instance
        self._topic = topic
        self._journal = os.open(directory / f"{instance}.journal", os.O_CREAT | os.O_APPEND | os.O_WRONLY)

    def first(self) -> Progress:
        return Progress(0, 0, -1)

    def open(self, source: Source, progress: Progress | None) -> TallyState:
        found = progress or self.first()
        self._write(at="open", partition=source.partition, folded=found.folded)
        return TallyState(source, found.watermark_ns, found.folded)

    def step(self, state: TallyState, batch: Sequence[Record], now_ns: int) -> tuple[TallyState, Effects]:
        if not batch:
            return state, Effects()
        self._meet(batch)
        for record in batch:
            self._fold(state, record)
        position = batch[-1].offset + 1
        state.folded = max(state.folded, position)
        final = sorted(w for w in state.windows if w + FINAL_AFTER <= state.watermark)
        rows = [self._row(state, position, window) for window in final]
        held = min((window.first for window in state.windows.values()), default=position)
        self._write(at="step", partition=state.source.partition, offsets=[record.offset for record in batch])
        return state, Effects(tuple(rows), progress=Progress(held, state.folded, state.watermark))

    def _fold(self, state: TallyState, record: Record) -> None:
        assert record.source == state.source
        assert abs(record.timestamp_ns / 1e9 - time.time()) < 3600
        if record.value is None:
            return
        window, *numbers = map(int, record.value.split())
        if window + FINAL_AFTER > state.watermark:
            if numbers:
                state.windows.setdefault(window, Window(record.offset)).numbers += numbers
            state.watermark = max(state.watermark, window)

    def _row(self, state: TallyState, revision: int, window: int) -> Message:
        row = {"window": window, "revision": revision, "numbers": state.windows.pop(window).numbers}
        return Message(self._topic, state.source.partition, json.dumps(row | {"source": str(state.source)}).encode())

    def _meet(self, batch: Sequence[Record]) -> None:
        partition = batch[0].source.partition
        met = {record.offset for record in batch}
        gate, boom = self._directory / f"gate-{partition}", self._directory / f"boom-{partition}"
        if boom.exists() and int(boom.read_text()) in met:
            raise ValueError("the step was told to fail")
        if gate.exists() and int(gate.read_text()) in met:
            self._write(at="gate", partition=partition)
            while gate.exists():
                time.sleep(0.01)

    def _write(self, **entry: object) -> None:
        os.write(self._journal, json.dumps({"pid": os.getpid(), **entry}).encode() + b"\n")


def main(connector: str, directory: Path, instance: str) -> None:
    """Run the stage with the `run_worker` of one connector."""
    faulthandler.register(signal.SIGUSR1)
    settings = Settings.load()
    run_worker = import_module(f"pipeline.connectors.{connector}").run_worker
    tally = Tally(directory, instance, settings.topic("panes"))
    run_worker(settings, tally, "spans", instance=instance, partitions=settings.spans_partitions)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), sys.argv[3])
