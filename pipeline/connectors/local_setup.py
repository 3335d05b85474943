"""Fetches the engines into `local_dir`, once: Kafka's jars by Maven, ClickHouse's library by npm.

Each is complete when its marker holds its version. Which registry serves them is the business of those tools' own settings.
"""

import fcntl
import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from pipeline.errors import EngineError
from pipeline.settings import Settings

Say = Callable[[str], None]

CHDB = "@chdb/lib-linux-x64-gnu"
CHDB_VERSION = "26.7.3-stable.1"
FETCH_SECONDS = 900.0
ELSE = "or run the engines with docker compose, or set {setting} to your own"
TOOLS = {
    "java": ("a Java runtime, 17 or newer", "TAILRACE_KAFKA_BOOTSTRAP"),
    "mvn": ("Apache Maven", "TAILRACE_KAFKA_BOOTSTRAP"),
    "npm": ("Node.js with npm", "TAILRACE_CLICKHOUSE_DSN"),
}


@dataclass(frozen=True, slots=True)
class Installed:
    """Where the engines lie: Apache Kafka's jars, ClickHouse's library. None where the user brings that engine."""

    jars: Path | None = None
    libchdb: Path | None = None


def setup_engines(settings: Settings, say: Say, *, kafka: bool = True, clickhouse: bool = True) -> Installed:
    """Fetch what is missing. Idempotent, and safe to run twice at once.

    Raises:
        EngineError: a tool is missing (names it and what to install), or the fetch failed (in the tool's own words).
    """
    if not (kafka or clickhouse):
        return Installed()
    if (sys.platform, platform.machine()) != ("linux", "x86_64"):
        raise EngineError("the local engines need Linux on x86-64; use docker compose")
    with one_at_a_time(settings.local_dir / "setup.lock"):
        return Installed(
            fetch_jars(settings.local_dir, say) if kafka else None,
            fetch_libchdb(settings.local_dir, say) if clickhouse else None,
        )


def fetch_jars(local_dir: Path, say: Say) -> Path:
    """Apache Kafka's broker with its dependencies, as `deploy/local/kafka/pom.xml` pins them."""
    require("java")
    pom = deploy_dir() / "local/kafka/pom.xml"
    version = re.search(r"<artifactId>kafka_[\d.]+</artifactId>\s*<version>([^<]+)<", pom.read_text())
    assert version, "pom.xml names Kafka's version"
    home = local_dir.resolve() / "kafka"

    def fetch() -> None:
        require("mvn")
        say(f"fetching Apache Kafka {version[1]} with Maven …")
        command = ["mvn", "-q", "-B", "-f", str(pom), "dependency:copy-dependencies", f"-DoutputDirectory={home / 'jars'}"]
        run(command, home)

    once(home, version[1], fetch)
    return home / "jars"


def fetch_libchdb(local_dir: Path, say: Say) -> Path:
    """ClickHouse's server as a shared library, from npm."""
    home = local_dir.resolve() / "clickhouse"

    def fetch() -> None:
        require("npm")
        say(f"fetching ClickHouse {CHDB_VERSION} with npm …")
        quiet = ["--no-save", "--no-audit", "--no-fund", "--loglevel=error"]
        run(["npm", "install", "--prefix", str(home), *quiet, f"{CHDB}@{CHDB_VERSION}"], home)

    once(home, CHDB_VERSION, fetch)
    return home / "node_modules" / CHDB / "libchdb.so"


def require(tool: str) -> None:
    """Raises EngineError saying what to install if `tool` is not on the PATH."""
    if shutil.which(tool) is None:
        install, setting = TOOLS[tool]
        raise EngineError(f"{tool} not found: install {install}, {ELSE.format(setting=setting)}")


def once(home: Path, version: str, fetch: Callable[[], None]) -> None:
    """Run `fetch` into an empty `home` unless its marker says that this version is complete."""
    marker = home / "version"
    if marker.exists() and marker.read_text().strip() == version:
        return
    shutil.rmtree(home, ignore_errors=True)
    home.mkdir(parents=True)
    fetch()
    marker.write_text(version)


def run(command: list[str], cwd: Path) -> None:
    """Raises EngineError with the tool's last lines if it fails."""
    try:
        done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=FETCH_SECONDS, check=False)
    except subprocess.TimeoutExpired:
        raise EngineError(f"{command[0]} gave up after {FETCH_SECONDS:.0f} s") from None
    if done.returncode:
        lines = [line.strip() for line in (done.stdout + done.stderr).splitlines() if line.strip()]
        raise EngineError(f"{command[0]} failed: {' | '.join(lines[:3])[:500] or f'exit code {done.returncode}'}")


@contextmanager
def one_at_a_time(lock: Path) -> Iterator[None]:
    """Among the processes of this machine; the kernel lets go of it when one dies."""
    lock.parent.mkdir(parents=True, exist_ok=True)
    with lock.open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        yield


@contextmanager
def alone(lock: Path, who: str) -> Iterator[str]:
    """ "" for the one process that holds `lock`, which then says `who`; for every other one what the holder said."""
    lock.parent.mkdir(parents=True, exist_ok=True)
    with lock.open("a+") as held:
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            held.seek(0)
            yield held.read() or "another command"
            return
        held.truncate(0)
        held.write(who)
        held.flush()
        yield ""


def deploy_dir() -> Path:
    """Where `deploy/` lies: inside an installed package, else beside it in a checkout."""
    packaged = Path(str(files("pipeline"))) / "_deploy"
    return packaged if packaged.is_dir() else Path(__file__).resolve().parents[2] / "deploy"
