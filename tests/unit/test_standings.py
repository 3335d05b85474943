"""How promises stand between alerts: what watch tells a dozen times an hour, and the list that e-BH makes of it."""

from dataclasses import replace
from typing import Any

import numpy as np
import orjson
import pytest

from pipeline.model.stream import Message
from pipeline.operators.watch.standing_told import MOST_BYTES, MOST_TOLD
from tests.panes import MINUTE_NS, NOON_NS
from tests.unit.test_watch import ERRORS, day
from tests.watched import POLICY, Log, folded, on_time, stage

COHORTS = 12
WATCH = stage(replace(POLICY, stand_every_ns=MINUTE_NS))


def standings(messages: list[Message]) -> list[list[dict[str, Any]]]:
    """The rows of every look, in order."""
    blocks = [orjson.loads(message.value) for message in messages if message.topic == "standings"]
    return [[dict(zip(block, row, strict=True)) for row in zip(*block.values(), strict=True)] for block in blocks]


def cohorts(share: float, minutes: int = 200, cohorts: int = COHORTS) -> Log:
    """Of all but one cohort this share of calls fails; of the last 1 %."""
    log, g = Log(), np.random.default_rng(3)
    log.contracts(errors=ERRORS)
    for minute in range(minutes):
        sizes = g.poisson(30, cohorts)
        bad = [int(g.binomial(n, share if i < cohorts - 1 else 0.01)) for i, n in enumerate(sizes)]
        log.window(minute, [on_time(minute, int(n), bad[i], cohort=f"c{i}") for i, n in enumerate(sizes)])
    return log


def test_a_slice_is_on_the_list_before_there_is_evidence_for_a_page() -> None:
    first: dict[str, dict[str, int]] = {}
    for look, rows in enumerate(standings(folded(WATCH, cohorts(0.1)))):
        for one in rows:
            first.setdefault(one["slice"].get("cohort", ""), {}).setdefault(one["verdict"], look)
    before = [seen["broken"] - seen["likely"] for seen in first.values() if {"likely", "broken"} <= seen.keys()]
    assert len(before) >= 3
    assert min(before) > 0
    assert first[f"c{COHORTS - 1}"].keys() <= {"kept", "not enough data"}


def test_what_lies_on_its_bound_is_on_no_list() -> None:
    verdicts = {one["verdict"] for rows in standings(folded(WATCH, cohorts(0.04))) for one in rows}
    assert "crossed" in verdicts
    assert not {"likely", "broken"} & verdicts


def test_below_the_minimum_sample_of_the_window_nothing_is_likely() -> None:
    log = cohorts(0.1, minutes=100)
    log.records[0] = replace(log.records[0], value=orjson.dumps({"errors": ERRORS.replace("minimum: 100", "minimum: 100000")}))
    assert {one["verdict"] for rows in standings(folded(WATCH, log)) for one in rows} == {"not enough data"}


