"""ClickHouse on this machine: its own server code as a process on loopback, durable in its data directory.

Users and rights are those of `deploy/clickhouse/users.xml`; passwords are new at every start and known only through the DSN.
Ready means: it lets in the writer with that new password, so it is ours, and the database exists.
"""

import http.client
import secrets
import sys
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from pipeline.connectors.local_process import Child, child, free_port
from pipeline.connectors.local_setup import deploy_dir

SERVER = Path(__file__).with_name("local_clickhouse_server.py")
DATABASE = "tailrace"
READY_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Store:
    """A running server: the DSNs of writer and reader, and its process."""

    dsn: str
    reader_dsn: str
    child: Child


@contextmanager
def clickhouse(libchdb: Path, data: Path, log: Path, port: int = 0) -> Iterator[Store]:
    """A server over `data` with the database `tailrace`, ended at the end. `port` (HTTP) 0: a free one. Raises EngineError."""
    data.mkdir(parents=True, exist_ok=True)
    port = port or free_port()
    writer, reader = secrets.token_hex(16), secrets.token_hex(16)
    env = {
        "CLICKHOUSE_USERS_FILE": str(deploy_dir() / "clickhouse/users.xml"),
        "CLICKHOUSE_WRITER_PASSWORD": writer,
        "CLICKHOUSE_READER_PASSWORD": reader,
    }
    config = deploy_dir() / "local/clickhouse.xml"
    arguments = [str(libchdb), str(config), str(data), str(port), str(free_port())]
    root = f"http://tailrace:{writer}@127.0.0.1:{port}"
    with child("ClickHouse", [sys.executable, "-I", "-S", str(SERVER), *arguments], log, data, env) as process:
        process.await_ready(lambda: answers(f"{root}/", f"CREATE DATABASE IF NOT EXISTS {DATABASE}"), READY_SECONDS)
        yield Store(f"{root}/{DATABASE}", f"http://grafana:{reader}@127.0.0.1:{port}/{DATABASE}", process)


def answers(dsn: str, sql: str = "SELECT 1", seconds: float = 2.0) -> bool:
    """Whether the server at an http(s) DSN runs `sql` for the user of the DSN within `seconds`."""
    url = urlsplit(dsn)
    connect = http.client.HTTPSConnection if url.scheme == "https" else http.client.HTTPConnection
    connection = connect(url.hostname or "127.0.0.1", url.port, timeout=seconds)
    credentials = f"{unquote(url.username or 'default')}:{unquote(url.password or '')}"
    try:
        connection.request("POST", "/", sql, {"Authorization": "Basic " + b64encode(credentials.encode()).decode()})
        return connection.getresponse().status == http.client.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
