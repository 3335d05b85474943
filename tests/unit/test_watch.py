"""watch: what it alerts of, and that crashes, repeats and other orders change none of it."""

import dataclasses

import numpy as np
import pytest

from pipeline.model.metrics import Family
from pipeline.model.stream import Progress
from pipeline.operators.watch.releases import Releases
from pipeline.operators.watch.slices import Slices
from tests.panes import MINUTE_NS, NOON_NS
from tests.watched import LOG, POLICY, Log, alerts, folded, on_time, readable, stage, traffic

ERRORS = """
name: errors
version: 1
owner: us
environment: prod
routes: chat
slices: [cohort]
objectives:
  - {metric: error.ratio, at_most: 4%, window: 15m, minimum: 100, severity: page}
"""

DAY = 1060


def day(share: float = 0.08, minutes: int = DAY, worse_from: int = 1000, seed: int = 1, text: str = ERRORS) -> Log:
    log = Log()
    log.contracts(errors=text)
    for minute, rows in enumerate(traffic(seed, minutes, worse_from, share)):
        log.window(minute, rows)
    return log


@pytest.fixture(scope="module")
def worse() -> Log:
    return day()


def test_the_cohort_that_got_worse_is_named_with_its_evidence_and_nothing_else(worse: Log) -> None:
    told = alerts(folded(stage(), worse))
    assert [(one["state"], one["slice"]) for one in told] == [("firing", {"cohort": "pro"})]
    one = told[0]
    assert one["metric"] == "error.ratio"
    assert one["log_e_value"] >= one["needed"]
    assert one["low"] < 0.08 < one["high"]
    assert one["estimate"] > one["bound"] == 0.04
    assert one["n"] >= 100
    assert (one["hypotheses"], one["tier"], one["severity"]) == (4, "established", "page")
    since = (one["at_ns"] - NOON_NS) // MINUTE_NS
    assert 1000 < since < 1050, "an hour of these is ten minutes"


def test_nothing_is_said_where_nothing_is_wrong() -> None:
    assert alerts(folded(stage(), day(share=0.02))) == []


def test_nothing_is_said_below_the_minimum_sample_of_the_window(worse: Log) -> None:
    log = Log()
    log.contracts(errors=ERRORS.replace("minimum: 100", "minimum: 100000"))
    log.records += worse.records[1:]
    assert alerts(folded(stage(), log)) == []


def test_an_alarm_ends_when_there_is_evidence_for_it() -> None:
    log = Log()
    log.contracts(errors=ERRORS)
    for minute, rows in enumerate([*traffic(1, 560, 500, 0.2), *traffic(2, 300, 9999, 0.2, begin=560)]):
        log.window(minute, rows)
    told = alerts(folded(stage(), log))
    states = [one["state"] for one in told if one["slice"] == {"cohort": "pro"}]
    assert states == ["firing", "resolved"]
    fired, resolved = [one for one in told if one["slice"] == {"cohort": "pro"}]
    assert fired["fingerprint"] == resolved["fingerprint"]
    assert resolved["fired_ns"] == fired["at_ns"] < resolved["resolved_ns"]


def test_crashes_and_other_batches_give_the_same_alerts(worse: Log) -> None:
    undisturbed = {one["id"] for one in alerts(folded(stage(), worse))}
    rare = stage(dataclasses.replace(POLICY, snapshot_every_ns=30 * MINUTE_NS))
    for watch, batch, crashes in ((stage(), 50, (3, 20, 21, 40, 55)), (rare, 7, (50, 140, 141, 300, 380)), (stage(), 1000, (1,))):
        again = alerts(folded(watch, worse, batch, crashes))
        assert {one["id"] for one in again} == undisturbed


REGRESSIONS = """
name: regressions
version: 1
owner: us
environment: prod
routes: chat
slices: [cohort]
regression: {baseline: previous_release, metrics: [error.ratio], limits: {error.ratio: 5%}, severity: page}
objectives:
  - {metric: error.ratio, at_most: 50%, window: 5m, severity: info}
"""


