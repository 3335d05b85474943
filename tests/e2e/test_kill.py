"""Numbers stay exact although processes die: real Kafka, real ClickHouse, real processes, `kill -9`."""

import random
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import Literal

import pytest

from pipeline.connectors.clock import steady
from pipeline.connectors.kafka import apply_topics
from pipeline.settings import Settings
from tests.e2e import accounts
from tests.e2e.sender import Mix, Sender
from tests.e2e.stages import TWO_WORKERS, Stages

STARTED = 90.0
"""Seconds in which the first panes must be there."""

REJOINED = 60.0
"""Seconds in which a group must notice that a member has gone."""

WORKERS = [name for name, stage in TWO_WORKERS.items() if stage == "aggregate"]


@dataclass(frozen=True, slots=True)
class Blow:
    """What happens to which process once `at` spans are sent. `noticed`: it starts again only when its group missed it."""

    at: int
    kind: Literal["kill", "freeze", "restart"]
    name: str
    noticed: bool = False


def short(settings: Settings, allowed_lateness: float) -> Settings:
    """Short windows. The lateness is longer than any outage makes one partition of `otlp_spans` wait for the other."""
    return settings.model_copy(
        update={
            "otlp_partitions": 2,
            "spans_partitions": 3,
            "panes_partitions": 2,
            "window": 5.0,
            "out_of_orderness": 2.0,
            "allowed_lateness": allowed_lateness,
            "early_every": 2.0,
            "tick_every": 0.5,
            "call_hold": 2.0,
            "trace_settle": 5.0,
            "trace_idle": 20.0,
            "session_timeout": 6.0,
            "sink_linger": 0.5,
        }
    )


def strike(stages: Stages, blow: Blow) -> None:
    """Let it happen, and wait for what the group makes of it where the blow says so."""
    stage = TWO_WORKERS[blow.name]
    if blow.kind == "restart":
        stages.stop(blow.name)
        stages.start(blow.name)
        return
    missed = {blow.name} if stage == "aggregate" else stages.members(stage)
    stages.freeze(blow.name) if blow.kind == "freeze" else stages.kill(blow.name)
    if blow.noticed:
        stages.until(lambda: not missed & stages.members(stage), f"the group of {stage} misses {blow.name}", REJOINED)
    stages.thaw(blow.name) if blow.kind == "freeze" else stages.start(blow.name)


def survives(settings: Settings, mix: Mix, blows: list[Blow], rng: random.Random, directory: Path) -> None:
    """Send the mix while the blows fall, wait until all is final, and compare everything with the truth."""
    apply_topics(settings)
    begin = steady()
    with Stages(settings, directory) as stages, Sender(settings, mix, rng) as sender:
        visible = "SELECT uniqExact(source) FROM panes"
        stages.until(
            lambda: accounts.number(settings, visible) == settings.spans_partitions, "every partition has panes", STARTED
        )
        sender.known.set()
        for blow in blows:
            stages.until(lambda blow=blow: sender.reached(blow.at), f"{blow.at} spans sent", 600)  # type: ignore[misc]
            print(f"{steady() - begin:6.1f} s, {sender.sent:,} spans sent: {blow}")
            strike(stages, blow)
        stages.until(sender.finished, "everything sent", 600)
        sent = steady() - begin
        blocks = settled(settings, stages, sender)
        print(f"{mix.spans:,} spans sent in {sent:.0f} s, final after {steady() - begin:.0f} s")
    compare(settings, sender, blocks)


