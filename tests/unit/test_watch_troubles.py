"""What watch says of itself: sources that stopped, contracts it cannot read, slices there is no room for."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from pipeline.model.stream import Source
from pipeline.operators.watch.frontiers import Frontiers
from pipeline.operators.watch.troubles import Troubles
from pipeline.stages.watch import Outputs, Watch
from tests.panes import MINUTE_NS, NOON_NS
from tests.unit.test_watch import ERRORS
from tests.watched import LOG, POLICY, Log, alerts, folded, on_time, readable, stage

DAY = 24 * 60


def spoken(log: Log, minutes: Sequence[int], silent: Sequence[int] = (), rows: int = 1) -> None:
    """Windows of `rows` cohorts; source 1 of two says nothing in the minutes `silent`."""
    for minute in minutes:
        log.put(None, _panes(minute, rows), minute)
        log.frontiers(minute, [0] if minute in silent else [0, 1], 2)


def _panes(minute: int, rows: int) -> bytes:
    from tests.panes import panes  # noqa: PLC0415

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
        watch = Watch(replace(POLICY, partitions=4), Outputs("alerts", "status"), lambda: None, readable)
        source = Source(LOG.topic, partition, LOG.epoch)
        state = watch.open(source, None)
        _, effects = watch.step(state, [replace(record, source=source) for record in log.records], 0)
        said += len(of_pipeline(alerts(effects.messages)))
    assert said == 1
