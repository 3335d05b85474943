"""`tailrace local up|down|status|env`: engines that stay when the command ends.

`up` starts a supervisor in a session of its own. It holds the engines as its children, and when both answer it writes
`<local_dir>/tailrace.env`; so that file means "they are up". `hold` does the same for the length of a command. Whoever
dies, nothing is left behind: the engines die with their supervisor, the supervisor ends when an engine does, and `down`
clears up after any crash. Data stays in `<local_dir>/data` until it is purged.
"""

import json
import os
import shutil
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import astuple, dataclass
from pathlib import Path
from urllib.parse import urlsplit

from pipeline.connectors.dsn import encoded
from pipeline.connectors.local_clickhouse import answers
from pipeline.connectors.local_engines import Engines, engines, env_file, named_by_user, read_env
from pipeline.connectors.local_kafka import cluster_id
from pipeline.connectors.local_process import POLL_SECONDS, Child, Stamp, last_words
from pipeline.connectors.local_setup import Say, one_at_a_time, setup_engines
from pipeline.errors import EngineError, TailraceError
from pipeline.settings import Settings

UP_SECONDS = 180.0
PACKAGE_ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True, slots=True)
class EngineStatus:
    """One engine as seen now. `state`: up, silent (should answer and does not) or down. `own`: the user's, not ours."""

    name: str
    state: str
    address: str = ""
    own: bool = False
    detail: str = ""


def up(settings: Settings, say: Say) -> None:
    """Start the engines that the settings do not name, and wait until they answer. Harmless if they are up.

    Raises:
        EngineError: a tool or an engine is missing or does not start, in its own words; nothing is left running.
    """
    with one_at_a_time(settings.local_dir / "up.lock"):
        if supervised(settings):
            say("the engines are already up")
            return
        named = named_by_user(settings)
        if named.kafka_bootstrap and named.clickhouse_dsn:
            say("Kafka and ClickHouse are your own: nothing to start")
            return
        clear(settings)
        setup_engines(settings, say, kafka=not named.kafka_bootstrap, clickhouse=not named.clickhouse_dsn)
        with ExitStack() as undo:
            undo.callback(clear, settings)
            supervisor = launch(settings, named)
            remember(settings, supervisor, ())
            await_up(settings, supervisor)
            undo.pop_all()
        say("the engines are up")


def down(settings: Settings, *, purge: bool = False) -> None:
    """Stop what `up` started, or what a crash left of it. `purge` also removes the data."""
    with one_at_a_time(settings.local_dir / "up.lock"):
        clear(settings)
        if purge:
            shutil.rmtree(settings.local_dir / "data", ignore_errors=True)


def status(settings: Settings) -> list[EngineStatus]:
    """Kafka and ClickHouse, asked now."""
    named, ours = named_by_user(settings), read_env(env_file(settings)) if supervised(settings) else {}
    bootstrap = named.kafka_bootstrap or ours.get("TAILRACE_KAFKA_BOOTSTRAP", "")
    dsn = named.clickhouse_dsn or ours.get("TAILRACE_CLICKHOUSE_DSN", "")
    security = settings.kafka_security
    why = last_words(supervisor_log(settings)) if stamps(settings) and not ours else ""
    return [
        seen("Kafka", bootstrap, bool(named.kafka_bootstrap), why, bool(bootstrap and cluster_id(bootstrap, security=security))),
        seen(
            "ClickHouse",
            urlsplit(dsn and encoded(dsn, "TAILRACE_CLICKHOUSE_DSN")).netloc.rpartition("@")[2],
            bool(named.clickhouse_dsn),
            why,
            bool(dsn) and answers(encoded(dsn, "TAILRACE_CLICKHOUSE_DSN")),
        ),
    ]


def seen(name: str, address: str, own: bool, why: str, answered: bool) -> EngineStatus:
    state = ("up" if answered else "silent") if address else "down"
    return EngineStatus(name, state, address, own, why if state == "down" else "")


def env(settings: Settings) -> dict[str, str]:
    """The environment that points tools at the engines. Raises EngineError if ours are needed and not up."""
    named = {name: value for name, value in named_by_user(settings).env().items() if value}
    found = {**(read_env(env_file(settings)) if supervised(settings) else {}), **named}
    if not {"TAILRACE_KAFKA_BOOTSTRAP", "TAILRACE_CLICKHOUSE_DSN"} <= set(found):
        raise EngineError("the local engines are not up: start them with `tailrace local up`")
    return found