def settled(settings: Settings, stages: Stages, sender: Sender) -> dict[tuple[int, int], int]:
    """Wait until everything is decoded, judged, final and stored. Returns the rows of every block."""
    records = sum(len(written) for written in sender.ledger.records.values())
    within = settings.allowed_lateness + 120

    def stored(sql: str) -> int:
        return accounts.number(settings, sql)

    decoded = "SELECT count() FROM ledger FINAL WHERE stage = 'decode'"
    stages.until(lambda: stored(decoded) >= records and not accounts.behind(settings, "decode"), "all decoded", within)
    blocks = accounts.block_rows(settings)
    judged = "SELECT count() FROM ledger FINAL WHERE stage = 'aggregate'"
    stages.until(lambda: stored(judged) >= len(blocks), "all judged", within)
    stages.until(lambda: not stored("SELECT countIf(NOT final) FROM panes FINAL"), "all final", within)
    stages.until(lambda: not accounts.behind(settings, "sink"), "all stored", within)
    return blocks


def compare(settings: Settings, sender: Sender, blocks: dict[tuple[int, int], int]) -> None:
    """Every number equals the truth, and the laws hold."""
    ledger = sender.ledger
    differences = {
        "panes": accounts.panes_differ(settings, ledger.panes),
        "performance": accounts.performance_differs(settings, ledger.panes),
        "told twice": accounts.repeats_differ(settings, ledger),
        "law a": accounts.law_a_breaks(settings, ledger),
        "law b": accounts.law_b_breaks(settings, blocks),
        "law c": accounts.law_c_breaks(settings, ledger),
        "quantiles": accounts.quantiles_differ(settings, ledger),
        "traces": accounts.traces_differ(settings, ledger),
        "sums over traces": accounts.trace_sums_differ(settings, ledger),
        "routes": accounts.routes_differ(settings, ledger),
    }
    kinds = {"told twice": len(ledger.told_again), "without a name": ledger.nameless, "late": len(ledger.late_for_trace)}
    print(f"{len(ledger.traces):,} traces; calls {kinds}")
    assert min(kinds.values()) >= 10, kinds
    verdicts = ", ".join(f"sum({name})" for name in accounts.VERDICTS)
    judged = accounts.rows(settings, f"SELECT sum(spans), {verdicts} FROM ledger FINAL WHERE stage = 'aggregate'")[0]
    print(f"{len(ledger.panes)} windows and series, {len(ledger.sent):,} distinct spans, {len(blocks):,} blocks")
    print(", ".join(f"{name} {int(n):,}" for name, n in zip(("rows", *accounts.VERDICTS), judged, strict=True)))
    wrong = list(chain.from_iterable((f"{what}: {text}" for text in islice(found, 5)) for what, found in differences.items()))
    assert not wrong, "\n".join(wrong)


def test_numbers_are_exact_although_processes_die(with_schema: Settings, tmp_path: Path) -> None:
    rng = random.Random(20_26)
    victims = ["decode", "aggregate-0", "sink"]
    rng.shuffle(victims)
    blows = [
        *(Blow(at, "kill", name, name == "aggregate-0") for at, name in zip((1_500, 7_000, 11_500), victims, strict=True)),
        Blow(4_000, "freeze", "aggregate-1", noticed=True),
        Blow(9_500, "restart", "aggregate-0"),
    ]
    blows.sort(key=lambda blow: blow.at)
    survives(short(with_schema, allowed_lateness=45), Mix(12_000, per_second=350), blows, rng, tmp_path)


@pytest.mark.soak
@pytest.mark.timeout(1800)
def test_numbers_are_exact_after_ten_kills(with_schema: Settings, tmp_path: Path) -> None:
    rng = random.Random(4)
    spans, everyone = 200_000, list(TWO_WORKERS)
    victims = [*everyone, *everyone, *rng.choices(everyone, k=2)]
    blows = [
        *(Blow(rng.randrange(spans // 20, spans), "kill", name, rng.random() < 0.5) for name in victims),
        Blow(rng.randrange(spans // 20, spans), "freeze", rng.choice(WORKERS), noticed=True),
        Blow(rng.randrange(spans // 20, spans), "restart", rng.choice(everyone)),
    ]
    blows.sort(key=lambda blow: blow.at)
    survives(short(with_schema, allowed_lateness=120), Mix(spans, per_second=1000), blows, rng, tmp_path)
