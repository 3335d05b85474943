"""Slices that were silent for long make room for others; the log alone decides when, and what stays is as if they never were."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from pipeline.operators.watch.contract_watch import GONE as GONE_FOR_GOOD
from pipeline.operators.watch.contract_watch import ContractWatch
from pipeline.operators.watch.slices import SILENT_HOURS, Slice
from pipeline.stages.watch import Partition, WatchPolicy
from tests.panes import MINUTE_NS, NOON_NS, counted
from tests.unit.test_watch import ERRORS
from tests.unit.test_watch_same_hours import CONTRACT as USUAL
from tests.unit.test_watch_written import EVERYTHING, alike
from tests.watched import LOG, POLICY, Log, alerts, folded, on_time, stage, timed

DAY = 240
"""Minutes; an hour of these is ten."""
GONE = 100
FREED = (GONE + 10 * SILENT_HOURS) // DAY * DAY + DAY
"""The first day that ends more than so long after the last call."""
SECOND_NS = 10**9
UNTIL = FREED + 24 * 60 + 20
"""So long after the last one without room it is over that there was none."""
EVERY = 5
AFTER = FREED + 4 * EVERY
TIGHT = replace(POLICY, most_slices=9, snapshot_every_ns=DAY * MINUTE_NS)
"""Room for the eight slices of two routes, and one more."""
TEXTS = {
    "everything": EVERYTHING,
    "usual": USUAL.replace("[error.ratio]", "[error.ratio, latency.p95, latency.mean]"),
}


def two_routes(until: int, other_until: int, texts: Mapping[str, str] = TEXTS) -> Log:
    """A window every five minutes; the rows of `other`, which stops, stand before those of `chat`, whose release changes
    when it is about to be freed: its first calls choose then.
    """
    log = Log()
    log.contracts(**{name: text.replace("routes: chat", "routes: [chat, other]") for name, text in texts.items()})
    for minute, rows in enumerate(timed(11, until, until, 1.0)):
        if minute % EVERY:
            continue
        release = "1" if minute < FREED - 3 * EVERY else "2"
        chat = [one | {"release": release, "errors": one["requests"] // 50} for one in rows]
        other = [one | {"route": "other", "release": "0"} for one in chat] if minute < other_until else []
        log.window(minute, [*other, *chat])
    return log


def end(log: Log, policy: WatchPolicy) -> Partition:
    watch = stage(policy)
    return watch.step(watch.open(LOG, None), log.records, 0)[0]


def watches(state: Partition) -> dict[str, ContractWatch]:
    return {name: watch for name, (_, watch) in state.contracts.items()}


@pytest.fixture(scope="module")
def freed() -> Log:
    """A little longer than it takes, so that what stays goes on."""
    return two_routes(AFTER, GONE)


@pytest.fixture(scope="module")
def at_the_end(freed: Log) -> Partition:
    return end(freed, TIGHT)


def test_what_stays_is_as_if_the_others_had_never_been(at_the_end: Partition) -> None:
    """All parts of all questions: nothing of `chat` is moved to another row, and nothing of it is lost."""
    found, never = watches(at_the_end), watches(end(two_routes(AFTER, 0), POLICY))
    for name, watch in found.items():
        assert {one.route for one in watch.slices.found} == {"chat"}
        assert len(watch.slices) == 4
        alike(watch, never[name])
        assert watch.hypotheses().tolist() == never[name].hypotheses().tolist()
        assert watch.releases.names == never[name].releases.names
        assert watch.slices.silent.tolist() == [0, 0, 0, 0]


def test_there_is_something_to_be_moved_of_every_part(freed: Log) -> None:
    before = replace(freed, records=[one for one in freed.records if one.timestamp_ns <= NOON_NS + FREED * MINUTE_NS])
    asked = [one for watch in watches(end(before, TIGHT)).values() for one in watch.asked]
    known = {part for one in asked for part in one.PARTS if any(np.any(c > 0) for c in getattr(one, part).columns.values())}
    assert known == {part for one in asked for part in one.PARTS}


def test_they_stay_until_the_day_ends_in_which_they_were_silent_for_long_enough(freed: Log) -> None:
    before = replace(freed, records=[one for one in freed.records if one.timestamp_ns <= NOON_NS + FREED * MINUTE_NS])
    assert {len(one.slices) for one in watches(end(before, TIGHT)).values()} == {8}


def test_where_there_is_room_nobody_goes(freed: Log) -> None:
    assert {len(one.slices) for one in watches(end(freed, replace(TIGHT, most_slices=16))).values()} == {8}


def test_a_restart_at_any_point_knows_the_same(freed: Log, at_the_end: Partition) -> None:
    watch, wanted = stage(replace(TIGHT, snapshot_every_ns=0)), watches(at_the_end)
    owner, begin = watch.open(LOG, None), 0
    for stop in (50, len(freed.records) - 60, len(freed.records) - 9):
        owner, effects = watch.step(owner, freed.records[begin:stop], 1)
        assert effects.progress is not None
        again = watch.open(LOG, effects.progress)
        again, _ = watch.step(again, freed.records[effects.progress.committed :], 2)
        for name, found in watches(again).items():
            alike(found, wanted[name])
            assert found.slices.silent.tolist() == wanted[name].slices.silent.tolist()
        begin = stop


def short_lived(until: int) -> Iterator[list[dict[str, Any]]]:
    """Cohorts that somebody made up fill all there is room for; the cohort `small` comes later, and breaks its promise."""
    for minute in range(0, until, EVERY):
        rows = [on_time(minute, 2000, 0, cohort="steady")]
        rows += [on_time(minute, 20, 0, cohort=f"made-up-{i}") for i in range(40) if minute < GONE]
        rows += [on_time(minute, 60, 24, cohort="small")] if minute >= 2 * GONE else []
        yield rows


@pytest.fixture(scope="module")
def crowded() -> Log:
    log = Log()
    log.contracts(errors=ERRORS)
    for rows in short_lived(UNTIL):
        log.window((rows[0]["window_start_ns"] - NOON_NS) // MINUTE_NS, rows)
    return log


def test_a_cohort_without_room_is_judged_once_others_made_some(crowded: Log) -> None:
    told = [one for one in alerts(folded(stage(TIGHT), crowded)) if one["kind"] != "no_data"]
    assert [(one["state"], one["slice"]) for one in told if one["kind"] == "objective"] == [("firing", {"cohort": "small"})]
    assert min(one["at_ns"] for one in told if one["kind"] == "objective") > NOON_NS + FREED * MINUTE_NS
    room = [(one["state"], (one["at_ns"] - NOON_NS) // MINUTE_NS) for one in told if one["kind"] == "pipeline"]
    assert [state for state, _ in room] == ["firing", "resolved"]
    assert room[1][1] > FREED


@pytest.mark.parametrize("batch", [1, 7, 30])
def test_crashes_change_no_alert(crowded: Log, batch: int) -> None:
    wanted = {one["id"] for one in alerts(folded(stage(TIGHT), crowded))}
    at = next(index for index, one in enumerate(crowded.records) if one.timestamp_ns > NOON_NS + FREED * MINUTE_NS) // batch
    crashes = (3, at // 3, at // 2, at - 2, at - 1, at, at + 1, at + 2, at + 9)
    again = alerts(folded(stage(TIGHT), crowded, batch, crashes))
    assert {one["id"] for one in again} == wanted


def test_one_that_comes_again_begins_anew(crowded: Log) -> None:
    log = replace(crowded, records=list(crowded.records))
    minute = UNTIL
    log.window(minute, [on_time(minute, 20, 0, cohort="made-up-3"), on_time(minute, 20, 0, cohort="steady")])
    watch = watches(end(log, TIGHT))["errors"]
    row = watch.slices.found.index(Slice("prod", "chat", (("cohort", "made-up-3"),)))
    assert watch.silence.known.first_ns[row] == NOON_NS + (minute + 1) * MINUTE_NS
    assert watch.judged[0].spread.n[row] == 0
    assert watch.judged[0].spread.open_n[row] == 20
    assert row == len(watch.slices) - 1


def broken_and_gone(objective: str = "error.ratio, at_most: 4%") -> Log:
    """Half of the calls of two cohorts of `other` fail and are slow; both are never seen again."""
    log = Log()
    text = ERRORS.replace("error.ratio, at_most: 4%", objective)
    log.contracts(errors=text.replace("routes: chat", "routes: [chat, other]"))
    for minute in range(0, FREED + 55, EVERY):
        slow = counted(latency=30 * [SECOND_NS] + 30 * [(8 + minute // EVERY % 3) * SECOND_NS])
        bad = [on_time(minute, 60, 30, route="other", cohort=cohort, **slow) for cohort in "ab"]
        bad += [on_time(minute, 2000, 0, route="other", cohort="c", **counted(latency=2000 * [SECOND_NS]))]
        steady = on_time(minute, 60, 0, cohort="steady", **counted(latency=60 * [SECOND_NS]))
        log.window(minute, [*(bad if minute < GONE else []), steady])
    return log


@pytest.mark.parametrize("objective", ["error.ratio, at_most: 4%", "latency.p95, at_most: 4s", "latency.mean, at_most: 2s"])
@pytest.mark.parametrize(("most", "left"), [(8, {"chat"}), (16, {"chat", "other"})])
def test_an_alarm_of_one_that_does_not_come_again_ends_with_a_word(most: int, left: set[str], objective: str) -> None:
    log, policy = broken_and_gone(objective), replace(TIGHT, most_slices=most)
    told = [one for one in alerts(folded(stage(policy), log)) if one["kind"] == "objective"]
    cohorts = [{"cohort": "a"}, {"cohort": "b"}]
    assert [(one["state"], one["slice"]) for one in told] == [(state, of) for state in ("firing", "resolved") for of in cohorts]
    for end_of in told[2:]:
        assert end_of["detail"] == GONE_FOR_GOOD.format("32h")
        assert end_of["at_ns"] == end_of["resolved_ns"]
        assert SILENT_HOURS * 10 < (end_of["at_ns"] - NOON_NS) // MINUTE_NS - GONE <= SILENT_HOURS * 10 + 20
    watch = watches(end(log, policy))["errors"]
    assert {one.route for one in watch.slices.found} == left
    for asked in watch.asked:
        assert not asked.alarms.firing.any()


@pytest.mark.parametrize("batch", [1, 30])
def test_crashes_change_no_such_end(batch: int) -> None:
    log = broken_and_gone()
    wanted = [one["id"] for one in alerts(folded(stage(TIGHT), log))]
    at = len(log.records) // batch
    crashes = (3, at // 3, at - 60 // batch, at - 40 // batch, at - 20 // batch, at - 2, at - 1)
    assert {one["id"] for one in alerts(folded(stage(TIGHT), log, batch, crashes))} == set(wanted)


def test_a_sum_over_its_bound_ends_when_its_window_is_over_it_no_more() -> None:
    """Though by then nothing came for longer than evidence lasts: no silence ends a fact, or it would be told again."""
    log = Log()
    log.contracts(errors=ERRORS[: ERRORS.index("objectives:")] + "objectives: [{metric: cost.sum, at_most: 1 USD/day}]\n")
    for minute in range(0, 24 * 60 + 90, EVERY):
        dear = [on_time(minute, 10, 0, cost_nusd=str(2 * 10**9))] if minute < 60 else []
        log.window(minute, [on_time(minute, 60, 0, route="other"), *dear])
    told = alerts(folded(stage(replace(POLICY, hour_ns=MINUTE_NS)), log))
    whole = [one["state"] for one in told if one["kind"] == "objective" and not one["slice"]]
    assert whole == ["firing", "resolved"]
