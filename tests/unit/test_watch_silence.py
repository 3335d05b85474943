"""What falls silent is missed: once, for the route or for a slice of it, and not where silence is nothing new."""

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from pipeline.operators.watch.out_of_force import REMOVED
from pipeline.operators.watch.silence import Silence
from pipeline.operators.watch.slices import Slice, Slices
from tests.panes import MINUTE_NS, NOON_NS, trace_pane, trace_panes
from tests.unit.test_watch import ERRORS
from tests.watched import LOG, POLICY, Log, alerts, folded, on_time, readable, stage

DAY = 240
"""Minutes of a day: an hour of these logs is ten."""

MISSED = ERRORS.replace("slices: [cohort]", "slices: [cohort, release, [cohort, model]]")

Comes = Callable[[int, str, str], bool]
"""Whether calls come in a minute, of a cohort and a model."""


def silent_log(comes: Comes, minutes: int = 2 * DAY, text: str = MISSED, cohorts: str = "abc", models: str = "xy") -> Log:
    log = Log()
    log.contracts(errors=text)
    for minute in range(minutes):
        rows = [
            on_time(minute, 3, 0, cohort=cohort, model=model)
            for cohort in cohorts
            for model in models
            if comes(minute, cohort, model)
        ]
        log.window(minute, rows)
    return log


def missed(log: Log, batch: int = 50, crashes: tuple[int, ...] = ()) -> list[dict[str, Any]]:
    return [one for one in alerts(folded(stage(), log, batch, crashes)) if one["kind"] == "no_data"]


