"""The session of one partition without Kafka: a delivery that rewinds, rebalances and skips as it is told."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import pytest

from pipeline.connectors.faust_security import credentials
from pipeline.connectors.owned_partition import Delivered, Outside, OwnedPartition, unbroken
from pipeline.connectors.progress_log import ProgressLog, Takeover, largest
from pipeline.errors import Fatal, SchemaError, SettingsError
from pipeline.model.stream import Effects, Message, Progress, Record, Source, Unending
from pipeline.settings import Settings

SOURCE = Source("spans", 3, "epoch")


def delivered(generation: int, *offsets: int) -> list[Delivered]:
    return [Delivered(generation, offset, offset * 1_000_000, b"%d" % offset, None, ()) for offset in offsets]


NOTHING = Progress(0, 0, 0)


@dataclass
class World:
    """A script of deliveries, and a diary of what came of it. The stage holds back the last two offsets it folded."""

    script: list[tuple[int | None, list[Delivered]]]
    begin: int = 0
    start: int = 0
    name: str = "diarist"
    diary: list[tuple[object, ...]] = field(default_factory=list)
    generation: int | None = None
    told: Progress | None = NOTHING
    made_anew: bool = False
    log_starts: list[int] = field(default_factory=list)
    idle: Progress | None = None
    then: tuple[Message, ...] = ()
    full: bool = False

    def owned(self) -> tuple[int, int] | None:
        return None if self.generation is None else (SOURCE.partition, self.generation)

    async def gather(self) -> Sequence[Delivered] | None:
        if not self.script:
            return None
        self.generation, batch = self.script.pop(0)
        return batch

    async def commit(self, partition: int, offset: int) -> None:
        self.diary.append(("commit", offset))

    async def takeover(self, partition: int) -> Takeover:
        return Takeover(SOURCE, self.told, max(self.begin, self.start), self.start, max(0, self.start - self.begin))

    async def log_start(self, partition: int) -> int:
        return self.log_starts.pop(0) if self.log_starts else self.start

    async def confirm(self, messages: Sequence[Message]) -> None:
        if self.full and messages[0].topic == "panes":
            raise Fatal("no room")
        self.diary += [(message.topic, message.value) for message in messages]

    async def overtaken(self, source: Source, due: int, found: int) -> None:
        self.diary.append(("overtaken", due, found))

    def refuse_another(self, source: Source) -> None:
        if self.made_anew:
            raise Fatal("made anew")

    def first(self) -> Progress:
        self.told = Progress(0, 0, -7)
        return self.told

    def open(self, source: Source, progress: Progress | None) -> int:
        self.diary.append(("open",) if progress is NOTHING else ("open", progress))
        return 0

    def step(self, state: int, batch: Sequence[Record], now_ns: int) -> tuple[int, Effects]:
        if not batch:
            return state, Effects(progress=self.idle)
        offsets = [record.offset for record in batch]
        self.diary.append(("step", *offsets))
        progress = Progress(max(offsets[-1] - 1, 0), offsets[-1] + 1, 0)
        return state, Effects((Message("panes", 0, b"row"),), progress=progress, then=self.then)

    def run(self) -> list[tuple[object, ...]]:
        outside = Outside(
            self, "spans", self.takeover, self.log_start, self.entry, self.confirm, self.overtaken, self.refuse_another
        )
        asyncio.run(OwnedPartition(outside, self).run())
        return self.diary

    def entry(self, source: Source, generation: int, progress: Progress) -> Message:
        return Message("progress", source.partition, b"%d" % progress.committed)

    def steps(self) -> list[tuple[object, ...]]:
        return [entry for entry in self.run() if entry[0] in {"open", "step"}]


def test_messages_then_progress_then_commit() -> None:
    assert World([(1, delivered(1, 0, 1, 2))]).run() == [
        ("open",), ("step", 0, 1, 2), ("panes", b"row"), ("progress", b"1"), ("commit", 1),
    ]  # fmt: skip


def test_what_speaks_of_messages_is_sent_once_they_are_confirmed() -> None:
    script, then = [(1, delivered(1, 0, 1, 2))], (Message("frontier", 0, b"said"),)
    diary = World(list(script), then=then).run()
    assert [entry[0] for entry in diary[2:]] == ["panes", "frontier", "progress", "commit"]
    failing = World(list(script), then=then, full=True)
    with pytest.raises(Fatal):
        failing.run()
    assert failing.diary == [("open",), ("step", 0, 1, 2)]


def test_an_offset_is_committed_once() -> None:
    diary = World([(1, delivered(1, 0, 1, 2)), (1, [])], begin=0).run()
    assert diary.count(("commit", 1)) == 1
    assert ("commit", 0) not in World([(1, delivered(1, 0))]).run()


def test_delivery_may_begin_at_what_the_session_has_committed_before_it_was_delivered() -> None:
    """The progress said more than the group's offset when the session began; then the member rejoined its generation."""
    told = Progress(10, 12, 0)
    world = World([(1, []), (1, delivered(1, 10, 11))], begin=0, told=told, idle=told)
    assert world.steps() == [("open", told), ("step", 10, 11)]
    assert ("commit", 10) in world.diary
    with pytest.raises(Fatal, match="offset 11 came where 0 was due"):
        World([(1, []), (1, delivered(1, 11))], begin=0, told=told, idle=told).run()


def test_a_new_generation_opens_anew_and_drops_what_the_old_one_fetched() -> None:
    world = World([(1, delivered(1, 0, 1)), (2, delivered(1, 2, 3)), (2, delivered(2, 0, 1, 2))])
    assert world.steps() == [("open",), ("step", 0, 1), ("open",), ("step", 0, 1, 2)]


