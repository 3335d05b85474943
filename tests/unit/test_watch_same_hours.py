"""A slice against the same hours of the days before: what is told of it, when it is over, and that crashes change no word."""

import math
from collections.abc import Collection, Iterator
from typing import Any

import numpy as np
import pytest

from pipeline.app.checked import why
from pipeline.operators.watch.standing import Verdict, not_judged
from pipeline.operators.watch.week import DAYS, HOURS_KEPT, Week
from tests.panes import MINUTE_NS, NOON_NS
from tests.unit.test_check import folded as checked
from tests.unit.test_check import judged
from tests.watched import LOG, Log, alerts, folded, on_time, stage

CONTRACT = """
name: usual
version: 1
owner: us
environment: prod
routes: chat
slices: [cohort]
regression: {baseline: same_hours_before, metrics: [error.ratio], limit: 5%, severity: page}
objectives:
  - {metric: error.ratio, at_most: 50%, window: 5m, severity: info}
"""
DAY = 240
"""Minutes; an hour of these is ten."""
PRO = {"cohort": "pro"}

Windows = list[list[dict[str, Any]]]


def days(
    minutes: int, worse: Collection[int] = (), times: float = 1.5, seed: int = 5, swing: float = 0.5
) -> Iterator[list[dict]]:
    """Calls and the share of errors swing over the day; in some minutes one cohort has so many times as many errors."""
    g = np.random.default_rng(seed)
    for minute in range(minutes):
        wave = math.sin(2 * math.pi * minute / DAY)
        rows = []
        for cohort, per_minute in (("free", 240), ("pro", 120), ("team", 60)):
            n = int(g.poisson(per_minute * (1 + 0.6 * wave)))
            share = 0.04 * (1 + swing * wave) * (times if cohort == "pro" and minute in worse else 1.0)
            rows.append(on_time(minute, n, int(g.binomial(n, share)), cohort=cohort))
        yield rows


def log_of(windows: Iterator[list[dict]] | Windows, text: str = CONTRACT) -> Log:
    log = Log()
    log.contracts(usual=text)
    for minute, rows in enumerate(windows):
        log.window(minute, rows)
    return log


def said(windows: Iterator[list[dict]] | Windows, text: str = CONTRACT) -> list[dict[str, Any]]:
    return [one for one in alerts(folded(stage(), log_of(windows, text))) if one["slice"]]