def told(some: list[dict[str, Any]]) -> list[tuple[str, dict[str, str], int]]:
    return [(one["state"], one["slice"], (one["at_ns"] - NOON_NS) // MINUTE_NS) for one in some]


def between(minute: int, begin: int, end: int) -> bool:
    return begin <= minute < end


def test_a_route_that_falls_silent_is_one_alert_and_its_slices_are_none() -> None:
    log = silent_log(lambda minute, *_: not between(minute, 300, 400))
    some = missed(log)
    assert [(state, where) for state, where, _ in told(some)] == [("firing", {}), ("resolved", {})]
    fired, over = some
    assert 315 <= told(some)[0][2] <= 325
    assert told(some)[1][2] == 401
    assert fired["fingerprint"] == over["fingerprint"]
    assert (fired["severity"], fired["tier"], fired["rule"], fired["metric"], fired["n"]) == (
        "ticket",
        "established",
        "no_data",
        "",
        0,
    )
    assert fired["first_seen_ns"] == NOON_NS + 300 * MINUTE_NS
    assert fired["log_e_value"] >= fired["needed"]
    assert fired["hypotheses"] == 11
    assert fired["text"].startswith("chat in prod: nothing of this route for 23m: before, calls came in ")
    assert over["text"] == "resolved: chat in prod: calls come again, after 101m"
    assert "sum(requests) AS n" in fired["sql"]
    for batch, crashes in ((7, (60, 90, 91, 110)), (50, (6, 7, 13)), (1000, (1,))):
        assert [one["id"] for one in missed(log, batch, crashes)[-2:]] == [one["id"] for one in some]


def test_a_slice_that_falls_silent_is_one_alert_with_all_that_lies_in_it() -> None:
    some = missed(silent_log(lambda minute, cohort, _: cohort != "b" or not between(minute, 300, 400)))
    assert [(state, where) for state, where, _ in told(some)] == [("firing", {"cohort": "b"}), ("resolved", {"cohort": "b"})]
    assert some[0]["text"].startswith("chat in prod, cohort b: nothing of this slice for ")


def test_a_part_of_a_slice_is_missed_by_itself() -> None:
    some = missed(silent_log(lambda minute, cohort, model: (cohort, model) != ("b", "y") or minute < 300))
    assert [(state, where) for state, where, _ in told(some)] == [("firing", {"cohort": "b", "model": "y"})]


def test_a_release_that_ends_is_not_missed() -> None:
    log = Log()
    log.contracts(errors=MISSED)
    for minute in range(2 * DAY):
        log.window(minute, [on_time(minute, 3, 0, cohort="a", release="1" if minute < 300 else "2")])
    assert missed(log) == []


def test_nights_weekends_and_sessions_are_no_silence_once_they_were_seen() -> None:
    nights = silent_log(lambda minute, *_: minute % DAY < 100, 8 * DAY)
    late = [one for one in missed(nights) if one["at_ns"] > NOON_NS + DAY * MINUTE_NS]
    assert late == [], "the first night may be told, no other is"
    g = np.random.default_rng(1)
    starts = set(np.cumsum(g.exponential(60, 200)).astype(int).tolist())
    bursts = {minute + more for minute in starts for more in range(8)}
    rare = silent_log(lambda minute, cohort, _: cohort != "b" or minute in bursts, 12 * DAY, cohorts="ab", models="x")
    assert len(missed(rare)) <= 2, "one silence of twelve days at most"


@pytest.mark.parametrize("seed", range(4))
def test_what_comes_at_random_is_not_missed(seed: int) -> None:
    g = np.random.default_rng(seed)
    rates = {"a": 1.0, "b": 0.2, "c": 0.02}
    log = silent_log(lambda _, cohort, __: bool(g.random() < rates[cohort]), 10 * DAY, models="x")
    assert missed(log) == []


def test_a_slice_that_is_gone_for_a_week_is_missed_no_more() -> None:
    some = missed(silent_log(lambda minute, cohort, _: cohort != "b" or minute < DAY, 9 * DAY, models="x"))
    assert [(state, where) for state, where, _ in told(some)] == [("firing", {"cohort": "b"}), ("resolved", {"cohort": "b"})]
    assert some[1]["detail"].startswith("nothing came, and it is missed no more, after ")


TWO = ERRORS.replace("routes: chat", "routes: [chat, serach, 'any*']")


def test_a_route_that_is_named_and_never_comes_is_told_after_a_day() -> None:
    log = silent_log(lambda *_: True, 2 * DAY, TWO, "a", "x")
    log.window(2 * DAY, [on_time(2 * DAY, 1, 0, route="serach")])
    some = missed(log)
    assert [(one["state"], one["route"], one["slice"]) for one in some] == [("firing", "serach", {}), ("resolved", "serach", {})]
    assert some[0]["detail"] == "never seen since the contract is in force"
    assert some[0]["at_ns"] - some[0]["first_seen_ns"] == DAY * MINUTE_NS
    assert some[0]["fingerprint"] == some[1]["fingerprint"]
    assert {one["id"] for one in missed(log, 11, (3, 22, 23, 40))} == {one["id"] for one in some}


def traces_alone(minutes: int) -> Log:
    """Traces of the route, and no calls."""
    log = Log()
    log.contracts(errors=MISSED)
    for minute in range(minutes):
        log.put(b"traces", trace_panes(trace_pane(minute, [5], cohort="a")), minute)
        log.frontiers(minute, [0], 1, "traces")
        log.frontiers(minute, [0], 1)
    return log


@pytest.mark.parametrize("crashes", [(), (3,), (26,), (3, 15, 26, 27)])
def test_traces_are_no_calls_of_a_route_that_never_comes(crashes: tuple[int, ...]) -> None:
    log = traces_alone(2 * DAY)
    some = missed(log)
    assert told(some) == [("firing", {}, DAY + 1)]
    assert some[0]["detail"] == "never seen since the contract is in force"
    assert {one["id"] for one in missed(log, 30, crashes)} == {some[0]["id"]}
    assert {one["state"] for one in missed(log, 30, crashes)} == {"firing"}
    log.window(2 * DAY, [on_time(2 * DAY, 1, 0, cohort="a")])
    over = missed(log, 30, crashes)[-1]
    assert (over["state"], over["detail"]) == ("resolved", missed(log)[-1]["detail"])
    assert over["detail"].startswith("the first calls came")


def test_a_slice_whose_route_has_no_room_waits_by_itself() -> None:
    contract = readable("errors", MISSED)
    assert contract is not None
    slices = Slices(contract, 2)
    for cohort in "ab":
        slices.add(Slice("prod", "chat", (("cohort", cohort),)))
    silence = Silence(slices, 600 * 10**9, MINUTE_NS)
    for minute in range(2):
        start = NOON_NS + minute * MINUTE_NS
        silence.window(start, start + MINUTE_NS, np.array([1.0, 1.0 - minute]))
    silence.window(NOON_NS + 2 * MINUTE_NS, NOON_NS + 3 * MINUTE_NS, np.array([0.0, 1.0]))
    assert silence.known.passed.sum(1).tolist() == [3, 3]
    assert silence.known.unlikely.tolist() == pytest.approx([np.log1p(1 / 2) * 2, 0])


def test_only_the_partition_of_a_route_waits_for_it() -> None:
    log = silent_log(lambda *_: True, 2 * DAY, TWO, "a", "x")
    policy = dataclasses.replace(POLICY, partitions=64)
    watch = stage(policy)
    state, _ = watch.step(watch.open(LOG, None), log.records, 0)
    assert state.contracts["errors"][1].silence.expected == {}


def test_what_is_missed_ends_with_its_contract() -> None:
    log = silent_log(lambda minute, *_: minute < 300, 330, TWO, "a", "x")
    log.contracts(330)
    assert [(one["state"], one["route"]) for one in missed(log)] == [
        ("firing", "serach"),
        ("firing", "chat"),
        ("resolved", "chat"),
        ("resolved", "serach"),
    ]
    assert {one["detail"] for one in missed(log)[2:]} == {REMOVED}


def test_what_is_missed_stays_missed_under_a_new_version() -> None:
    log = silent_log(lambda minute, *_: minute < 300, 330, TWO, "a", "x")
    log.contracts(330, errors=TWO.replace("version: 1", "version: 2"))
    for minute in range(331, 340):
        log.window(minute, [on_time(minute, 3, 0, cohort="a", model="x")])
    assert [(one["state"], one["route"]) for one in missed(log)] == [
        ("firing", "serach"),
        ("firing", "chat"),
        ("resolved", "chat"),
    ]