def test_a_rewind_within_a_generation_opens_anew() -> None:
    world = World([(1, delivered(1, 0, 1, 2)), (1, delivered(1, 3, 4, 0, 1))])
    assert world.steps() == [("open",), ("step", 0, 1, 2), ("open",), ("step", 0, 1)]


def test_nothing_is_folded_or_opened_while_nothing_is_owned() -> None:
    assert World([(None, delivered(1, 0, 1)), (None, [])]).run() == []


@pytest.mark.parametrize(
    "script", [[(1, delivered(1, 7))], [(1, delivered(1, 5)), (1, delivered(1, 7))], [(1, delivered(1, 5, 7))]]
)
def test_a_hole_stops_the_process(script: list[tuple[int | None, list[Delivered]]]) -> None:
    world = World(script, begin=5, told=Progress(5, 5, 0))
    with pytest.raises(Fatal, match="offset 7 came where"):
        world.run()
    assert ("commit", 6) not in world.diary


def test_a_hole_left_by_retention_is_none_and_is_told() -> None:
    world = World([(1, delivered(1, 0)), (1, delivered(1, 9))])
    world.log_starts = [9]
    diary = world.run()
    assert [entry for entry in diary if entry[0] in {"step", "overtaken"}] == [("step", 0), ("overtaken", 1, 9), ("step", 9)]


def test_what_retention_took_before_a_takeover_is_told() -> None:
    assert World([(1, delivered(1, 9))], begin=4, start=9).run()[:2] == [("overtaken", 4, 9), ("open",)]


def test_a_log_made_anew_stops_the_process() -> None:
    world = World([(1, delivered(1, 0))], made_anew=True)
    with pytest.raises(Fatal, match="made anew"):
        world.run()
    assert world.steps() == [("open",)]


def test_an_offset_committed_of_a_log_before_is_set_back() -> None:
    world = World([(1, [])], begin=7, told=None)
    with pytest.raises(Fatal, match="of a log before it"):
        world.run()
    assert world.diary == [("progress", b"0"), ("commit", 0)]


def test_a_log_nobody_has_read_begins_with_what_the_topic_says_then() -> None:
    world = World([(1, [])], told=None)
    assert world.run() == [("progress", b"0"), ("open", Progress(0, 0, -7))]


def test_a_commit_ahead_of_its_progress_is_of_a_log_before() -> None:
    """Whoever had not noticed that the log was made anew may commit after the first progress of the new one."""
    world = World([(1, [])], begin=7, told=Progress(3, 9, 0))
    with pytest.raises(Fatal, match="of a log before it"):
        world.run()
    assert world.diary == [("commit", 3)]


def test_unbroken_is_the_last_run_of_a_generation() -> None:
    batch = delivered(1, 5) + delivered(2, 0, 1, 2, 1, 2, 3)
    assert [message.offset for message in unbroken(batch, 2)] == [1, 2, 3]
    assert unbroken(batch, 3) == []


def test_traces_that_never_end_belong_to_the_offset_they_were_let_go_of_at() -> None:
    """Whoever folded furthest may hold more: an owner begins at the largest committed, with what was over there."""
    entries = ProgressLog(Settings(), "aggregate", "spans", "w")
    over = Unending("0" * 31 + "1", "support", "c", 7)
    written = [Progress(5, 9, 7, unending=(replace(over, cohort="d"),)), Progress(6, 8, 6, unending=(over,))]
    messages = [entries.entry(SOURCE, generation, progress) for generation, progress in enumerate(written)]
    assert largest(SOURCE, [(m.key or b"", m.value) for m in messages]) == Progress(6, 9, 7, unending=(over,))


def test_the_largest_progress_of_a_log_over_generations_and_writers() -> None:
    records = [
        (b"spans:3:epoch/1/a", b'{"committed":5,"folded":9,"watermark_ns":7,"generation":1}'),
        (b"spans:3:epoch/2/b", b'{"committed":6,"folded":8,"watermark_ns":6,"generation":2}'),
        (b"spans:3:older/9/c", b'{"committed":50,"folded":90,"watermark_ns":70,"generation":9}'),
        (b"spans:3:epoch/1/a", b""),
    ]
    assert largest(SOURCE, records) == Progress(6, 9, 7), "who held least, and who folded furthest, are both right"
    assert largest(SOURCE, []) is None
    with pytest.raises(SchemaError, match="spans:3:epoch"):
        largest(SOURCE, [(b"spans:3:epoch/1/a", b'{"committed":5}')])


def test_security_settings_mean_the_same_to_both_clients() -> None:
    assert credentials({}) is None
    plain = credentials(
        {"security.protocol": "SASL_SSL", "sasl.mechanisms": "SCRAM-SHA-512", "sasl.username": "u", "sasl.password": "p"}
    )
    assert (plain.protocol.value, plain.mechanism.value, plain.username) == ("SASL_SSL", "SCRAM-SHA-512", "u")
    assert credentials({"security.protocol": "ssl"}).context.check_hostname
    assert not credentials({"security.protocol": "SSL", "enable.ssl.certificate.verification": "false"}).context.check_hostname


@pytest.mark.parametrize(
    ("name", "value"),
    [("sasl.mechanism", "GSSAPI"), ("security.protocol", "TLS"), ("ssl.keystore.location", "x"), ("ssl.ca.location", "/missing")],
)
def test_what_faust_cannot_do_is_refused_by_name(name: str, value: str) -> None:
    with pytest.raises(SettingsError, match="TAILRACE_KAFKA_SECURITY"):
        credentials({"security.protocol": "SSL", name: value})