def released(share: float, before: int = 700, after: int = 400) -> Log:
    """Release 2 begins after so many minutes; with it one cohort has that share of errors. The old one goes on for a while."""
    log = Log()
    log.contracts(regressions=REGRESSIONS)
    for minute, rows in enumerate(traffic(7, before + after, before, share)):
        named = [row | {"release": "2" if minute >= before else "1"} for row in rows]
        if before <= minute < before + 60:
            named += [row | {"release": "1", "errors": row["requests"] // 3} for row in rows]
        log.window(minute, named)
    return log


def test_a_release_is_compared_with_the_one_before_by_its_own_calls() -> None:
    log = released(0.06)
    told = alerts(folded(stage(), log))
    assert {(one["kind"], one["state"]) for one in told} == {("regression", "firing")}
    assert [one["slice"] for one in told if one["slice"]] == [{"cohort": "pro"}]
    (one,) = [one for one in told if one["slice"]]
    assert (one["release"], one["previous_release"], one["baseline"]) == ("2", "1", "previous_release")
    assert one["baseline_estimate"] == pytest.approx(0.02, rel=0.1)
    assert one["baseline_low"] < 0.02 < one["baseline_high"]
    assert one["bound"] == pytest.approx(one["baseline_estimate"] * 1.05)
    assert one["bound"] < one["estimate"] < 0.09
    assert one["n"] < one["baseline_n"]
    assert 0.05 < one["detectable"] < 5
    again = alerts(folded(stage(), log, 37, (3, 11, 21, 22, 40, 50)))
    assert {a["id"] for a in again} == {a["id"] for a in told}


def test_a_release_that_changes_nothing_is_not_alerted_of() -> None:
    assert alerts(folded(stage(), released(0.02))) == []


def test_the_next_release_ends_what_was_said_of_the_last() -> None:
    log = released(0.2)
    for minute, rows in enumerate(traffic(8, 20, 9999, 0, begin=1100), 1100):
        log.window(minute, [row | {"release": "3"} for row in rows])
    told = [one for one in alerts(folded(stage(), log)) if one["slice"] == {"cohort": "pro"}]
    assert [one["state"] for one in told] == ["firing", "resolved"]
    assert (told[1]["release"], told[1]["previous_release"]) == ("2", "1")


BUDGET = """
name: budget
version: 1
owner: us
environment: prod
routes: chat
slices: [cohort]
objectives:
  - {metric: cost.sum, at_most: 500 USD/hour}
error_budgets:
  - {of: error.ratio, target: 97%, period: 30d, burn_rates: [{short: 5m, long: 1h, rate: 4, severity: page}]}
"""


def test_a_budget_that_burns_is_told_in_times_and_ends_with_the_short_window() -> None:
    log = Log()
    log.contracts(budget=BUDGET)
    for minute, rows in enumerate([*traffic(1, 520, 400, 0.3), *traffic(2, 60, 9999, 0, begin=520)]):
        log.window(minute, rows)
    told = alerts(folded(stage(), log))
    assert [(one["kind"], one["state"], one["slice"]) for one in told] == [
        ("burn_rate", "firing", {"cohort": "pro"}),
        ("burn_rate", "resolved", {"cohort": "pro"}),
    ]
    fired, ended = told
    assert (fired["unit"], fired["bound"], fired["short_window_ns"]) == ("times", 4, 5 * MINUTE_NS)
    assert 4 <= fired["estimate"] <= 10
    assert 1 < fired["low"] < fired["estimate"] < fired["high"]
    assert 400 < (fired["at_ns"] - NOON_NS) // MINUTE_NS < 440
    assert 520 < (ended["at_ns"] - NOON_NS) // MINUTE_NS < 530
    again = alerts(folded(stage(), log, 31, (2, 9, 14, 28)))
    assert {one["id"] for one in again} == {one["id"] for one in told}


def test_burn_rates_of_one_budget_begin_and_end_each_for_itself() -> None:
    """Both fire; the fast one ends first, and what of the slow one goes on is ended with its contract."""
    twice = "burn_rates: [{short: 5m, long: 1h, rate: 4, severity: page}, {short: 30m, long: 2h, rate: 3}]"
    log = Log()
    log.contracts(budget=BUDGET.replace("burn_rates: [{short: 5m, long: 1h, rate: 4, severity: page}]", twice))
    for minute, rows in enumerate([*traffic(1, 560, 400, 0.3), *traffic(2, 12, 9999, 0, begin=560)]):
        log.window(minute, rows)
    log.contracts(572)
    log.window(573, [on_time(573, 8, 0)])
    told = [one for one in alerts(folded(stage(), log)) if one["slice"]]
    fast, slow = ([one for one in told if one["short_window_ns"] == n * MINUTE_NS] for n in (5, 30))
    assert [one["state"] for one in fast] == [one["state"] for one in slow] == ["firing", "resolved"]
    assert len({one["fingerprint"] for one in fast}) == len({one["fingerprint"] for one in slow}) == 1
    assert fast[0]["fingerprint"] != slow[0]["fingerprint"]
    assert (fast[1]["detail"], slow[1]["detail"]) == ("", "the contract is no longer in force")


def test_a_few_bad_calls_burn_no_budget() -> None:
    log = Log()
    log.contracts(budget=BUDGET.replace("97%", "99.9%"))
    for minute in range(400):
        log.window(minute, [on_time(minute, 8, int(minute % 97 == 0), cohort="few")])
    assert alerts(folded(stage(), log)) == []


def test_a_release_that_comes_again_after_half_a_day_begins_anew() -> None:
    seen = Releases()
    one, two = ("prod", "chat", "m", "1", "", ""), ("prod", "chat", "m", "2", "", "")
    assert seen.seen([one], 0) == set(), "the first of a route is no change"
    assert seen.seen([one, two], 1) == {("prod", "chat")}
    assert seen.seen([one, two], 5) == set(), "the old one goes on for a while"
    assert seen.pair("prod", "chat") == ("2", "1")
    assert seen.seen([two], 17) == set()
    assert seen.seen([one], 18) == {("prod", "chat")}, "rolled back"
    assert (seen.pair("prod", "chat"), seen.pair("prod", "chat", back=1)) == (("1", "2"), ("2", ""))
    assert seen.seen([("prod", "chat", "m", "", "", "")], 40) == set()


def test_more_series_than_are_remembered_lie_in_the_same_slices() -> None:
    contract = readable("errors", ERRORS)
    assert contract is not None
    few, many = Slices(contract, 3), Slices(contract, 1000)
    series = [("prod", "chat", f"m{i}", "", f"c{i % 2}", "") for i in range(200)] * 2
    for one in series:
        np.testing.assert_array_equal(few.rows(Family.CALLS, one), many.rows(Family.CALLS, one))
    assert (len(few), few.left_out) == (3, 0)
    assert len(few._of_series) <= 12


def test_a_zombie_repeats_what_is_true(worse: Log) -> None:
    watch = stage()
    half = len(worse.records) // 2
    state = watch.open(LOG, None)
    state, effects = watch.step(state, worse.records[:half], 0)
    progress = effects.progress
    assert progress is not None
    successor = watch.open(LOG, progress)
    rest = [record for record in worse.records if record.offset >= progress.committed]
    _, one = watch.step(successor, rest, 1)
    _, other = watch.step(state, worse.records[half:], 2)
    assert {a["id"] for a in alerts(one.messages)} == {a["id"] for a in alerts(other.messages)} != set()


def test_sources_interleave_and_repeat_as_they_like() -> None:
    plain, mixed, g = Log(), Log(), np.random.default_rng(4)
    for log in (plain, mixed):
        log.contracts(errors=ERRORS)
    for minute, rows in enumerate(traffic(3, 700, 300, 0.15)):
        split = [
            [row | {"requests": row["requests"] // 2 + (i and row["requests"] % 2), "source": f"spans:{i}:e"} for row in rows]
            for i in (0, 1)
        ]
        for half, row in zip(split[0], rows, strict=True):
            half["errors"] = 0
            assert half["requests"] + split[1][rows.index(row)]["requests"] == row["requests"]
        plain.window(minute, [*split[0], *split[1]], sources=2)
        order = [0, 1] if g.random() < 0.5 else [1, 0]
        for i in order:
            for _ in range(int(g.integers(1, 3))):  # at least once
                mixed.put(None, _block(split[i]), minute)
            mixed.frontiers(minute, [i], 2)
    told = [alerts(folded(stage(), log)) for log in (plain, mixed)]
    for one in (*told[0], *told[1]):
        one.pop("id")
    assert told[0] == told[1] != []


def _block(rows):  # type: ignore[no-untyped-def]
    from tests.panes import panes  # noqa: PLC0415

    return panes(*rows)


def test_a_window_waits_for_every_source_and_a_silent_one_is_left_out() -> None:
    log = Log()
    log.contracts(errors=ERRORS)
    for minute in range(8):
        log.put(None, _block([on_time(minute, 100, 50)]), minute)
        log.frontiers(minute, [0], 2)
    watch = stage()
    state, _ = watch.step(watch.open(LOG, None), log.records, 0)
    assert len(state.waiting.held) == 8
    for minute in range(8, 14):  # the other has said nothing for ten minutes of the log
        log.put(None, _block([on_time(minute, 100, 50)]), minute)
        log.frontiers(minute, [0], 2)
    state, effects = watch.step(state, log.records[len(log.records) - 12 :], 10**11)
    assert not state.waiting.held
    assert state.frontiers.left_out(state.log_ns) == ["calls spans:1"]
    assert effects.progress is not None
    assert effects.progress.committed == len(log.records)


def test_early_and_late_panes_are_not_evidence() -> None:
    log = Log()
    log.contracts(errors=ERRORS)
    for minute, rows in enumerate(traffic(5, 300, 9999, 0)):
        early = [row | {"firing": "early", "errors": row["requests"]} for row in rows]
        log.put(None, _block(early), minute)
        log.window(minute, rows)
        log.put(None, _block([row | {"firing": "late", "errors": row["requests"]} for row in rows]), minute)
    assert alerts(folded(stage(), log)) == []


def test_a_changed_contract_begins_anew_only_where_it_asks_otherwise(worse: Log) -> None:
    log = day(minutes=900, worse_from=10**6)
    other = ERRORS.replace("version: 1", "version: 2") + "  - {metric: error.ratio, at_most: 50%, window: 5m}\n"
    log.contracts(minute=900, errors=other)
    watch = stage()
    state, _ = watch.step(watch.open(LOG, None), log.records[:-1], 0)
    before = state.contracts["errors"][1].judged[0].spread.pairs.copy()
    state, _ = watch.step(state, log.records[-1:], 1)
    asked = {judged.question.objective.bound: judged for judged in state.contracts["errors"][1].judged}
    np.testing.assert_array_equal(asked[0.04].spread.pairs, before)
    assert len(asked[0.5].spread.pairs) == len(before)
    assert asked[0.5].spread.pairs.sum() == 0
    log.contracts(minute=901)
    state, _ = watch.step(state, log.records[-1:], 2)
    assert state.contracts == {}


def test_the_wish_for_other_contracts_is_written_once_in_a_while() -> None:
    watch = dataclasses.replace(stage(), wanted=lambda: {"errors": ERRORS})
    state, effects = watch.step(watch.open(LOG, None), [], 10**12)
    (message,) = [m for m in effects.messages if m.topic == LOG.topic]
    assert (message.partition, message.key) == (0, b"contracts")
    state, effects = watch.step(state, [], 10**12 + 1)
    assert not [m for m in effects.messages if m.topic == LOG.topic]


HARMLESS = {(b"traces", b'{"firing":["on_time"]}'), (b"scores", b'{"firing":["on_time"]}')}
"""These know final firings alone, so nothing of it is read."""


@pytest.mark.parametrize("value", [b"", b"{", b"[]", b'{"firing":["on_time"]}', b"\xff", b'{"errors": 3}'])
@pytest.mark.parametrize("key", [None, b"traces", b"scores", b"frontier", b"contracts", b"else"])
def test_nonsense_is_counted_and_stops_nothing(key: bytes | None, value: bytes) -> None:
    log = Log()
    log.put(key, value, 0)
    watch = stage()
    state, _ = watch.step(watch.open(LOG, None), log.records, 0)
    assert state.position == 1
    assert state.unreadable == (key != b"else" and (key, value) not in HARMLESS)


def test_progress_holds_all_of_it(worse: Log) -> None:
    watch = stage()
    state, effects = watch.step(watch.open(LOG, None), worse.records[:2000], 0)
    assert isinstance(effects.progress, Progress)
    again = watch.open(LOG, effects.progress)
    for mine, theirs in zip(state.contracts["errors"][1].judged, again.contracts["errors"][1].judged, strict=True):
        for part in ("spread", "detector", "alarms", "yesterday"):
            for name, column in getattr(mine, part).columns.items():
                np.testing.assert_array_equal(column, getattr(theirs, part).columns[name])
    assert again.frontiers.line == state.frontiers.line
    assert again.contracts["errors"][1].slices.found == state.contracts["errors"][1].slices.found