def minute(one: dict[str, Any]) -> int:
    return int((one["at_ns"] - NOON_NS) // MINUTE_NS)


BEGINS = 5 * DAY + 55
"""Between two hours, on the sixth day."""


@pytest.fixture(scope="module")
def worse() -> Log:
    return log_of(days(BEGINS + 400, range(BEGINS, BEGINS + 999)))


def test_half_as_many_again_is_told_with_the_days_it_is_held_against(worse: Log) -> None:
    told = [one for one in alerts(folded(stage(), worse)) if one["slice"]]
    one = told[0]
    assert (one["slice"], one["kind"], one["state"], one["baseline"]) == (PRO, "regression", "firing", "same_hours_before")
    print(f"\nhalf as many errors again: told after {minute(one) - BEGINS} minutes, an hour of these is ten")
    assert BEGINS < minute(one) < BEGINS + DAY
    assert (one["release"], one["previous_release"], one["direction"]) == ("", "", "at_most")
    assert one["window_ns"] in (4 * DAY * MINUTE_NS, 5 * DAY * MINUTE_NS), "the first day began at noon, and not at its midnight"
    assert one["log_e_value"] >= one["needed"]
    assert one["bound"] == pytest.approx(1.05 * one["baseline_estimate"])
    assert one["estimate"] > one["bound"]
    assert one["estimate"] / one["baseline_estimate"] == pytest.approx(1.5, rel=0.2)
    assert one["baseline_low"] < one["baseline_estimate"] < one["baseline_high"]
    assert one["baseline_n"] > 3 * one["n"]
    assert 0.05 < one["detectable"] < 1
    assert "the same hours of 16h before: " in one["text"] or "the same hours of 20h before: " in one["text"]
    assert "; allowed is at most " in one["text"]


def test_what_the_hours_of_the_day_bring_is_not_told() -> None:
    """Errors are three times as many at noon as at night, and by the mean of the day each noon is worse."""
    assert said(days(7 * DAY)) == []
    assert said(days(7 * DAY, range(BEGINS, 9999), times=1.04)) == [], "less than the limit"


def test_nothing_is_told_before_there_is_a_day_to_hold_it_against() -> None:
    assert said(days(DAY - 20, range(60, 9999), times=4.0)) == []
    assert said(days(DAY + 400, range(DAY + 200, 9999), times=4.0)) != []


def test_an_alarm_ends_with_evidence() -> None:
    told = said(days(BEGINS + 700, range(BEGINS, BEGINS + 200), times=2.0))
    assert [(one["state"], one["slice"]) for one in told] == [("firing", PRO), ("resolved", PRO)]
    assert told[0]["fingerprint"] == told[1]["fingerprint"]
    assert minute(told[1]) > BEGINS + 200


def test_what_lasts_is_what_is_usual_after_a_week() -> None:
    told = said(days(BEGINS + 9 * DAY, range(BEGINS, 9999), times=2.0))
    assert [one["state"] for one in told] == ["firing", "resolved"]
    assert 7 * DAY - 10 <= minute(told[1]) - minute(told[0]) <= 7 * DAY + 10, "to the hour"
    assert "it lasted for a week, so it is what is usual now" in told[1]["text"]


@pytest.mark.parametrize(("history", "lasts", "back"), [(2.3, 9.0, (2, 1)), (1.3, 6.75, (1, 1))])
def test_an_end_tells_the_days_it_was_held_against(history: float, lasts: float, back: tuple[int, int]) -> None:
    """Not those of the baseline that is fixed in the same hour for what comes next: a whole week, or none. Of two days before
    the alarm one is in the last week when it ends.
    """
    begins = int(history * DAY)
    told = said(days(begins + int((lasts + 0.6) * DAY), range(begins, begins + int(lasts * DAY)), times=2.0))
    ends = [(one["state"], one["window_ns"] / MINUTE_NS / DAY) for one in told if one["slice"] == PRO][:2]
    assert ends == [("firing", back[0]), ("resolved", back[1])]
    assert f"the same hours of {4 * back[1]}h before: " in told[1]["text"]


def test_hours_of_an_alarm_are_nobodys_baseline() -> None:
    """The next day is held against the days before, so the same again is told again as soon."""
    day_after = BEGINS + DAY
    told = said(days(BEGINS + 2 * DAY, [*range(BEGINS, BEGINS + 100), *range(day_after, day_after + 100)], times=2.0))
    assert [one["state"] for one in told] == ["firing", "resolved"] * 2
    first, again = told[0], told[2]
    assert again["baseline_estimate"] == pytest.approx(first["baseline_estimate"], rel=0.1)


def test_evidence_begins_anew_with_a_release_and_its_alarms_go_on() -> None:
    rows = list(days(BEGINS + 300, range(BEGINS, 9999), times=1.5))
    undisturbed = minute(said(rows)[0])
    begins = undisturbed - 5
    named = [[one | {"release": "2" if at >= begins else "1"} for one in window] for at, window in enumerate(rows)]
    later = said(named)
    assert minute(later[0]) > undisturbed, "what was found before the release is not counted against it"
    begins = undisturbed + 5
    named = [[one | {"release": "2" if at >= begins else "1"} for one in window] for at, window in enumerate(rows)]
    assert [(one["state"], minute(one)) for one in said(named)][:1] == [("firing", undisturbed)]
    assert all(minute(one) != begins + 1 for one in said(named))


def test_crashes_and_a_zombie_change_no_word(worse: Log) -> None:
    undisturbed = {one["id"]: one for one in alerts(folded(stage(), worse))}
    assert undisturbed
    watch = stage()
    for batch, crashes in ((50, (1, 3, 20, 40, 50, 51, 60)), (7, (1, 2, 50, 200, 350, 361, 362, 370)), (1000, (1, 2))):
        assert {one["id"]: one for one in alerts(folded(watch, worse, batch, crashes))} == undisturbed
    half = 2 * BEGINS + 15
    state, effects = watch.step(watch.open(LOG, None), worse.records[:half], 0)
    assert effects.progress is not None
    successor = watch.open(LOG, effects.progress)
    _, one = watch.step(successor, [r for r in worse.records if r.offset >= effects.progress.committed], 1)
    _, other = watch.step(state, worse.records[half:], 2)
    assert alerts(one.messages) == alerts(other.messages) == list(undisturbed.values())


def test_another_baseline_is_another_question() -> None:
    """With the same limit: what was seen for one says nothing of the other."""
    rows = list(days(2 * DAY + 30))
    log = log_of(rows[: 2 * DAY])
    log.contracts(2 * DAY, usual=CONTRACT.replace("version: 1", "version: 2").replace("same_hours_before", "previous_release"))
    for at, window in enumerate(rows[2 * DAY :], 2 * DAY):
        log.window(at, window)
    assert alerts(folded(stage(), log)) == []


def test_other_models_or_releases_are_another_question() -> None:
    """What was seen of one model is no baseline of another."""
    rows = list(days(2 * DAY + 90))
    worse = [[one | {"errors": 3 * int(one["errors"]), "model": "large"} for one in window] for window in rows[2 * DAY :]]
    small = [[one | {"model": "small"} for one in window] for window in rows[: 2 * DAY]]
    told = []
    for models in (("'*'", "'*'"), ("small", "large")):
        log = log_of(small, CONTRACT + f"select: {{model: {models[0]}}}\n")
        log.contracts(2 * DAY, usual=CONTRACT.replace("version: 1", "version: 2") + f"select: {{model: {models[1]}}}\n")
        for at, window in enumerate(worse, 2 * DAY):
            log.window(at, window)
        told.append([one for one in alerts(folded(stage(), log)) if one["kind"] == "regression"])
    assert told[0] != [], "these streams are no trap"
    assert told[1] == []


# Scores, and what check says.


def test_check_judges_it_and_says_what_it_would_find() -> None:
    found = judged(CONTRACT, days(6 * DAY))
    mine = [one for one in found.findings if one.alert.baseline]
    assert {one.verdict for one in mine} <= {Verdict.KEPT, Verdict.CROSSED}
    assert all("the same hours of" in why(one) and "finds a change of" in why(one) for one in mine)
    fold = checked(CONTRACT, days(3))
    assert list(not_judged(fold.watch.contract, fold.watch)) == []
    early = judged(CONTRACT, days(100))
    few = [one for one in early.findings if one.alert.baseline]
    assert {one.verdict for one in few} == {Verdict.TOO_FEW}
    assert all("no day before" in why(one) for one in few)
    broken = judged(CONTRACT, days(BEGINS + 200, range(BEGINS, 9999), times=2.0))
    assert [dict(one.alert.slice) for one in broken.findings if one.verdict is Verdict.BROKEN and one.alert.slice] == [PRO]


# The week.


def test_the_week_against_a_list_of_all_hours() -> None:
    g, seen, hour = np.random.default_rng(1), dict[int, tuple[float, float]](), 1000
    week = Week.empty(2)
    for step in range(400):
        hour += 1 if step != 200 else 60
        n = float(g.integers(0, 5))
        week.close_hour(hour, np.array([n, 1.0]), np.array([2 * n, 1.0]))
        seen[hour] = (n, 2 * n)
        for hours in (1, 2, 4, 8, 24):
            if (hour + 1) % hours:
                continue
            many, total, counted = week.before(
                hour + 1, *(np.array(one) for one in ([float(hours), 1.0], [np.inf, 0.0], [True, False]))
            )
            want_n, want_s, on = np.zeros(24), np.zeros(24), 0
            for back in range(1, DAYS + 1):
                those = [hour + 1 + one - 24 * back for one in range(hours)]
                if those[0] < 1002:  # the first hour was not seen from its beginning
                    continue
                on += any(seen.get(one, (0, 0))[0] for one in those)
                for one in those:
                    want_n[one % 24] += seen.get(one, (0.0, 0.0))[0]
                    want_s[one % 24] += seen.get(one, (0.0, 0.0))[1]
            np.testing.assert_array_equal((many[0], total[0]), (want_n, want_s))
            assert counted[0] == on
    assert week.n.dtype == np.float32
    week.grow(3)
    assert (week.n.dtype, week.n.shape) == (np.float32, (3, HOURS_KEPT))
