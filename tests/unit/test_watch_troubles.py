"""What watch says of itself: sources that stopped, contracts it cannot read, slices there is no room for."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from pipeline.model.stream import Source
from pipeline.operators.frontiers import FRONTIER_KEY, Frontier, encode_frontier
from pipeline.operators.watch.frontiers import Frontiers
from pipeline.operators.watch.troubles import Troubles
from pipeline.stages.watch import Outputs, Watch
from tests.panes import MINUTE_NS, NOON_NS, panes
from tests.unit.test_watch import ERRORS
from tests.watched import LOG, POLICY, Log, alerts, folded, on_time, readable, stage, traffic

DAY = 24 * 60


def spoken(log: Log, minutes: Sequence[int], silent: Sequence[int] = (), rows: int = 1) -> None:
    """Windows of `rows` cohorts; source 1 of two says nothing in the minutes `silent`."""
    for minute in minutes:
        log.put(None, _panes(minute, rows), minute)
        log.frontiers(minute, [0] if minute in silent else [0, 1], 2)


def _panes(minute: int, rows: int) -> bytes:
    return panes(*[on_time(minute, 10, 0, cohort=f"c{i}") for i in range(rows)])


def of_pipeline(told: Sequence[dict[str, Any]]) -> list[tuple[str, str, int]]:
    """State, rule, and the minute of the log."""
    return [(a["state"], a["rule"], (a["at_ns"] - NOON_NS) // MINUTE_NS) for a in told if a["kind"] == "pipeline"]


def test_a_source_that_stops_is_told_once_and_is_over_when_it_has_come_back_for_good() -> None:
    """Patience is ten minutes. It is silent twice, the second time soon after its return."""
    log = Log()
    log.contracts(errors=ERRORS)
    spoken(log, range(70), silent=[*range(5, 20), *range(22, 40)])
    told = alerts(folded(stage(), log))
    rule = "sources_left_out calls spans:1"
    assert of_pipeline(told) == [("firing", rule, 16), ("resolved", rule, 61)]
    first, last = [one for one in told if one["kind"] == "pipeline"]
    assert first["fingerprint"] == last["fingerprint"]
    assert (first["severity"], first["contract"], first["route"]) == ("ticket", "", "")
    assert first["text"] == "calls spans:1 has said nothing for 10m: windows are judged without what it holds"
    assert last["resolved_ns"] == last["at_ns"]
    for batch, crashes in ((7, (2, 5, 9, 13)), (1, (35, 36, 60, 90, 120)), (1000, ())):
        again = alerts(folded(stage(replace(POLICY, snapshot_every_ns=9 * MINUTE_NS)), log, batch, crashes))
        assert {one["id"] for one in again} == {one["id"] for one in told}, batch


PAUSED = (300, 360)
"""Minutes between which nobody says a word; patience is ten."""
SELDOM = replace(POLICY, snapshot_every_ns=9 * MINUTE_NS)


def caught_up_one_by_one() -> Log:
    """After an hour without a word source 0 says all it has, then source 1, in one minute of the log. The cohort pro gets worse
    in that hour, and source 1 alone has it.
    """
    log = Log()
    log.contracts(errors=ERRORS)
    begin, end = PAUSED
    of = [
        [row | {"source": f"spans:{int(row['cohort'] == 'pro')}:e"} for row in rows] for rows in traffic(3, end + 20, begin, 0.3)
    ]
    for minute in range(begin):
        log.window(minute, of[minute], sources=2)
    for minute in range(begin, end, 8):  # what is no word of a source does not shorten the pause
        log.contracts(minute, errors=ERRORS)
    for source in ("spans:0:e", "spans:1:e"):
        for minute in range(begin, end):
            log.put(None, panes(*[row for row in of[minute] if row["source"] == source]), end)
            until = NOON_NS + (minute + 1) * MINUTE_NS
            said = Frontier(source=source, partitions=2, family="calls", on_time_ns=until, final_ns=until, revision=minute)
            log.put(FRONTIER_KEY, encode_frontier(said), end)
    for minute in range(end, end + 20):
        log.window(minute, of[minute], sources=2)
    return log


def test_a_pause_of_all_is_the_silence_of_none() -> None:
    log, watch = caught_up_one_by_one(), stage()
    state, _ = watch.step(watch.open(LOG, None), log.records, 0)
    assert state.waiting.late == 0
    told = alerts(folded(watch, log))
    assert of_pipeline(told) == []
    assert told != [], "what was caught up is judged"
    for batch, begin, step in ((1, 1000, 90), (7, 130, 9), (30, 31, 3)):
        for at in range(begin, len(log.records) // batch, step):
            again = alerts(folded(stage(SELDOM), log, batch, (at, at + 2)))
            assert {one["id"] for one in again} == {one["id"] for one in told}, (batch, at)


def test_one_that_does_not_come_back_after_a_pause_is_left_out_once_more_and_told_once() -> None:
    """Source 1 stops at 5 and is told at 16. All are silent from 20 to 79; it is back at 110, for twenty minutes at 130."""
    log = Log()
    log.contracts(errors=ERRORS)
    spoken(log, [*range(20), *range(80, 140)], silent=range(5, 110))
    rule = "sources_left_out calls spans:1"
    told = alerts(folded(stage(), log))
    assert of_pipeline(told) == [("firing", rule, 16), ("resolved", rule, 131)]
    watch = stage()
    state = watch.open(LOG, None)
    for record in log.records:
        state, _ = watch.step(state, [record], 0)
        minute = (state.log_ns - NOON_NS) // MINUTE_NS
        if record.key == FRONTIER_KEY and 80 < minute < 110:
            assert len(state.frontiers.left_out(state.log_ns)) == (minute > 91), minute
    for crashes in ((5,), (12, 13), (20, 21, 40)):
        again = alerts(folded(stage(SELDOM), log, 7, crashes))
        assert {one["id"] for one in again} == {one["id"] for one in told}


def test_a_pause_of_one_topic_is_not_shortened_by_words_of_another() -> None:
    frontiers = Frontiers(10 * MINUTE_NS)
    for source in (0, 1):
        frontiers.heard("calls", f"spans:{source}:e", 2, NOON_NS, NOON_NS)
    frontiers.heard("scores", "scores:0:e", 1, NOON_NS, NOON_NS + 8 * MINUTE_NS)
    later = NOON_NS + 16 * MINUTE_NS
    frontiers.heard("calls", "spans:0:e", 2, later, later)
    assert frontiers.left_out(later) == []
    assert frontiers.whole_ns("calls", later) == NOON_NS
    assert frontiers.left_out(later + 11 * MINUTE_NS) == ["calls spans:0", "calls spans:1", "scores scores:0"]


def test_nothing_is_said_where_nothing_is_wrong() -> None:
    log = Log()
    log.contracts(errors=ERRORS)
    spoken(log, range(40))
    assert of_pipeline(alerts(folded(stage(), log))) == []


def test_a_contract_that_cannot_be_read_is_told_until_it_can_or_goes() -> None:
    log = Log()
    log.contracts(errors=ERRORS, other="name: other\nversion: 1\nsurprise: 1\n")
    spoken(log, range(5))
    log.contracts(5, errors=ERRORS)
    spoken(log, range(5, 9))
    told = of_pipeline(alerts(folded(stage(), log)))
    rule = "contracts_unreadable other"
    assert [one[:2] for one in told] == [("firing", rule), ("resolved", rule)]
    assert told[1][2] == 6
    again = of_pipeline(alerts(folded(stage(), log, 1, (4, 5, 11, 12))))
    assert {*again} == {*told}


def test_slices_without_room_are_told_and_the_first_ones_stay_judged() -> None:
    """Four cohorts and the route are five; there is room for three. A day later there are only two."""
    log = Log()
    log.contracts(errors=ERRORS)
    spoken(log, range(10), rows=4)
    spoken(log, range(10, 10 + DAY + 5), rows=2)
    few = replace(POLICY, most_slices=3)
    told = of_pipeline(alerts(folded(stage(few), log, 200)))
    rule = "slices_left_out errors panes:0"
    assert told == [("firing", rule, 1), ("resolved", rule, 10 + DAY)]
    assert {*of_pipeline(alerts(folded(stage(few), log, 200, (1, 2, 3))))} == {*told}
    assert of_pipeline(alerts(folded(stage(), log, 200))) == []


def test_one_partition_speaks_of_what_all_see() -> None:
    frontiers = Frontiers(MINUTE_NS)
    for partition in range(40):
        frontiers.heard("calls", f"spans:{partition}:e", 40, NOON_NS, NOON_NS)
    seen = [[one.rule for one in Troubles(n, 8).of_sources(frontiers, NOON_NS + 2 * MINUTE_NS)] for n in range(8)]
    assert sorted(rule for rules in seen for rule in rules) == sorted(f"sources_left_out calls spans:{n}" for n in range(40))
    assert sum(bool(rules) for rules in seen) > 1
    names = [f"contract-{n}" for n in range(40)]
    found = [one.rule for n in range(8) for one in Troubles(n, 8).of_contracts(names)]
    assert sorted(found) == sorted(f"contracts_unreadable {name}" for name in names)


def test_no_more_are_told_than_there_is_room_for() -> None:
    troubles = Troubles(0, 1)
    told = list(troubles.look(troubles.of_contracts(f"c{n}" for n in range(1000)), NOON_NS))
    assert len(told) == len(troubles.firing) == 100
    assert len(list(troubles.look((), NOON_NS + 1))) == 100


def test_another_partition_that_does_not_speak_says_nothing() -> None:
    """The contract `other` is told by the partition its name falls to, not by each."""
    log = Log()
    log.contracts(errors=ERRORS, other="surprise: 1\n")
    spoken(log, range(5))
    said = 0
    for partition in range(4):
        watch = Watch(replace(POLICY, partitions=4), Outputs("alerts", "status", "standings"), lambda: None, readable)
        source = Source(LOG.topic, partition, LOG.epoch)
        state = watch.open(source, None)
        _, effects = watch.step(state, [replace(record, source=source) for record in log.records], 0)
        said += len(of_pipeline(alerts(effects.messages)))
    assert said == 1


def test_after_a_pause_of_everything_nobody_is_missed_whoever_speaks_first() -> None:
    """Kafka was gone for an hour; scores speaks first, then aggregate. Then aggregate alone stops, which is told."""
    log = Log()
    log.contracts(errors=ERRORS)
    for minute in (*range(60), *range(120, 180)):
        scores = Frontier(source="scores:0:s", partitions=1, family="scores", on_time_ns=1, final_ns=1, revision=minute)
        log.put(FRONTIER_KEY, encode_frontier(scores), minute)
        if minute < 160:
            log.window(minute, [on_time(minute, 10, 0)], sources=2)
    told = alerts(folded(stage(), log))
    assert of_pipeline(told) == [("firing", f"sources_left_out calls spans:{partition}", 171) for partition in (0, 1)]
    nobody = "has said nothing for 10m, nor has any other source: no window of calls is judged"
    assert [one["text"] for one in told if one["kind"] == "pipeline"] == [
        f"calls spans:{partition} {nobody}" for partition in (0, 1)
    ]


def test_of_a_log_made_anew_with_fewer_partitions_none_of_before_is_missed() -> None:
    log = Log()
    log.contracts(errors=ERRORS)
    for minute in range(200):
        epoch, partitions = ("e", 4) if minute < 60 else ("f", 2)
        log.put(None, _panes(minute, 1), minute)
        end = NOON_NS + (minute + 1) * MINUTE_NS
        for partition in range(partitions):
            source = f"spans:{partition}:{epoch}"
            said = Frontier(source=source, partitions=partitions, family="calls", on_time_ns=end, final_ns=end, revision=minute)
            log.put(FRONTIER_KEY, encode_frontier(said), minute)
    assert not alerts(folded(stage(), log))


def test_where_panes_got_more_partitions_nobody_says_that_it_is_over_while_it_lasts() -> None:
    """Of two partitions each told what fell to it; of five another one may. Whoever told it tells the end, too."""
    frontiers, names, later = Frontiers(MINUTE_NS), [f"contract-{n}" for n in range(20)], NOON_NS + 2 * MINUTE_NS
    for partition in range(20):
        frontiers.heard("calls", f"spans:{partition}:e", 20, NOON_NS, NOON_NS)
    for before in (Troubles(0, 2), Troubles(1, 2)):
        assert len(list(before.look([*before.of_sources(frontiers, later), *before.of_contracts(names)], later))) > 1
        after = Troubles(before.partition, 5, dict(before.firing))
        much_later = later + 1000 * MINUTE_NS
        seen = [*after.of_sources(frontiers, much_later), *after.of_contracts(names)]
        assert [one for one in after.look(seen, much_later) if one.state == "resolved"] == []
        assert len([one for one in after.look((), 2 * much_later) if one.rule in before.firing]) == len(before.firing)
