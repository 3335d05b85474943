"""What a worker connector must do, on real Kafka with real processes; every connector passes the same suite.

The stage is `Tally`: numbers per window, final two windows later. A number lost, folded twice or late shows up in the
results; a session that skips or repeats an offset shows up in the journals, which `group` checks after every test.
"""

import json
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.settings import Settings
from tests.conformance.worker_group import PARTITIONS, Group, stopped, until

CONNECTORS = ["faust_worker"]

pytestmark = pytest.mark.engines


@pytest.fixture(params=CONNECTORS)
def group(request: pytest.FixtureRequest, fresh_prefix: Settings, tmp_path: Path) -> Iterator[Group]:
    """A group without members; at the end the laws that hold for every history."""
    settings = fresh_prefix.model_copy(update={"session_timeout": 6.0})
    made = Group(settings, request.param, tmp_path)
    try:
        yield made
        each_session_is_an_unbroken_run(made)
        progress_never_decreases(made)
    finally:
        made.kill()


def each_session_is_an_unbroken_run(group: Group) -> None:
    """Within one session no offset is skipped or folded twice."""
    following: dict[tuple[int, int], int | None] = {}
    for entry in group.journal():
        actor = entry["pid"], entry.get("partition", -1)
        if entry["at"] == "open":
            following[actor] = None
        for offset in entry.get("offsets", ()):
            assert following[actor] in {None, offset}, f"{actor}: {offset} came where {following[actor]} was due"
            following[actor] = offset + 1


def progress_never_decreases(group: Group) -> None:
    """Of every writer, in the order of the log."""
    last: dict[bytes, tuple[int, int]] = defaultdict(lambda: (0, -1))
    for record in group.records("progress"):
        entry = json.loads(record.value())
        now = entry["folded"], entry["watermark_ns"]
        assert all(a <= b for a, b in zip(last[record.key()], now, strict=True)), f"{record.key()}: {last[record.key()]} → {now}"
        assert entry["committed"] <= entry["folded"]
        last[record.key()] = now


def test_join_fold_acknowledge_leave_return(group: Group) -> None:
    group.send(range(5))
    group.start("a")
    group.settled()
    # Windows 3 and 4 are open: three of five windows may be forgotten, to the offset.
    assert group.committed() == dict.fromkeys(PARTITIONS, 150)
    assert all(key.startswith(b"%s:" % group.settings.topic("spans").encode()) for key in _keys(group))

    before = group.results()
    assert group.stop("a") == 0
    assert group.results() == before, "held windows are not flushed"
    assert group.committed() == dict.fromkeys(PARTITIONS, 150)

    group.send(range(5, 8))
    group.start("a")
    group.settled()
    assert group.committed() == dict.fromkeys(PARTITIONS, 300)
    assert group.stop("a") == 0


def _keys(group: Group) -> set[bytes]:
    return {record.key() for record in group.records("progress")}


def test_a_second_worker_takes_some_partitions_and_gives_them_back(group: Group) -> None:
    group.start("a")
    group.send(range(3))
    group.settled()
    group.start("b")
    for window in range(3, 6):
        group.send(range(window, window + 1), each=400)
    until(lambda: len(group.owners()) == 2, "b is a member")
    owners = group.owners()
    assert {len(partitions) for partitions in owners.values()} == {2}
    group.send(range(6, 9))
    group.settled()
    assert set(group.opened("b")) == owners["b"]
    assert sorted(group.opened("a")[:4]) == list(PARTITIONS)
    assert set(group.opened("a")[4:]) == owners["a"], "of a kept partition the state is opened anew"

    assert group.stop("b") == 0
    group.send(range(9, 12))
    group.settled()
    assert group.owners() == {"a": set(PARTITIONS)}
    assert group.stop("a") == 0


def test_a_worker_stopped_for_longer_than_its_session_changes_nothing_when_it_goes_on(group: Group) -> None:
    frozen = group.start("a")
    group.start("b")
    group.send(range(4))
    group.settled()
    until(lambda: len(group.owners()) == 2, "both are members")
    mine = sorted(group.owners()["a"])
    gates = [group.directory / f"gate-{partition}" for partition in mine]
    for partition, gate in zip(mine, gates, strict=True):
        gate.write_text(str(group.ends()[partition] + 10))
    entries = len(group.journal("a"))
    group.send(range(4, 6))
    until(lambda: any(entry["at"] == "gate" for entry in group.journal("a")[entries:]), "a is in the middle of a step")

    with stopped(frozen):
        until(lambda: group.owners() == {"b": set(PARTITIONS)}, "b owns everything")
        for gate in gates:
            gate.unlink()
        group.send(range(6, 12))
        group.settled()
        before = group.committed()
        woken = len(group.journal("a"))
    until(lambda: len(group.owners()) == 2, "a is back")
    assert all(group.committed()[p] >= before[p] for p in PARTITIONS), "a stale worker moved an offset back"
    group.send(range(12, 15))
    group.settled()
    entries_since = group.journal("a")[woken:]
    assert entries_since[0]["at"] == "step", "the old step went on: the test saw what it is about"
    assert set(group.opened("a", since=woken)) >= group.owners()["a"]


def test_a_step_that_raises_ends_the_process_and_acknowledges_nothing(group: Group) -> None:
    group.send(range(4))
    group.start("a")
    group.settled()
    before = group.committed()
    boom = group.directory / "boom-2"
    boom.write_text(str(group.ends()[2]))
    group.send(range(4, 8))
    assert group.ended("a") == 1
    assert "ValueError: the step was told to fail" in group.log("a")
    assert group.committed()[2] == before[2]

    boom.unlink()
    group.start("a")
    group.settled()


def test_killed_during_replay(group: Group) -> None:
    group.send(range(4), each=300)
    process = group.start("a")
    group.settled()
    for _ in range(2):
        process.kill()
        process.wait()
        entries = len(group.journal("a"))
        held = group.committed()[1]
        (group.directory / "gate-1").write_text(str(held + 450))
        process = group.start("a")
        until(lambda since=entries: {"gate"} <= {e["at"] for e in group.journal("a")[since:]}, "the replay is half-way")
        assert group.committed()[1] == held
    process.kill()
    process.wait()
    (group.directory / "gate-1").unlink()
    group.send(range(4, 7), each=300)
    group.start("a")
    group.settled()


def test_what_is_final_stays_final_for_the_successor(group: Group) -> None:
    group.send(range(3))
    process = group.start("a")
    group.mark(9)
    group.settled()
    assert group.committed() == group.ends(), "nothing is held, so only the progress knows how late it is"
    process.kill()
    process.wait()
    group.send_too_late(1)
    group.send(range(10, 13))
    group.start("a")
    group.settled()


def test_no_start_without_the_compiled_iterator(group: Group) -> None:
    group.start("a", NO_CYTHON="1")
    assert group.ended("a") == 1
    assert "compiled iterator" in group.log("a")
