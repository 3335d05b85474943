"""Tansu, a Kafka-compatible broker in memory: for the demo where Apache Kafka cannot be fetched. It proves nothing.

What differs: a restart forgets everything, and a first join of a group takes 8–25 s.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pipeline.connectors.local_kafka import Broker, cluster_id
from pipeline.connectors.local_process import child, free_port

READY_SECONDS = 30.0


@contextmanager
def tansu(binary: Path, data: Path, log: Path, port: int = 0) -> Iterator[Broker]:
    """A broker on loopback, stopped at the end. `port` 0: a free one. Raises EngineError."""
    data.mkdir(parents=True, exist_ok=True)
    address = f"127.0.0.1:{port or free_port()}"
    cluster = f"tansu-{address.rpartition(':')[2]}"
    where = ["--listener-url", f"tcp://{address}", "--advertised-listener-url", f"tcp://{address}"]
    command = [str(binary), "broker", "--cluster-id", cluster, *where, "--storage-engine", "memory://tansu/"]
    with child("Tansu", command, log, data) as process:
        process.await_ready(lambda: cluster_id(address) == cluster, READY_SECONDS)
        yield Broker(address, process)
