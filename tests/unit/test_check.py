"""What `tailrace check` makes of windows that were folded, and its arguments; without a store."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import pytest
from typer.testing import CliRunner

from pipeline.app.check import OfRelease
from pipeline.app.checked import NAMES, row, rows, why
from pipeline.cli import app
from pipeline.model.alerts import AlertKind
from pipeline.model.metrics import Family
from pipeline.operators.watch.contract_watch import ContractWatch
from pipeline.operators.watch.folded import Fold
from pipeline.operators.watch.panes_read import read_panes
from pipeline.operators.watch.standing import Standing, Verdict, not_judged, standing
from tests.panes import panes
from tests.unit.test_watch import BUDGET, ERRORS, REGRESSIONS
from tests.watched import POLICY, on_time, readable, traffic

EVERYTHING = set(AlertKind)


def folded(text: str, windows: Iterable[list[dict[str, Any]]]) -> Fold:
    contract = readable("c", text)
    assert contract is not None
    fold = Fold(ContractWatch.of(contract, POLICY.hour_ns, POLICY.most_slices))
    for window in windows:
        for (start, end), read in read_panes(panes(*window), Family.CALLS).items():
            fold.fold(Family.CALLS, start, end, read)
    return fold


def judged(text: str, windows: Iterable[list[dict[str, Any]]], needs_release: bool = False) -> Standing:
    return standing([(folded(text, windows), EVERYTHING)], 100, needs_release)


def verdicts(found: Standing) -> list[tuple[Verdict, dict[str, str]]]:
    return [(one.verdict, dict(one.alert.slice)) for one in found.findings]


def test_a_promise_that_is_kept() -> None:
    found = judged(ERRORS, traffic(1, 500, 9999, 0))
    assert {verdict for verdict, _ in verdicts(found)} == {Verdict.KEPT}
    assert (found.exit_code(strict=False), found.exit_code(strict=True)) == (0, 0)
    one = found.findings[0].alert
    assert one.low is not None
    assert one.high is not None
    assert one.low < 0.02 < one.high


def test_a_promise_that_is_broken_is_told_first_and_as_watch_told_it() -> None:
    found = judged(ERRORS, traffic(1, 560, 500, 0.2))
    assert verdicts(found)[0] == (Verdict.BROKEN, {"cohort": "pro"})
    one = found.findings[0].alert
    assert one.log_e_value is not None
    assert one.needed is not None
    assert one.log_e_value >= one.needed
    assert found.exit_code(strict=False) == 1
    assert found.counts["error.ratio.at_most.15m"] == {Verdict.BROKEN: 2, Verdict.KEPT: 2}, "the cohort, and the route by it"


def test_what_was_over_again_is_broken_and_says_since_when() -> None:
    found = judged(ERRORS, [*traffic(1, 560, 500, 0.2), *traffic(2, 300, 9999, 0.2, begin=560)])
    (one,) = [one for one in found.findings if one.verdict is Verdict.BROKEN and one.alert.slice]
    assert one.over_ns > one.alert.at_ns
    assert "over since 2023-11-15" in why(one)


def test_info_never_breaks() -> None:
    found = judged(ERRORS.replace("page", "info"), traffic(1, 560, 500, 0.2))
    assert verdicts(found)[0][0] is Verdict.BROKEN
    assert found.exit_code(strict=True) == 2, "nothing that breaks was judged"


def test_crossed_breaks_if_strict_alone() -> None:
    found = judged(ERRORS, [*traffic(1, 300, 9999, 0), [on_time(300, 2000, 400, cohort="pro")]])
    crossed = judged(ERRORS, [[on_time(minute, 40, 2, cohort="pro")] for minute in range(15)])
    assert found.exit_code(strict=False) == 1, "2,000 calls with 20 % errors are evidence"
    assert {verdict for verdict, _ in verdicts(crossed)} == {Verdict.CROSSED}
    assert (crossed.exit_code(strict=False), crossed.exit_code(strict=True)) == (0, 1)


def test_too_few_say_how_many_more() -> None:
    found = judged(ERRORS, [[on_time(0, 90, 0)]])
    assert {verdict for verdict, _ in verdicts(found)} == {Verdict.TOO_FEW}
    assert found.exit_code(strict=True) == 2
    assert found.findings[0].missing == 20 * 24 * 1.15 - 90, "twenty bad ones at the bound, and what sessions may add"


@pytest.mark.parametrize("bad", [99, 100])
def test_what_fails_from_its_first_call_on_is_broken(bad: int) -> None:
    """Where all do, no hour differs from another, and nothing says how much they scatter."""
    found = judged(ERRORS, [[on_time(minute, 100, bad)] for minute in range(60)])
    assert {one.verdict for one in found.findings} == {Verdict.BROKEN}
    assert found.exit_code(strict=False) == 1


def test_a_slice_whose_window_never_holds_the_minimum_sample_is_judged() -> None:
    windows = [
        [on_time(minute, 60, 1, cohort="big"), on_time(minute, 2, minute % 2 if minute > 600 else 0, cohort="a")]
        for minute in range(1400)
    ]
    broken = [one.alert for one in judged(ERRORS, windows).findings if one.verdict is Verdict.BROKEN]
    assert [dict(one.slice) for one in broken] == [{"cohort": "a"}]
    assert broken[0].n >= 100
    assert broken[0].window_ns > 15 * 60 * 10**9


def test_slices_of_which_a_rule_says_the_same_share_a_row() -> None:
    windows = [
        [on_time(minute, 60, 2, cohort="big"), on_time(minute, 2, 0, cohort="a"), on_time(minute, 3, 0, cohort="b")]
        for minute in range(100)
    ]
    found = judged(ERRORS, windows).findings
    shown, every = ([dict(zip(NAMES, cells, strict=True)) for cells in rows(found, all_of)] for all_of in (False, True))
    assert len(every) == len(found) == 4
    few = [one for one in shown if one["verdict"] == "not enough data"]
    assert [(one["slice"], one["n"]) for one in few] == [
        ("2 slices", "200 – 300")
    ]  # of an open stratum: their windows hold 30 and 45, and 100 are asked for
    assert few[0]["why"].endswith("more needed")
    assert [one["slice"] for one in shown if one["verdict"] == "kept"] == ["cohort big", "the whole"]


def test_what_nobody_looks_for_is_not_a_number() -> None:
    finding = next(one for one in judged(ERRORS, [[on_time(0, 90, 0)]]).findings)
    absurd = replace(finding, alert=replace(finding.alert, detectable=7.4e65))
    assert "finds hardly any change" in why(absurd)
    assert "finds a change of 30%" in why(replace(finding, alert=replace(finding.alert, detectable=0.3)))


def test_a_release_is_held_against_the_one_before() -> None:
    rows = [*traffic(7, 700, 700, 0.2), *traffic(8, 200, 700, 0.2, begin=700)]
    named = [[one | {"release": "1" if minute < 700 else "2"} for one in window] for minute, window in enumerate(rows)]
    found = judged(REGRESSIONS, named)
    broken = [one for one in found.findings if one.verdict is Verdict.BROKEN]
    assert {"cohort": "pro"} in [dict(one.alert.slice) for one in broken]
    assert (broken[0].alert.release, broken[0].alert.previous_release) == ("2", "1")
    few = judged(REGRESSIONS, named[:701])
    assert few.exit_code(strict=False) == 2
    assert all(one.verdict is Verdict.TOO_FEW for one in few.findings if one.alert.baseline)


def test_without_a_release_there_is_nothing_to_compare_unless_it_was_asked_for() -> None:
    named = [[one | {"release": "1"} for one in window] for window in traffic(7, 300, 999, 0)]
    found = judged(REGRESSIONS.replace("info", "page"), named)
    assert found.not_compared == ["regression error.ratio"]
    assert found.exit_code(strict=False) == 0
    asked = judged(REGRESSIONS.replace("info", "page"), named, needs_release=True)
    assert asked.exit_code(strict=False) == 2
    assert "no release before it" in next(why(one) for one in asked.findings if one.alert.baseline)


def test_budgets_and_sums_are_judged_in_the_units_people_read() -> None:
    found = judged(BUDGET, traffic(1, 520, 400, 0.3))
    assert found.findings[0].alert.kind is AlertKind.BURN_RATE
    said = row(found.findings[0])
    assert said[0] == "broken"
    assert said[6].endswith(" times")
    assert said[8] == "≤ 4 times"
    assert "budget 5m/1h" in " ".join(found.counts) or any("5m/1h" in rule for rule in found.counts)
    assert any(one.alert.metric == "cost.sum" and row(one)[8] == "≤ $500" for one in found.findings)


def test_what_nothing_answers_yet_is_named() -> None:
    text = ERRORS + "  - {metric: trace_latency.p99, at_most: 4s}\n"
    fold = folded(text, [])
    answered = {asked.question.rule for asked in fold.watch.asked}
    named = set(not_judged(fold.watch.contract, fold.watch))
    assert answered | named == {one.id for one in fold.watch.contract.objectives}
    assert not answered & named


def test_of_a_release_only_it_and_those_before_it_are_seen() -> None:
    of = OfRelease("2", {("prod", "chat"): frozenset({"1"})})
    chat, other = ("prod", "chat"), ("prod", "other")
    assert [of.alone(chat, name) for name in ("", "1", "2", "3")] == [False, False, True, False]
    assert [of.with_earlier(chat, name) for name in ("", "1", "2", "3")] == [False, True, True, False]
    assert not of.with_earlier(other, "2")


@pytest.mark.parametrize(
    "arguments",
    [
        ["nowhere.yaml"],
        ["contracts/demo.yaml", "--from", "yesterday"],
        ["contracts/demo.yaml", "--from", "2026-01-02", "--to", "2026-01-01"],
        ["contracts/demo.yaml", "--from", "0001-01-01", "--to", "2026-01-01"],
        ["contracts/demo.yaml", "--from", "2020-01-01", "--to", "2026-01-01"],
        ["contracts/demo.yaml", "--release", " "],
        ["contracts/demo.yaml", "--most", "0"],
        [],
    ],
)
def test_what_makes_no_sense_exits_with_2_and_one_line(arguments: list[str]) -> None:
    done = CliRunner().invoke(app, ["check", *arguments])
    code = getattr(done.exception, "exit_code", done.exit_code)
    assert code == 2, done.output
