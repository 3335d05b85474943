"""Apache Kafka on this machine: one KRaft node (broker and controller) on loopback, durable in its data directory.

Ready means: it answers a client, and with the cluster id that its own storage was formatted with.
"""

import os
import re
import subprocess
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from pipeline.connectors.local_process import Child, child, free_port, last_words
from pipeline.connectors.local_setup import deploy_dir
from pipeline.errors import EngineError

READY_SECONDS = 60.0
FORMAT_SECONDS = 60.0
HEAP = "-Xmx384m"
QUIET = ("-XX:+UseSerialGC", "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn", "-Dorg.slf4j.simpleLogger.showDateTime=true")


@dataclass(frozen=True, slots=True)
class Broker:
    """A running broker: where it listens and its process."""

    bootstrap: str
    child: Child


@contextmanager
def kafka(jars: Path, data: Path, log: Path, port: int = 0) -> Iterator[Broker]:
    """A broker over `data` (formatted when empty), stopped at the end. `port` 0: a free one. Raises EngineError."""
    data.mkdir(parents=True, exist_ok=True)
    log.parent.mkdir(parents=True, exist_ok=True)
    port = port or free_port()
    properties = write_properties(data, port, free_port())
    cluster = formatted(data) or format_storage(jars, data, properties, log)
    command = [*java(jars), "kafka.Kafka", str(properties)]
    with child("Kafka", command, log, data) as process:
        process.await_ready(lambda: cluster_id(f"127.0.0.1:{port}") == cluster, READY_SECONDS)
        yield Broker(f"127.0.0.1:{port}", process)


def java(jars: Path) -> list[str]:
    return ["java", HEAP, *QUIET, "-cp", f"{jars}/*"]


def write_properties(data: Path, port: int, controller_port: int) -> Path:
    """The settings of `deploy/local/kafka/server.properties` with this node's addresses and directory."""
    own = {
        "log.dirs": str(data / "log"),
        "listeners": f"PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller_port}",
        "advertised.listeners": f"PLAINTEXT://127.0.0.1:{port}",
        "controller.quorum.voters": f"1@127.0.0.1:{controller_port}",
    }
    shared = (deploy_dir() / "local/kafka/server.properties").read_text()
    path = data / "server.properties"
    path.write_text(shared + "".join(f"{key}={value}\n" for key, value in own.items()))
    return path


def formatted(data: Path) -> str:
    """The cluster id of a formatted data directory, "" if there is none."""
    meta = data / "log/meta.properties"
    found = re.search(r"^cluster\.id=(\S+)", meta.read_text(), re.MULTILINE) if meta.exists() else None
    return found[1] if found else ""


def format_storage(jars: Path, data: Path, properties: Path, log: Path) -> str:
    """Format an empty data directory; the new cluster's id. Raises EngineError in Kafka's own words."""
    cluster = urlsafe_b64encode(os.urandom(16)).decode().rstrip("=")
    if cluster.startswith("-"):  # Kafka's own rule: it would look like an option
        cluster = "A" + cluster[1:]
    command = [*java(jars), "kafka.tools.StorageTool", "format", "-t", cluster, "-c", str(properties)]
    with log.open("wb") as out:
        done = subprocess.run(command, cwd=data, stdout=out, stderr=out, timeout=FORMAT_SECONDS, check=False)
    if done.returncode:
        raise EngineError(f"Kafka's storage could not be formatted: {last_words(log)}")
    return cluster


def cluster_id(bootstrap: str, seconds: float = 2.0, security: dict[str, str] | None = None) -> str:
    """The id of the cluster that answers at `bootstrap`, "" if none does within `seconds`."""
    client = AdminClient({"bootstrap.servers": bootstrap, "log_level": 0, **(security or {})})
    try:
        return str(client.list_topics(timeout=seconds).cluster_id or "")
    except KafkaException:
        return ""
