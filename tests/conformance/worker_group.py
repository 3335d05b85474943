"""A consumer group of real processes running the `Tally` stage, seen from outside: what went in, came out, is committed."""

import json
import os
import signal
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path
from typing import Any, TypeVar

from confluent_kafka import Consumer, KafkaError, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec

from pipeline.connectors.kafka import Producer, apply_topics, connection
from pipeline.model.stream import Message
from pipeline.settings import Settings

PARTITIONS = range(4)
ROOT = Path(__file__).resolve().parents[2]
Found = TypeVar("Found")


def until(found: Callable[[], Found], what: str, within: float = 90.0, instead: Callable[[], object] = str) -> Found:
    """What `found` answers as soon as it is truthy; fails with `what`, and what there is `instead`, after `within` seconds."""
    deadline = time.monotonic() + within
    while not (answer := found()):
        assert time.monotonic() < deadline, f"not within {within:.0f} s: {what}; {instead()}"
        time.sleep(0.05)
    return answer


class Group:
    """Topics, sent numbers and processes of one test."""

    def __init__(self, settings: Settings, connector: str, directory: Path) -> None:
        self.settings = settings
        self.directory = directory
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self._connector = connector
        self._sent: dict[tuple[int, int], list[int]] = defaultdict(list)
        self._numbers = count()
        self._marked = -1
        self._producer = Producer(settings)
        self._admin = AdminClient(connection(settings))
        self._readers: dict[str, tuple[Consumer, list[Any]]] = {}
        apply_topics(settings)

    # In.

    def send(self, windows: range, each: int = 50) -> None:
        """Every window gets `each` new numbers in every partition."""
        messages = []
        for window in windows:
            for partition in PARTITIONS:
                numbers = [next(self._numbers) for _ in range(each)]
                self._sent[partition, window] += numbers
                messages += [self.message(partition, b"%d %d" % (window, number)) for number in numbers]
        self._deliver(messages)

    def mark(self, window: int) -> None:
        """Every partition learns that it is as late as `window`."""
        self._marked = window
        self._deliver([self.message(partition, b"%d" % window) for partition in PARTITIONS])

    def send_too_late(self, window: int) -> None:
        """Every partition gets a number of a window that is final: it must not come out."""
        self._deliver([self.message(partition, b"%d %d" % (window, next(self._numbers))) for partition in PARTITIONS])

    def _deliver(self, messages: list[Message]) -> None:
        self._producer.send(messages)
        self._producer.confirm()

    def message(self, partition: int, value: bytes) -> Message:
        return Message(self.settings.topic("spans"), partition, value)

    # Processes.

    def start(self, instance: str, **environment: str) -> subprocess.Popen[bytes]:
        log = (self.directory / f"{instance}.log").open("ab")
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.conformance.tally_worker", self._connector, self.directory, instance],
            cwd=ROOT,
            env={**environment_of(self.settings), **environment},
            stdout=log,
            stderr=log,
        )
        self.processes[instance] = process
        return process

    def stop(self, instance: str) -> int:
        """SIGTERM, and the exit code."""
        process = self.processes.pop(instance)
        process.terminate()
        return process.wait(30)

    def ended(self, instance: str, within: float = 60.0) -> int:
        """The exit code of a process that ends by itself; fails with its log, and where it stands, if it does not."""
        process = self.processes[instance]
        try:
            return process.wait(within)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGUSR1)
            with suppress(AssertionError):
                until(lambda: "most recent call first" in self.log(instance), "it says where it stands", within=5.0)
            raise AssertionError(
                f"{instance} did not end within {within:.0f} s; its log:\n{self.log(instance)[-8000:]}"
            ) from None

    def kill(self) -> None:
        """End what still runs, stopped or not."""
        for process in self.processes.values():
            process.kill()
            process.wait(20)
        for reader, _ in self._readers.values():
            reader.close()

    def log(self, instance: str) -> str:
        return (self.directory / f"{instance}.log").read_text()

    def journal(self, *instances: str) -> list[dict[str, Any]]:
        """What the processes wrote down, each in order."""
        names = instances or sorted(path.stem for path in self.directory.glob("*.journal"))
        paths = [self.directory / f"{name}.journal" for name in names]
        return [json.loads(line) for path in paths if path.exists() for line in path.read_text().splitlines()]

    def opened(self, instance: str, since: int = 0) -> list[int]:
        """Partitions of which `instance` opened a session, in order, after its first `since` journal entries."""
        return [entry["partition"] for entry in self.journal(instance)[since:] if entry["at"] == "open"]

    def owners(self) -> dict[str, set[int]]:
        """Who owns which partitions, as the broker says; empty while the group rebalances."""
        group = self.settings.group("tally")
        found = self._admin.describe_consumer_groups([group])[group].result(10)
        if found.state.name != "STABLE":
            return {}
        return {m.group_instance_id: {tp.partition for tp in m.assignment.topic_partitions} for m in found.members}

    # Out.

    def records(self, key: str) -> list[Any]:
        """Every record of a topic so far, in order within a partition."""
        if key not in self._readers:
            self._readers[key] = self._reader(key), []
        reader, records = self._readers[key]
        ends = set[int]()
        while len(ends) < len(PARTITIONS):
            if (record := reader.poll(1.0)) is None:
                continue
            if (error := record.error()) is None:
                records.append(record)
                ends.discard(record.partition())
            else:
                assert error.code() == KafkaError._PARTITION_EOF, error
                ends.add(record.partition())
        reader.assign([TopicPartition(self.settings.topic(key), p, self._after(records, p)) for p in PARTITIONS])
        return records

    def _after(self, records: list[Any], partition: int) -> int:
        return max((record.offset() + 1 for record in records if record.partition() == partition), default=0)

    def _reader(self, key: str) -> Consumer:
        conf = {"group.id": "-", "enable.auto.commit": False, "enable.partition.eof": True, "fetch.wait.max.ms": 50}
        reader = Consumer({**connection(self.settings), **conf})
        reader.assign([TopicPartition(self.settings.topic(key), p, 0) for p in PARTITIONS])
        return reader

    def results(self) -> dict[tuple[int, int], list[int]]:
        """Numbers by (partition, window): of each window the row with the largest revision."""
        best: dict[tuple[int, int], dict[str, Any]] = {}
        for record in self.records("panes"):
            row = json.loads(record.value())
            at = record.partition(), row["window"]
            if at not in best or row["revision"] >= best[at]["revision"]:
                best[at] = row
        return {at: row["numbers"] for at, row in best.items()}

    def expected(self) -> dict[tuple[int, int], list[int]]:
        """What must come out: of every partition, the windows that what was sent has made final."""
        last = max(self._marked, *(window for _, window in self._sent))
        return {at: numbers for at, numbers in self._sent.items() if at[1] + 2 <= last}

    def exact(self) -> bool:
        return self.results() == self.expected()

    def settled(self) -> None:
        """Wait for exactly what was sent, and for the commits that go with it."""
        until(self.exact, "all windows exact", instead=lambda: f"missing or wrong: {sorted(self._wrong())[:5]}")
        until(lambda: self.committed() == self.acknowledgeable(), "the group's offsets are the progress")
        assert self.exact()

    def _wrong(self) -> set[tuple[int, int]]:
        results, expected = self.results(), self.expected()
        return {at for at in results.keys() | expected if results.get(at) != expected.get(at)}

    def committed(self) -> dict[int, int]:
        """The group's offset of every partition, -1 where it has none."""
        group, topic = self.settings.group("tally"), self.settings.topic("spans")
        reader = Consumer({"bootstrap.servers": self.settings.kafka_bootstrap, "group.id": group, "enable.auto.commit": False})
        try:
            answer = reader.committed([TopicPartition(topic, p) for p in PARTITIONS], timeout=10)
        finally:
            reader.close()
        return {tp.partition: max(tp.offset, -1) for tp in answer}

    def progress(self) -> dict[int, list[dict[str, int]]]:
        """All progress ever written, by partition, in the order of the log."""
        written: dict[int, list[dict[str, int]]] = {p: [] for p in PARTITIONS}
        for record in self.records("progress"):
            written[record.partition()].append(json.loads(record.value()))
        return written

    def acknowledgeable(self) -> dict[int, int]:
        """`committed` of the progress written last, by partition."""
        return {p: entries[-1]["committed"] if entries else -1 for p, entries in self.progress().items()}

    def ends(self) -> dict[int, int]:
        """The end of every partition of the input."""
        topic = self.settings.topic("spans")
        asked = {TopicPartition(topic, p): OffsetSpec.latest() for p in PARTITIONS}
        return {tp.partition: answer.result(10).offset for tp, answer in self._admin.list_offsets(asked).items()}


def environment_of(settings: Settings) -> dict[str, str]:
    """Ours, with the settings that a process of a test needs."""
    names = ("kafka_bootstrap", "topic_prefix", "session_timeout", "local_dir")
    return {**os.environ, **{f"TAILRACE_{name.upper()}": str(getattr(settings, name)) for name in names}}


@contextmanager
def stopped(process: subprocess.Popen[bytes]) -> Iterator[None]:
    """The process stands still meanwhile."""
    process.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        process.send_signal(signal.SIGCONT)
