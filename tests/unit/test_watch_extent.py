"""Whether an alarm of one slice is told as "only here" or "other slices too": by how its siblings grew, not by what they are."""

import math
from typing import Any

import numpy as np
import pytest

from pipeline.app.checked import why
from pipeline.operators.alerts import webhooks
from pipeline.operators.alerts.cloud_event import decode
from pipeline.operators.watch.around import Around
from pipeline.operators.watch.standing import Verdict
from pipeline.operators.watch.week import HOURS_KEPT, Week
from tests.unit.test_check import judged
from tests.unit.test_watch_same_hours import BEGINS, CONTRACT, DAY, log_of
from tests.watched import alerts, folded, on_time, stage

BASELINES = ("previous_release", "same_hours_before")
COHORTS = {"free": (2400, 0.06), "pro": (120, 0.04), "team": (60, 0.12)}
"""Calls a minute, and the share of errors."""

Windows = list[list[dict[str, Any]]]


def windows(worse: dict[str, float], more: dict[str, float] | None = None, cohorts: tuple[str, ...] = tuple(COHORTS)) -> Windows:
    """From a minute on, with which release 2 begins, some cohorts have so many times as many errors, or calls."""
    g, made = np.random.default_rng(21), []
    for minute in range(BEGINS + 200):
        wave, since, rows = math.sin(2 * math.pi * minute / DAY), minute >= BEGINS, []
        for cohort in cohorts:
            per_minute, share = COHORTS[cohort]
            n = int(g.poisson(per_minute * (1 + 0.6 * wave) * ((more or {}).get(cohort, 1.0) if since else 1.0)))
            bad = int(g.binomial(n, share * (1 + 0.5 * wave) * (worse.get(cohort, 1.0) if since else 1.0)))
            rows.append(on_time(minute, n, bad, cohort=cohort, release="2" if since else "1"))
        made.append(rows)
    return made


def said(baseline: str, rows: Windows) -> list[dict[str, Any]]:
    return alerts(folded(stage(), log_of(rows, CONTRACT.replace("same_hours_before", baseline))))


def extents(baseline: str, rows: Windows) -> dict[str, str]:
    """By cohort, "" is the route."""
    return {one["slice"].get("cohort", ""): one["extent"] for one in said(baseline, rows) if one["state"] == "firing"}


@pytest.mark.parametrize("baseline", BASELINES)
def test_one_cohort_that_gets_worse_is_worse_only_here(baseline: str) -> None:
    told = said(baseline, windows({"pro": 2.0}))
    (one,) = [one for one in told if one["slice"]]
    assert (one["slice"], one["extent"]) == ({"cohort": "pro"}, "only_here")
    assert "; only here" in one["text"]


@pytest.mark.parametrize("baseline", BASELINES)
def test_where_all_get_worse_each_is_told_that_others_did_too(baseline: str) -> None:
    told = said(baseline, windows(dict.fromkeys(COHORTS, 2.0)))
    found = {one["slice"].get("cohort", ""): one["extent"] for one in told if one["state"] == "firing"}
    assert set(found) == {"", *COHORTS}
    assert found.pop("") == "unknown", "a route is no slice of something"
    assert "everywhere" in found.values()
    assert "only_here" not in found.values()
    assert any("; other slices too" in one["text"] for one in told)


@pytest.mark.parametrize("baseline", BASELINES)
def test_without_siblings_nothing_is_said(baseline: str) -> None:
    assert extents(baseline, windows({"pro": 2.0}, cohorts=("pro",))) == {"": "unknown", "pro": "unknown"}


@pytest.mark.parametrize("baseline", BASELINES)
def test_a_bad_sibling_that_has_more_calls_is_not_worse(baseline: str) -> None:
    """Twenty times as many calls of the bad one make a third more errors of all siblings together."""
    found = extents(baseline, windows({"pro": 2.0}, {"team": 20.0}))
    assert found["pro"] != "everywhere"
    assert "team" not in found


def test_check_and_webhooks_say_it_too() -> None:
    rows = windows({"pro": 2.0})
    broken = [one for one in judged(CONTRACT, rows).findings if one.verdict is Verdict.BROKEN and one.alert.slice]
    assert ["only here" in why(one) for one in broken] == [True]
    messages = folded(stage(), log_of(rows))
    (event,) = [m for m in messages if m.topic == "alerts" and b'"only_here"' in (m.value or b"")]
    for body in webhooks.FORMATS.values():
        assert "only here" in str(body(decode(event.value or b""), "key"))


def test_what_came_since_an_hour_against_a_loop_over_all_hours() -> None:
    g, week, hour, rows = np.random.default_rng(2), Week.empty(4), 1000, np.array([3, 1])
    n, s = (g.integers(0, most, (4, HOURS_KEPT)).astype(np.float32) for most in (3, 9))
    week.n[:], week.s[:] = n, np.where(n > 0, s, 0)
    around = Around.of(week, rows, hour, np.array([7.0, 0.0]), np.array([2.0, 0.0]))
    for begin in range(hour - HOURS_KEPT + 24, hour + 1):
        found = around.since(begin)
        for at, (row, now) in enumerate(zip(rows, ((7.0, 2.0), (0.0, 0.0)), strict=True)):
            had = {one: (float(week.n[row, one % HOURS_KEPT]), float(week.s[row, one % HOURS_KEPT])) for one in range(832, hour)}
            had[hour], want = now, np.zeros(4)
            for one in range(begin, hour + 1):
                base = np.sum([had[old] for old in range(one - 24, 831, -24) if old < begin], 0)
                if base[0] > 0:
                    much, total = had[one]
                    want += much, total, much * base[1] / base[0], much * much / base[0]
            np.testing.assert_allclose([x[at] for x in (found.n, found.s, found.expected, found.squares)], want, rtol=1e-12)