def launch(settings: Settings, named: Engines) -> int:
    """A supervisor in its own session; its pid. It reads its whole task from its environment."""
    task = {
        "TAILRACE_LOCAL_DIR": str(settings.local_dir.resolve()),
        "TAILRACE_KAFKA_BOOTSTRAP": named.kafka_bootstrap,
        "TAILRACE_CLICKHOUSE_DSN": named.clickhouse_dsn,
        "PYTHONPATH": os.pathsep.join(filter(None, (str(PACKAGE_ROOT), os.environ.get("PYTHONPATH")))),
    }
    log = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
    return os.posix_spawn(
        sys.executable,
        [sys.executable, "-m", "pipeline.connectors.local_supervisor"],
        {**os.environ, **task},
        file_actions=[
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
            (os.POSIX_SPAWN_OPEN, 1, str(supervisor_log(settings)), log, 0o600),
            (os.POSIX_SPAWN_DUP2, 1, 2),
        ],
        setsid=True,
    )


def await_up(settings: Settings, supervisor: int) -> None:
    """Until the supervisor has written the environment file. Raises EngineError with its reason if it ended."""
    deadline = time.monotonic() + UP_SECONDS
    while not env_file(settings).exists():
        if os.waitpid(supervisor, os.WNOHANG)[0]:
            raise EngineError(supervisor_log(settings).read_text(errors="replace").strip())
        if time.monotonic() > deadline:
            raise EngineError(f"the engines were not up within {UP_SECONDS:.0f} s: {last_words(supervisor_log(settings))}")
        time.sleep(POLL_SECONDS)


def clear(settings: Settings) -> None:
    """End every process that `up` started and is still there, then forget them."""
    for stamp in stamps(settings).values():
        stamp.end()
    clear_files(settings)


def clear_files(settings: Settings) -> None:
    """Forget who was started and where."""
    env_file(settings).unlink(missing_ok=True)
    stamp_file(settings).unlink(missing_ok=True)


def supervised(settings: Settings) -> bool:
    """Whether a supervisor runs."""
    stamp = stamps(settings).get("supervisor")
    return stamp is not None and stamp.alive()


def supervise(settings: Settings) -> None:
    """Hold the engines until SIGTERM. Raises EngineError when one of them ends by itself."""
    with announced(settings, print) as running:
        await_stop(running.children)


@contextmanager
def hold(settings: Settings, say: Say) -> Iterator[dict[str, str]]:
    """The environment of the engines of `up`, else of our own for the length of the block; every command finds them.

    Raises:
        EngineError: a tool or an engine is missing or does not start, in its own words; nothing is left running.
    """
    with ExitStack() as held:
        with one_at_a_time(settings.local_dir / "up.lock"):
            if supervised(settings):
                say("using the engines of `tailrace local up`")
                found = env(settings)
            else:
                clear(settings)
                say("starting Kafka and ClickHouse")
                held.callback(clear_files, settings)
                running = held.enter_context(announced(settings, say))
                found = {name: value for name, value in running.env().items() if value}
        yield found


@contextmanager
def announced(settings: Settings, say: Say) -> Iterator[Engines]:
    """Engines whose address is in the environment file while they are up, and whose processes `down` knows."""
    named = set(named_by_user(settings).env().values())
    try:
        with engines(settings, say, settings.local_dir / "data") as running:
            remember(settings, os.getpid(), running.children)
            ours = {name: value for name, value in running.env().items() if value not in named}
            write_private(env_file(settings), "".join(f"{name}={value}\n" for name, value in ours.items()))
            yield running
    finally:
        env_file(settings).unlink(missing_ok=True)


def await_stop(children: tuple[Child, ...]) -> None:
    """Sleep until SIGTERM. Raises EngineError in its own words when a child ends first."""
    waited = {signal.SIGTERM, signal.SIGCHLD}
    signal.pthread_sigmask(signal.SIG_BLOCK, waited)  # only now: the engines would have inherited it
    while True:
        for child in children:
            if child.ended_within(0):
                raise EngineError(f"{child.name} stopped: {last_words(child.log)}")
        if signal.sigwait(waited) == signal.SIGTERM:
            return


def remember(settings: Settings, supervisor: int, children: tuple[Child, ...]) -> None:
    """Write down who runs, for `down`."""
    known = {"supervisor": Stamp.of(supervisor), **{child.name: child.stamp() for child in children}}
    write_private(stamp_file(settings), json.dumps({name: astuple(stamp) for name, stamp in known.items() if stamp}))


def stamps(settings: Settings) -> dict[str, Stamp]:
    """Who was started, by name; the supervisor first."""
    path = stamp_file(settings)
    known: dict[str, tuple[int, int]] = json.loads(path.read_text()) if path.exists() else {}
    return {name: Stamp(*numbers) for name, numbers in known.items()}


def stamp_file(settings: Settings) -> Path:
    return settings.local_dir / "engines.json"


def supervisor_log(settings: Settings) -> Path:
    return settings.local_dir / "supervisor.log"


def write_private(path: Path, text: str) -> None:
    """All or nothing, and for its owner only: it may hold a password."""
    draft = path.with_suffix(".draft")
    draft.touch(mode=0o600)
    draft.write_text(text)
    draft.replace(path)


def main() -> int:
    settings = Settings()
    try:
        supervise(settings)
    except TailraceError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
