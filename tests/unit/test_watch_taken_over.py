"""Another owner goes on: under the same settings, with more partitions of panes, other hours, less room."""

from dataclasses import replace
from typing import Any

import pytest

from pipeline.model.stream import Message
from pipeline.operators.watch.out_of_force import MOVED, NO_ROOM, OTHER_HOURS
from pipeline.stages.watch import WatchPolicy
from pipeline.topics import partition_of, route_key
from tests.unit.test_watch import ERRORS
from tests.watched import LOG, POLICY, Log, alerts, folded, on_time, stage, traffic

SPLIT = 1060
"""Minute at which another owner begins."""

TWO_ROUTES = ERRORS.replace("routes: chat", "routes: [chat, search]")


def went_on(log: Log, before: WatchPolicy, after: WatchPolicy, split: int) -> list[dict[str, Any]]:
    """Alerts of an owner of the first messages, and of one that goes on from what it wrote down."""
    first, second = stage(before), stage(after)
    state, effects = first.step(first.open(LOG, None), log.records[:split], 1)
    assert effects.progress is not None
    written: list[Message] = [*effects.messages]
    state = second.open(LOG, effects.progress)
    for record in log.records[effects.progress.committed :]:
        state, effects = second.step(state, [record], 2)
        written += effects.messages
    return alerts(written)


def stays_and_goes() -> tuple[str, str]:
    """Of two partitions of panes: a route that stays in the first, and one that moves to the second."""
    names = [f"route-{i}" for i in range(20)]
    of = {partition_of(route_key("prod", name), 2): name for name in names}
    return of[0], of[1]


def test_of_a_route_whose_panes_come_to_a_new_partition_nothing_is_missed_and_its_alerts_end_here() -> None:
    stays, goes = stays_and_goes()
    log = Log()
    log.contracts(errors=ERRORS.replace("routes: chat", f"routes: [{stays}, {goes}]"))
    split = 0
    for minute, rows in enumerate(traffic(1, SPLIT + 600, 1000, 0.08)):
        routes = (stays, goes) if minute < SPLIT else (stays,)
        split = len(log.records) if minute == SPLIT else split
        log.window(minute, [row | {"route": route} for route in routes for row in rows])
    told = went_on(log, POLICY, replace(POLICY, partitions=2), split)
    assert not [one for one in told if one["kind"] == "no_data"]
    assert [(one["state"], one["detail"]) for one in told if one["route"] == goes] == [("firing", ""), ("resolved", MOVED)]
    assert [one["state"] for one in told if one["route"] == stays] == ["firing"]


def test_a_new_partition_that_the_owner_does_not_know_of_yet_is_judged() -> None:
    _, goes = stays_and_goes()
    log = Log()
    log.contracts(errors=ERRORS.replace("routes: chat", f"routes: [{goes}]"))
    for minute, rows in enumerate(traffic(1, SPLIT, 1000, 0.08)):
        log.window(minute, [row | {"route": goes} for row in rows])
    watch = stage(replace(POLICY, partitions=1))
    records = [replace(one, source=replace(LOG, partition=1)) for one in log.records]
    _, effects = watch.step(watch.open(records[0].source, None), records, 1)
    assert [one["state"] for one in alerts(effects.messages)] == ["firing"]


@pytest.mark.parametrize("hour_ns", [POLICY.hour_ns // 2, 6 * POLICY.hour_ns])
def test_with_other_hours_what_fires_ends_and_evidence_begins_anew(hour_ns: int) -> None:
    log = Log()
    log.contracts(errors=ERRORS)
    split = 0
    for minute, rows in enumerate(traffic(1, SPLIT + 2000, 1000, 0.08)):
        split = len(log.records) if minute == SPLIT else split
        log.window(minute, rows)
    told = went_on(log, POLICY, replace(POLICY, hour_ns=hour_ns), split)
    assert [(one["state"], one["detail"]) for one in told[:2]] == [("firing", ""), ("resolved", OTHER_HOURS)]
    assert [one["state"] for one in told[2:]] == ["firing"], "it is still worse, which the new hours show too"
    same = went_on(log, POLICY, POLICY, split)
    assert [one["state"] for one in same] == ["firing"]


SELECT = "select: {model: 'gpt-[45]*', release: '[!v]*'}\nenvironment: 'pro[d-f]'\n"
"""Patterns that are no name of what they are for."""


def test_whatever_its_patterns_a_contract_goes_on_where_it_was() -> None:
    log, split = Log(), 0
    log.contracts(errors=ERRORS.replace("environment: prod\n", SELECT))
    for minute, rows in enumerate(traffic(1, SPLIT + 60, 1000, 0.08)):
        split = len(log.records) if minute == SPLIT else split
        log.window(minute, [row | {"model": "gpt-4o", "release": "1"} for row in rows])
    assert [one["state"] for one in went_on(log, POLICY, POLICY, split)] == ["firing"]


def two_cohorts_fire() -> tuple[Log, int]:
    """Of the cohorts a to d two get worse, the last ones seen."""
    log, split = Log(), 0
    log.contracts(errors=ERRORS)
    for minute in range(SPLIT + 60):
        split = len(log.records) if minute == SPLIT else split
        bad = 30 if minute >= 1000 else 1
        log.window(minute, [on_time(minute, 100, bad if cohort in "cd" else 1, cohort=cohort) for cohort in "abcd"])
    return log, split


def test_where_there_is_less_room_what_fires_is_judged_on() -> None:
    log, split = two_cohorts_fire()
    told = [one for one in went_on(log, POLICY, replace(POLICY, most_slices=3), split) if one["kind"] == "objective"]
    assert {(one["state"], one["slice"].get("cohort", "")) for one in told} == {("firing", name) for name in ("", "c", "d")}


def test_what_fires_and_has_no_room_ends_and_names_the_setting() -> None:
    log, split = two_cohorts_fire()
    told = [one for one in went_on(log, POLICY, replace(POLICY, most_slices=2), split) if one["kind"] == "objective"]
    ended = [(one["slice"], one["detail"]) for one in told if one["state"] == "resolved"]
    assert ended == [({"cohort": "d"}, NO_ROOM)]


def test_a_model_that_a_new_version_does_not_choose_is_not_missed() -> None:
    by_model = ERRORS.replace("[cohort]", "[model]")
    log = Log()
    log.contracts(errors=by_model)
    for minute in range(300):
        if minute == 200:
            log.contracts(minute, errors=by_model.replace("version: 1", "version: 2") + "select: {model: m1}\n")
        log.window(minute, [on_time(minute, 100, 1, model=model) for model in ("m1", "m2")])
    assert alerts(folded(stage(), log)) == []
