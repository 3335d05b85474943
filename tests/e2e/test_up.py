"""`tailrace up` on a folder of its own: every other command of that folder finds it, and a second one says so."""

import signal
import subprocess
import time
from pathlib import Path

import orjson
import pytest

from tests.e2e.command import Outcome, finished, started
from tests.e2e.folder import linked_to_cache, processes_of

pytestmark = [pytest.mark.engines, pytest.mark.timeout(240)]


def here(directory: Path, *command: str) -> Outcome:
    return finished(started(*command, env={"TAILRACE_LOCAL_DIR": str(directory)}))


def await_running(up: "subprocess.Popen[str]", within: float = 120.0) -> None:
    """Until it says that it runs."""
    assert up.stderr
    heard, deadline = [], time.monotonic() + within
    while time.monotonic() < deadline and (line := up.stderr.readline()):
        heard.append(line)
        if "Ctrl-C stops" in line:
            return
    raise AssertionError("".join(heard))


def test_everything_in_the_folder_finds_it(tmp_path: Path) -> None:
    local_dir = linked_to_cache(tmp_path)
    up = started("up", env={"TAILRACE_LOCAL_DIR": str(local_dir)})
    try:
        await_running(up)
        code, out, err = here(local_dir, "query", "SELECT count() AS n FROM performance", "--json")
        assert (code, orjson.loads(out), err) == (0, {"n": 0}, "")
        code, _, err = here(local_dir, "status")
        assert (code, err) == (0, "")
        code, out, _ = here(local_dir, "local", "status", "--json")
        assert [engine["state"] for engine in orjson.loads(out)] == ["up", "up"]
        address = orjson.loads(out)[0]["address"]
        for second in (("up",), ("demo", "--seconds", "5")):
            code, out, err = here(local_dir, *second)
            assert (code, out, err.count("\n")) == (3, "", 1)
            assert all(word in err for word in ("`tailrace up`", f"process {up.pid}", "already runs", str(local_dir), address))
        up.send_signal(signal.SIGINT)
        code, _, err = finished(up)
        assert code == 0, err
    finally:
        up.kill()
        up.wait()
    assert processes_of(local_dir) == set()
    assert not (local_dir / "tailrace.env").exists()
    code, out, err = here(local_dir, "query", "SELECT 1")
    assert (code, out, err.count("\n")) == (2, "", 1)
