"""Snapshots have a bound: what is left out of one that would be too long, in which order, and what comes of it."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.model.metrics import Family
from pipeline.model.stream import Record
from pipeline.operators.watch import snapshots, written
from pipeline.operators.watch.contract_watch import ContractWatch
from pipeline.operators.watch.drafts import PARTS
from pipeline.operators.watch.written import Written
from pipeline.stages.watch import Partition
from tests.watched import LOG, Log, alerts, folded, stage, timed

EVERYTHING = """
name: everything
version: 1
owner: us
environment: prod
routes: chat
slices: [cohort]
regression: {metrics: [error.ratio, latency.p95, latency.mean], limit: 10%}
objectives:
  - {metric: error.ratio, at_most: 4%, window: 15m}
  - {metric: latency.p95, at_most: 6s, window: 30m}
  - {metric: latency.mean, at_most: 3s, window: 30m}
  - {metric: cost.sum, at_most: 1 USD/hour}
error_budgets:
  - {of: error.ratio, target: 95%, burn_rates: [{short: 5m, long: 1h, rate: 3}]}
"""
BEFORE = Path(__file__).parents[1] / "data" / "watch" / "snapshot_of_zlib.txt"
"""What `everything()` was written down as before columns were packed."""
WORSE_FROM = 300


def everything(minutes: int = 420, cohorts: int = 0) -> Log:
    """Two releases; more errors and slower calls of the cohort pro in the end, and small cohorts where asked for."""
    log = Log()
    log.contracts(everything=EVERYTHING)
    for minute, rows in enumerate(timed(7, minutes, WORSE_FROM, 3.0)):
        release = "1" if minute < 150 else "2"
        bad = 0.3 if minute >= WORSE_FROM else 0.02
        of = [one | {"errors": round(one["requests"] * (bad if one["cohort"] == "pro" else 0.02))} for one in rows]
        more = [of[-1] | {"cohort": f"small{i}", "requests": 3, "errors": 0, "cost_nusd": "0"} for i in range(cohorts)]
        log.window(minute, [one | {"release": release} for one in (*of, *more)])
    return log


@pytest.fixture(scope="module")
def state() -> Partition:
    """All that is known in the end, with alarms that are firing."""
    log = everything(cohorts=150)
    watch = stage()
    return watch.step(watch.open(LOG, None), log.records, 0)[0]


def said(state: Partition, room: float = written.ROOMY) -> Written:
    return written.written(state.contracts, state.texts, state.frontiers, state.log_ns, state.troubles.firing, room)


def again(one: Written) -> ContractWatch:
    """What an owner knows that begins with it."""
    assert one.text is not None
    (found,) = snapshots.read(one.text).contracts.values()
    contract = stage().read("everything", found.text)
    assert contract is not None
    watch = ContractWatch.of(contract, 600 * 10**9, 1000)
    snapshots.restore(watch, found)
    return watch


def firing(watch: ContractWatch) -> set[tuple[str, Any]]:
    rows = ((one, row) for one in watch.asked for row in np.flatnonzero(one.alarms.firing > 0))
    return {(one.question.rule + one.question.metric.name, watch.slices.found[row]) for one, row in rows}


def columns(watch: ContractWatch) -> Iterator[tuple[str, np.ndarray]]:
    for asked in watch.asked:
        for part in asked.PARTS:
            for name, column in getattr(asked, part).columns.items():
                yield f"{asked.question.identity}.{part}.{name}", column
    yield from watch.silence.known.columns.items()


def alike(one: ContractWatch, other: ContractWatch) -> None:
    assert one.slices.found == other.slices.found
    for (name, column), (_, same) in zip(columns(one), columns(other), strict=True):
        np.testing.assert_allclose(column, same, 1e-9, 1e-9, err_msg=name)


def test_what_fits_is_written_whole(state: Partition) -> None:
    one = said(state)
    assert (one.told, one.tries, set(one.left_out.values())) == ("", 1, {0})
    alike(again(one), state.contracts["everything"][1])


def test_what_was_written_before_columns_were_packed_is_read() -> None:
    watch = stage()
    now = watch.step(watch.open(LOG, None), everything().records, 0)[0]
    before = again(Written(BEFORE.read_text()))
    assert firing(before)
    for asked, same in zip(before.compared, now.contracts["everything"][1].compared, strict=True):
        for hourly, as_now in zip(asked.base.by_hour(), same.base.by_hour(), strict=True):
            np.testing.assert_allclose(hourly, as_now)
        same.base = asked.base  # hours without calls, of which nobody asks
    for asked, same in zip(before.asked, now.contracts["everything"][1].asked, strict=True):
        # evidence was made of the same sums by other formulas then, and of what a closed stratum held nothing was kept
        for part in {"alarms", "detector", "opened", "closed", "yesterday"} & set(asked.PARTS):
            assert {name: one.shape for name, one in getattr(asked, part).columns.items()} == {
                name: one.shape for name, one in getattr(same, part).columns.items()
            }
            setattr(same, part, getattr(asked, part))
        same.spread.squares = asked.spread.squares  # of the first hours one counted for more then
    alike(before, now.contracts["everything"][1])


def test_less_is_left_out_the_more_there_is_room_and_in_order(state: Partition, monkeypatch: pytest.MonkeyPatch) -> None:
    whole, watch = said(state), state.contracts["everything"][1]
    assert whole.text is not None
    length, before = len(whole.text), dict.fromkeys(PARTS, 0)
    seen = set()
    for share in (0.999, 0.9, 0.7, 0.5, 0.35, 0.25, 0.2, 0.15):
        monkeypatch.setattr(written, "MOST_BYTES", int(share * length))
        one = said(state)
        assert one.text is not None
        assert len(one.text) <= share * length
        assert firing(again(one)) == firing(watch)
        first = [part for part in PARTS if one.left_out[part]]
        assert first == list(PARTS[: len(first)]), "the next only where nothing of the one before is left"
        assert all(one.left_out[part] >= before[part] for part in PARTS)
        seen |= set(first)
        before = dict(one.left_out)
    assert seen >= set(PARTS[:3])


def test_the_slices_with_the_fewest_calls_are_left_out(state: Partition, monkeypatch: pytest.MonkeyPatch) -> None:
    one = said(state, 1.5)
    watch = again(one)
    judged = watch.judged[0].spread
    calls = state.contracts["everything"][1].judged[0].spread
    kept = (judged.n + judged.open_n) > 0
    assert 0 < kept.sum() < len(kept)
    assert (calls.n + calls.open_n)[kept].min() >= (calls.n + calls.open_n)[~kept].max()


def test_the_next_one_knows_how_much_fits(state: Partition, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = said(state)
    assert whole.text is not None
    monkeypatch.setattr(written, "MOST_BYTES", len(whole.text) // 2)
    first = said(state)
    assert first.tries > 1
    second = said(state, first.next_room)
    assert second.tries == 1
    monkeypatch.undo()
    for _ in range(3):
        second = said(state, second.next_room)
    assert second.told == ""
    assert second.text == whole.text


def test_at_last_alarms_alone_are_written(state: Partition, monkeypatch: pytest.MonkeyPatch) -> None:
    watch = state.contracts["everything"][1]
    monkeypatch.setattr(written, "MOST_BYTES", 6000)
    one = said(state)
    assert one.text is not None
    bare = again(one)
    assert firing(bare) == firing(watch)
    assert len(bare.slices) == 2, "the others are not even named"
    assert list(bare.passed(Family.CALLS, state.frontiers.line[Family.CALLS])) == [], "a burn rate is known to go on"
    monkeypatch.setattr(written, "MOST_BYTES", 100)
    none = said(state)
    assert none.text is None
    assert none.told.startswith("nothing that is known is written down")


@pytest.mark.parametrize("most", [9000, 6000])
def test_alarms_hold_over_restarts_whatever_is_left_out(most: int, monkeypatch: pytest.MonkeyPatch) -> None:
    log = everything(420)
    undisturbed = alerts(folded(stage(), log))
    monkeypatch.setattr(written, "MOST_BYTES", most)
    told = alerts(folded(stage(), log, 7, range(110, 130, 3)))
    assert {one["state"] for one in told} == {"firing"}
    about = [(one["rule"], one["metric"], str(one["slice"])) for one in told if one["at_ns"] >= log_time(log.records, 110 * 7)]
    assert len(about) == len(set(about)), "none is raised twice"
    assert {one["fingerprint"] for one in told} <= {one["fingerprint"] for one in undisturbed}


def log_time(records: list[Record], at: int) -> int:
    return records[at].timestamp_ns if at < len(records) else 2**63


def test_what_begins_anew_raises_no_false_alarm(monkeypatch: pytest.MonkeyPatch) -> None:
    log = everything(290, cohorts=20)
    monkeypatch.setattr(written, "MOST_BYTES", 4000)
    assert alerts(folded(stage(), log, 7, range(3, 80, 5))) == []


def test_status_and_log_say_what_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    heard: list[str] = []
    monkeypatch.setattr(written, "MOST_BYTES", 12_000)
    messages = folded(replace(stage(), say=heard.append), everything(200, cohorts=30), 20)
    assert heard
    assert all("does not fit into a message of watch-state" in one for one in heard)
    last = [one for one in messages if one.topic == "status"][-1].value or b""
    assert all(f"{part}_not_written".encode() in last for part in PARTS)
