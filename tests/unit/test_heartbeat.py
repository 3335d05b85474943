"""Heartbeats: only of the living, one file a process."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.app.health import hearts
from pipeline.connectors.heartbeat import beating, heartbeats
from pipeline.errors import SettingsError
from pipeline.settings import Settings


def test_a_process_is_known_while_it_lives(tmp_path: Path) -> None:
    with beating(tmp_path, "sink") as beat:
        beat("ClickHouse is away")
        (found,) = heartbeats(tmp_path)
        assert (found.stage, found.pid, found.waits_for) == ("sink", os.getpid(), "ClickHouse is away")
        (heart,) = hearts(Settings(local_dir=tmp_path))
        assert heart.healthy
        assert "degraded, ClickHouse is away" in heart.line
        beat()
        assert heartbeats(tmp_path)[0].waits_for == ""
    assert heartbeats(tmp_path) == []
    assert list((tmp_path / "heartbeats").iterdir()) == []


def test_a_loop_that_has_not_turned_for_long_hangs(tmp_path: Path) -> None:
    with beating(tmp_path, "decode"):
        (path,) = (tmp_path / "heartbeats").iterdir()
        os.utime(path, (path.stat().st_mtime - 60, path.stat().st_mtime - 60))
        assert not hearts(Settings(local_dir=tmp_path, healthy_within=50))[0].healthy
        assert hearts(Settings(local_dir=tmp_path, healthy_within=70))[0].healthy
        assert hearts(Settings(local_dir=tmp_path), "sink") == []


def test_what_the_dead_left_is_nobodys_health_and_is_removed(tmp_path: Path) -> None:
    directory = tmp_path / "heartbeats"
    directory.mkdir()
    with subprocess.Popen([sys.executable, "-c", ""]) as dead:
        dead.wait()
    left = {"decode-1": "{", f"sink-{dead.pid}": json.dumps({"pid": dead.pid, "started": 1, "waits_for": ""})}
    left[f"sink-{os.getpid()}"] = json.dumps({"pid": os.getpid(), "started": 1, "waits_for": ""})  # another's number, now ours
    for name, text in left.items():
        (directory / name).write_text(text)
    assert heartbeats(tmp_path) == []
    with beating(tmp_path, "decode"):
        assert [path.name for path in directory.iterdir()] == [f"decode-{os.getpid()}"]


def test_no_heartbeat_stops_no_stage(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "heartbeats").write_text("in the way")
    with beating(tmp_path, "decode") as beat:
        beat("x")
        beat("y")
    assert len(caplog.records) == 1


def test_a_stage_there_is_not_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="bake"):
        hearts(Settings(local_dir=tmp_path), "bake")
