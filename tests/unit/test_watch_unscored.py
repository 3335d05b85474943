"""Evaluators that fall silent where calls go on are missed; gaps of a sample, budgets and nights are not."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from pipeline.operators.watch.out_of_force import REMOVED
from tests.panes import MINUTE_NS, NOON_NS
from tests.scores import PLAIN, score_pane, score_panes
from tests.unit.test_watch import ERRORS
from tests.watched import Log, alerts, folded, on_time, stage

DAY = 240
"""Minutes of a day: an hour of these logs is ten."""

OF_SCORES = f"{ERRORS}  - {{metric: groundedness.mean, at_least: 0.5, window: 15m}}\n"

Counts = Callable[[int], tuple[int, dict[str, int]]]
"""Of a minute how many calls came, and how many scores with each status."""


def scored_log(comes: Counts, minutes: int, text: str = OF_SCORES, begin: int = 0, **texts: str) -> Log:
    log = Log()
    log.contracts(begin, **({"errors": text} | texts))
    for minute in range(begin, begin + minutes):
        more(log, minute, *comes(minute))
    return log


def more(log: Log, minute: int, calls: int, scores: dict[str, int]) -> None:
    log.window(minute, [on_time(minute, calls, 0, cohort="a")] if calls else [])
    judged(log, minute, scores)


def judged(log: Log, minute: int, scores: dict[str, int]) -> None:
    """Scores of a window, and that the window is over."""
    of = {status: {"status": status, "value": 0.9 if status == "ok" else None, "passed": None} for status in scores}
    if rows := [PLAIN | of[status] for status, n in scores.items() for _ in range(n)]:
        log.put(b"scores", score_panes(score_pane(rows, minute, route="chat", cohort="a", evaluator="groundedness")), minute)
    log.frontiers(minute, [0], 1, "scores")


def missed(log: Log, batch: int = 50, crashes: tuple[int, ...] = ()) -> list[dict[str, Any]]:
    return [one for one in alerts(folded(stage(), log, batch, crashes)) if one["kind"] == "no_data"]


def told(some: list[dict[str, Any]]) -> list[tuple[str, str, int]]:
    return [(one["state"], one["metric"], (one["at_ns"] - NOON_NS) // MINUTE_NS) for one in some]


def sampled(seed: int, share: Callable[[int], float], calls: Callable[[int], float]) -> Counts:
    """Calls at random, and of these a share judged."""
    g = np.random.default_rng(seed)

    def comes(minute: int) -> tuple[int, dict[str, int]]:
        n = int(g.poisson(calls(minute)))
        return n, {"ok": k} if (k := int(g.binomial(n, share(minute)))) else {}

    return comes


def dies(comes: Counts, begin: int, end: int, leaves: str = "") -> Counts:
    """The same without its scores for a while, or with another status."""

    def then(minute: int) -> tuple[int, dict[str, int]]:
        calls, scores = comes(minute)
        if not begin <= minute < end:
            return calls, scores
        return calls, {leaves: sum(scores.values())} if leaves and scores else {}

    return then


def steady() -> Counts:
    return sampled(1, lambda _: 0.3, lambda _: 5)


@pytest.mark.parametrize("leaves", ["", "failed", "timeout", "invalid"])
def test_an_evaluator_that_says_nothing_while_calls_go_on_is_missed(leaves: str) -> None:
    log = scored_log(dies(steady(), 300, 400, leaves), 2 * DAY)
    some = missed(log)
    assert [one[:2] for one in told(some)] == [("firing", "groundedness.mean"), ("resolved", "groundedness.mean")]
    fired, over = some
    assert 315 <= told(some)[0][2] <= 330
    assert 400 < told(some)[1][2] <= 405
    assert (fired["severity"], fired["rule"], fired["slice"], fired["hypotheses"]) == ("ticket", "no_data", {}, 1)
    assert fired["fingerprint"] == over["fingerprint"]
    assert fired["log_e_value"] >= fired["needed"]
    assert fired["text"].startswith("chat in prod: nothing of groundedness.mean for ")
    assert "calls came since, before scores came with every " in fired["text"]
    assert over["text"].startswith("resolved: chat in prod: scores come again, after ")
    assert "FROM score_sums WHERE" in fired["sql"]
    for batch, crashes in ((7, (60, 90, 91, 110)), (50, (12, 13, 30)), (2000, (1,))):
        assert [one["id"] for one in missed(log, batch, crashes)[-2:]] == [one["id"] for one in some]


@pytest.mark.parametrize("leaves", ["skipped", "over_budget"])
def test_what_was_not_judged_for_a_reason_is_no_silence(leaves: str) -> None:
    assert missed(scored_log(dies(steady(), 300, 460, leaves), 2 * DAY)) == []


def test_without_calls_no_score_is_missed() -> None:
    comes = sampled(1, lambda _: 0.3, lambda minute: 5 if minute < 300 else 0)
    assert [one[1] for one in told(missed(scored_log(comes, 2 * DAY)))] == [""], "the route alone"


def test_calls_that_are_caught_up_at_once_are_none_that_should_have_been_scored() -> None:
    comes, log, held, last = sampled(1, lambda _: 0.02, lambda _: 5), Log(), list[tuple[int, int]](), 0
    log.contracts(errors=OF_SCORES)
    for minute in range(3 * DAY):
        calls, scores = comes(minute)
        held.append((minute, calls))
        last = minute if scores else last
        if minute < 200 or minute > 600 or (minute > 500 and minute - last == 16):  # aggregate is down, evaluate is not
            for then, n in held:
                log.window(then, [on_time(then, n, 0, cohort="a")] if n else [])
            held.clear()
        judged(log, minute, scores)
    assert [one for one in told(missed(log)) if one[1]] == []


GAPS: dict[str, tuple[Callable[[int], float], Callable[[int], float]]] = {
    "a score in an hour": (lambda _: 0.02, lambda _: 5),
    "few calls": (lambda _: 0.1, lambda _: 0.3),
    "nights": (lambda _: 0.2, lambda minute: 3 if minute % DAY < 100 else 0),
    "few calls after many": (lambda _: 0.02, lambda minute: 30 if minute % DAY < 120 else 1),
    "many calls and a smaller share after two days without any": (
        lambda minute: 0.00125 if minute // DAY > 8 else 0.05,
        lambda minute: 0 if minute // DAY in (7, 8) or minute % DAY >= 100 else 120 if minute // DAY > 8 else 3,
    ),
}


@pytest.mark.parametrize("gaps", GAPS)
@pytest.mark.parametrize("seed", range(3))
def test_gaps_of_a_sample_are_not_missed(gaps: str, seed: int) -> None:
    share, calls = GAPS[gaps]
    log = scored_log(sampled(seed, share, calls), 10 * DAY)
    assert [one for one in told(missed(log)) if one[1]] == []


def test_an_evaluator_that_nobody_asks_is_not_missed() -> None:
    log = scored_log(dies(steady(), 300, 400), 2 * DAY, ERRORS)
    assert missed(log) == []


def test_what_is_missed_ends_with_its_contract_or_when_it_is_asked_no_more() -> None:
    for texts, why in (
        ({}, REMOVED),
        ({"errors": ERRORS.replace("version: 1", "version: 2")}, "version 2 of the contract does not ask it any more"),
    ):
        log = scored_log(dies(steady(), 300, 400), 340)
        log.contracts(340, **texts)
        more(log, 341, 5, {})
        some = missed(log)
        assert [one[:2] for one in told(some)] == [("firing", "groundedness.mean"), ("resolved", "groundedness.mean")]
        assert some[1]["detail"] == why
        assert some[0]["fingerprint"] == some[1]["fingerprint"]


def test_what_is_missed_stays_missed_under_a_new_version_and_is_given_up_after_a_week() -> None:
    comes = dies(sampled(1, lambda _: 0.3, lambda _: 2), 300, 9999)
    log = scored_log(comes, 340)
    log.contracts(340, errors=OF_SCORES.replace("version: 1", "version: 2"))
    for minute in range(340, 300 + 7 * DAY + 20):
        more(log, minute, *comes(minute))
    some = missed(log)
    assert [one[:2] for one in told(some)] == [("firing", "groundedness.mean"), ("resolved", "groundedness.mean")]
    assert some[1]["detail"].startswith("no score came, and it is missed no more")
    assert 290 + 7 * DAY < told(some)[1][2] <= 305 + 7 * DAY