def test_with_names_that_are_long_fewer_rows_fit_into_a_message() -> None:
    """A name of so many quotes is twice as long in JSON."""
    log, name = Log(), 1000 * '"'
    log.contracts(errors=ERRORS.replace("[cohort]", "[[cohort, model, language]]"))
    for minute in range(3):
        log.window(minute, [on_time(minute, 40, 0, cohort=f"{i}{name}", model=name, language=name) for i in range(300)])
    messages = [one for one in folded(WATCH, log) if one.topic == "standings"]
    assert len(messages) >= 2
    assert all(MOST_BYTES / 2 < len(one.value) <= MOST_BYTES for one in messages)
    assert {len(rows) for rows in standings(messages)} == {MOST_TOLD // 2}


def test_every_slice_stands_with_its_numbers() -> None:
    looks = standings(folded(WATCH, day(minutes=500)))
    rows = looks[-1]
    assert [one["slice"] for one in rows].count({}) == 1
    assert {one["slice"].get("cohort", "") for one in rows} == {"", "free", "pro", "team"}
    assert {one["verdict"] for one in rows} == {"kept"}
    assert all(one["low"] < one["estimate"] < one["high"] for one in rows)
    assert all(one["log_e_value"] < one["needed"] for one in rows)
    assert {one["at_ns"] for one in rows} == {NOON_NS + 500 * MINUTE_NS}


def test_what_is_not_enough_says_how_much_is_missing() -> None:
    (rows,) = standings(folded(WATCH, cohorts(0.02, minutes=1, cohorts=2)))
    assert {one["verdict"] for one in rows} == {"not enough data"}
    assert all(one["missing"] > 0 for one in rows)


SHARES = [(0.02, 100), (0.1, 50), (0.5, 10), (1.0, 10)]
"""Of calls that fail, and calls a minute."""


@pytest.mark.parametrize(("share", "per_minute"), SHARES)
def test_what_is_missing_is_what_it_takes_at_the_rate_that_is_seen(share: float, per_minute: int) -> None:
    log = Log()
    log.contracts(errors=ERRORS.replace("minimum: 100", "minimum: 30"))
    for minute in range(10):
        log.window(minute, [on_time(minute, per_minute, round(share * per_minute), cohort="a")])
    looks = [(rows[-1]["n"], rows[-1]["missing"]) for rows in standings(folded(WATCH, log))]
    assert looks[0][1] > 0
    assert {n + missing for n, missing in looks if missing} == {sum(looks[0])}
    assert all((missing > 0) == (n < sum(looks[0])) for n, missing in looks)
    odds = 24 if share < 0.04 else (1 - share) / share
    assert sum(looks[0]) == max(30, np.ceil(round(20 * 1.15 * odds, 6)))


def test_between_strata_a_small_slice_stands_with_all_since_the_last_began() -> None:
    """Four calls a minute, so the window of a quarter of an hour never holds the hundred it should."""
    log, g, calls = Log(), np.random.default_rng(4), []
    log.contracts(errors=ERRORS)
    for minute in range(900):
        calls.append(int(g.poisson(4)))
        small = on_time(minute, calls[-1], int(g.binomial(calls[-1], 0.02)), cohort="small")
        log.window(minute, [small, on_time(minute, 60, 1, cohort="big")])
    looks = [one for rows in standings(folded(WATCH, log)) for one in rows if one["slice"] == {"cohort": "small"}]
    assert len(looks) == len(calls)
    for minute, one in enumerate(looks):
        assert one["n"] == sum(calls[max(0, minute + 1 - one["window_ns"] // MINUTE_NS) : minute + 1])
    known = [one["verdict"] for one in looks].index("kept")
    assert {one["verdict"] for one in looks[known:]} == {"kept"}
    assert min(one["n"] for one in looks[known:]) >= 20 * 24, "what it takes where 4 % may fail"
    assert any(one["window_ns"] > 240 * MINUTE_NS for one in looks), "two strata, of which a day holds one"
    crashed = [one for rows in standings(folded(WATCH, log, crash_after=(10, 14, 17))) for one in rows]
    assert {orjson.dumps(one) for one in looks} == {orjson.dumps(one) for one in crashed if one["slice"] == {"cohort": "small"}}


@pytest.mark.parametrize("crash_after", [(1,), (2, 3), (5,)])
def test_a_look_told_again_is_the_same(crash_after: tuple[int, ...]) -> None:
    log = cohorts(0.1, minutes=150)
    plain = [message.value for message in folded(WATCH, log) if message.topic == "standings"]
    crashed = [message.value for message in folded(WATCH, log, crash_after=crash_after) if message.topic == "standings"]
    assert len(crashed) > len(plain)
    assert set(crashed) == set(plain)


def test_a_look_has_a_bound() -> None:
    looks = standings(folded(WATCH, cohorts(0.02, minutes=3, cohorts=MOST_TOLD + 100)))
    assert [len(rows) for rows in looks] == [MOST_TOLD] * 3
