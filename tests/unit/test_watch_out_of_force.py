"""Alarms end with a word when what they are about is asked no more; crashes and repeats change none of it."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import pytest

from pipeline.model.contracts import Contract
from pipeline.model.stream import Message
from pipeline.operators.alerts.cloud_event import decode
from pipeline.operators.watch.out_of_force import REMOVED, UNREADABLE
from tests.panes import NOON_NS
from tests.unit.test_watch import ERRORS, day, released
from tests.watched import LOG, Log, alerts, folded, readable, stage, traffic

MINUTES = 1060
"""By then the cohort pro fires."""


def changed(**texts: str) -> Log:
    """A log in which pro fires, then other contracts hold, then traffic goes on."""
    log = day()
    log.contracts(MINUTES - 1, **texts)
    for minute, rows in enumerate(traffic(3, 30, 0, 0.08, begin=MINUTES), MINUTES):
        log.window(minute, rows)
    return log


def states(told: list[dict[str, Any]]) -> list[tuple[str, str]]:
    return [(one["state"], one["detail"]) for one in told]


def of_promises(messages: Sequence[Message]) -> list[dict[str, Any]]:
    """Without what watch tells of itself: a contract it cannot read."""
    return [one for one in alerts(messages) if one["kind"] != "pipeline"]


OTHER_BOUND = ERRORS.replace("version: 1", "version: 2").replace("4%", "5%")
OTHER_QUESTION = ERRORS.replace("version: 1", "version: 2").replace("error.ratio", "refusal.ratio")
OTHER_SLICES = ERRORS.replace("version: 1", "version: 2").replace("[cohort]", "[model]")
OTHER_ROUTES = ERRORS.replace("version: 1", "version: 2").replace("chat", "search")
NOT_ANY_MORE = "version 2 of the contract does not ask it any more"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", REMOVED),
        ("name: errors\nversion: 2\nroutes: [", UNREADABLE),
        (OTHER_BOUND, "version 2 of the contract asks it otherwise, so its evidence begins anew"),
        (OTHER_QUESTION, NOT_ANY_MORE),
        (OTHER_SLICES, NOT_ANY_MORE),
        (OTHER_ROUTES, NOT_ANY_MORE),
    ],
)
def test_what_is_asked_no_more_ends_and_says_why(text: str, why: str) -> None:
    log = changed(**({"errors": text} if text else {}))
    fired, ended = of_promises(folded(stage(), log))
    assert states([fired, ended]) == [("firing", ""), ("resolved", why)]
    for name in ("fingerprint", "severity", "owner", "contract", "contract_version", "rule", "metric", "slice", "unit"):
        assert ended[name] == fired[name], name
    assert ended["fired_ns"] == fired["at_ns"] <= ended["resolved_ns"] == ended["at_ns"] == NOON_NS + MINUTES * 60 * 10**9
    assert (ended["n"], ended["estimate"]) == (0, None)
    assert ended["text"] == f"resolved: chat in prod, cohort pro: error.ratio: {why}"
    for batch, crashes in ((50, (3, 20, 42)), (7, (300, 303, 304)), (len(log.records) - 31, (1,))):
        again = of_promises(folded(stage(), log, batch, crashes))
        assert {one["id"] for one in again} == {fired["id"], ended["id"]}


@pytest.mark.parametrize("text", ["", "name: regressions\nversion: 2\nroutes: ["])
def test_the_end_of_a_regression_names_the_releases_it_was_told_of(text: str) -> None:
    log = released(0.2, after=120)
    log.contracts(819, **({"regressions": text} if text else {}))
    for minute, rows in enumerate(traffic(8, 5, 0, 0.2, begin=820), 820):
        log.window(minute, [row | {"release": "2"} for row in rows])
    told = [one for one in of_promises(folded(stage(), log)) if one["slice"]]
    assert [one["state"] for one in told] == ["firing", "resolved"]
    for one in told:
        assert (one["kind"], one["baseline"]) == ("regression", "previous_release")
        assert (one["release"], one["previous_release"]) == ("2", "1")
    assert told[0]["fingerprint"] == told[1]["fingerprint"]


def test_what_is_asked_as_before_goes_on_without_a_word() -> None:
    more = ERRORS.replace("version: 1", "version: 2") + "  - {metric: refusal.ratio, at_most: 50%, window: 5m}\n"
    assert [one["state"] for one in alerts(folded(stage(), changed(errors=more)))] == ["firing"]


def test_a_rule_by_another_name_ends_under_the_old_one_and_fires_under_the_new_one() -> None:
    renamed = ERRORS.replace("version: 1", "version: 2").replace("metric: error.ratio", "id: mine, metric: error.ratio")
    told = alerts(folded(stage(), changed(errors=renamed)))
    assert [(one["state"], one["rule"]) for one in told] == [
        ("firing", "error.ratio.at_most.15m"),
        ("resolved", "error.ratio.at_most.15m"),
        ("firing", "mine"),
    ]


def test_a_contract_that_comes_back_begins_anew() -> None:
    log = changed()
    log.contracts(MINUTES + 30, errors=ERRORS)
    for minute, rows in enumerate(traffic(4, 600, 0, 0.2, begin=MINUTES + 31), MINUTES + 31):
        log.window(minute, rows)
    told = [one for one in alerts(folded(stage(), log)) if one["slice"] == {"cohort": "pro"}]
    assert [one["state"] for one in told] == ["firing", "resolved", "firing"]


def upgraded(reads: bool, tail: int = 40) -> tuple[list[Message], list[Message]]:
    """What is told by a version that reads the contract, and by one after it that may not, from its snapshot on."""
    log = day()
    watch = stage()
    state, effects = watch.step(watch.open(LOG, None), log.records[:-tail], 0)
    assert effects.progress is not None
    later = dataclasses.replace(stage(), read=readable if reads else nothing_is_read)
    progress, told = effects.progress, []
    for cut in (0, 3):  # a crash after the first step, and a successor that goes on
        state = later.open(LOG, progress)
        rest = [record for record in log.records if record.offset >= progress.committed]
        state, more = later.step(state, rest[: tail - cut], 0)
        told += more.messages
        assert more.progress is not None
        again = later.open(LOG, more.progress)
        assert again.texts == {"errors": ERRORS}, "it stays in force, whoever can read it"
        assert later._ask(again, 10**12) == []
    return list(effects.messages), told


def nothing_is_read(name: str, text: str) -> Contract | None:
    return None


def test_a_version_that_cannot_read_a_contract_ends_its_alarms_once() -> None:
    before, after = upgraded(reads=False)
    assert [one["state"] for one in alerts(before)] == ["firing"]
    ended = of_promises(after)
    assert {one["detail"] for one in ended} == {UNREADABLE}
    assert len({one["id"] for one in ended}) == 1
    assert ended[0]["fingerprint"] == alerts(before)[0]["fingerprint"]


def test_a_version_that_reads_it_goes_on() -> None:
    assert alerts(upgraded(reads=True)[1]) == []


def test_the_event_of_an_end_is_whole() -> None:
    ended = next(m for m in folded(stage(), changed()) if m.topic == "alerts" and b"resolved.v1" in m.value)
    alert = decode(ended.value)
    assert alert.sql.startswith("SELECT window_start")
