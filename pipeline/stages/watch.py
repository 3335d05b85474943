"""watch: panes in; alerts out, and now and then how everything stands.

The log alone decides: a window is judged when every source has said that it is whole (`operators/watch/frontiers.py`), by the
contracts that stood in the log before it. State is long, days of evidence, so it is not folded again: it is written down with
the offset it stands for, before that is acknowledged. An alert's id is what it is about and where it was decided, so a repeat is
the same alert.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

import msgspec

from pipeline.model.alerts import Alert
from pipeline.model.columns import STATUS
from pipeline.model.contracts import Contract
from pipeline.model.log_time import BEGINNING
from pipeline.model.metrics import Family
from pipeline.model.stream import Effects, Message, Progress, Record, Source
from pipeline.operators.alerts import told
from pipeline.operators.blocks import encode_rows
from pipeline.operators.contracts.scope import SIGNS
from pipeline.operators.frontiers import FRONTIER_KEY, read_frontier
from pipeline.operators.watch import out_of_force, snapshots
from pipeline.operators.watch.contract_watch import Change, ContractWatch
from pipeline.operators.watch.drafts import watched
from pipeline.operators.watch.frontiers import Frontiers
from pipeline.operators.watch.panes_read import Waiting, read_panes
from pipeline.operators.watch.raised import alert
from pipeline.operators.watch.silence_told import silence_told
from pipeline.operators.watch.slices import Here
from pipeline.operators.watch.snapshots import Texts
from pipeline.operators.watch.standing_told import standings_told
from pipeline.operators.watch.troubles import Troubles
from pipeline.operators.watch.written import ALL, Written, written
from pipeline.topics import partition_of, route_key

CONTRACTS_KEY = b"contracts"
"""Of a message of panes: it holds the contracts to judge by from there on."""

FAMILIES: dict[bytes | None, Family] = {None: Family.CALLS, b"traces": Family.TRACES, b"scores": Family.SCORES}
"""Of panes, by the key of their message."""

STATUS_EVERY_NS = 10_000_000_000
ASK_EVERY_NS = 10_000_000_000

_texts = msgspec.json.Decoder(Texts)


@dataclass(frozen=True, slots=True)
class Outputs:
    """Names of what watch writes."""

    alerts: str
    status: str
    standings: str


@dataclass(frozen=True, slots=True)
class WatchPolicy:
    """hour_ns: what counts as an hour of the day to the evidence. patience_ns: log time a silent source is waited for.
    most_slices: of one contract in one partition. snapshot_every_ns: wall clock. stand_every_ns: event time from look to look of
    how everything stands. grafana_url: where boards are. partitions: how
    many panes has.
    """

    hour_ns: int
    patience_ns: int
    most_slices: int
    snapshot_every_ns: int
    stand_every_ns: int
    grafana_url: str = ""
    partitions: int = 1


@dataclass(slots=True)
class Partition:
    """State of one partition in one generation. texts: of the contracts in force; contracts: text and state of those that could
    be read. position: offset up to which it was folded. ends: of alarms whose contract was read when this was written down and
    cannot be now; the next message that is judged tells them.
    """

    source: Source
    frontiers: Frontiers
    begin: int
    judged: int
    troubles: Troubles
    waiting: Waiting = field(default_factory=Waiting)
    texts: Texts = field(default_factory=dict)
    contracts: dict[str, tuple[str, ContractWatch]] = field(default_factory=dict)
    position: int = 0
    log_ns: int = BEGINNING
    unreadable: int = 0
    told: list[Message] = field(default_factory=list)
    ends: list[Alert] = field(default_factory=list)
    moved: bool = False
    written: Written = ALL
    asked_at_ns: int = 2 * BEGINNING
    status_at_ns: int = BEGINNING
    written_at_ns: int = BEGINNING


@dataclass(frozen=True, slots=True)
class Watch:
    """The stage, as the worker connector runs it.

    wanted: texts of the contracts that were applied, as far as that is known by now; None: not yet. read: a text's contract.
    say: a warning.
    """

    policy: WatchPolicy
    outputs: Outputs
    wanted: Callable[[], Texts | None]
    read: Callable[[str, str], Contract | None]
    name: str = "watch"
    say: Callable[[str], None] = lambda _: None

    def first(self) -> Progress:
        """A log nobody has read is watched from its start."""
        return Progress(0, 0, BEGINNING)

    def open(self, source: Source, progress: Progress | None) -> Partition:
        """What was written down, and nothing that is not whole yet."""
        known = progress or self.first()
        frontiers, troubles = Frontiers(self.policy.patience_ns), Troubles(source.partition, self.policy.partitions)
        state = Partition(source, frontiers, known.committed, known.folded, troubles, position=known.committed)
        if known.beside:
            was = snapshots.read(known.beside)
            state.frontiers.topics, state.frontiers.line, state.log_ns = was.topics, was.line, was.log_ns
            state.texts, troubles.firing = dict(was.unread), was.troubles
            for name, watched in was.contracts.items():
                self._begin(state, name, watched.text, watched)
            for name, text in was.unread.items():
                self._begin(state, name, text, None)
        return state

    def step(self, state: Partition, batch: Sequence[Record], now_ns: int) -> tuple[Partition, Effects]:
        """Take the batch in message by message; a window that is whole is judged at once."""
        for record in batch:
            if record.offset >= state.begin:
                self._fold(state, record)
        messages = (*state.told, *self._status(state, now_ns), *self._ask(state, now_ns))
        state.told = []
        return state, Effects(messages=messages, progress=self._progress(state, now_ns))

    def _fold(self, state: Partition, record: Record) -> None:
        state.log_ns = max(state.log_ns, record.timestamp_ns)
        try:
            if record.key == FRONTIER_KEY:
                self._frontier(state, record)
            elif record.key == CONTRACTS_KEY:
                if record.offset >= state.judged:
                    self._change(state, record.offset, _texts.decode(record.value or b""))
            elif record.key in FAMILIES:
                family = FAMILIES[record.key]
                for window, panes in read_panes(record.value or b"", family).items():
                    state.waiting.add(family, window, panes, record.offset, state.frontiers.line.get(family, BEGINNING))
        except (ValueError, msgspec.MsgspecError):
            state.unreadable += record.offset >= state.judged
        state.position = record.offset + 1

    def _frontier(self, state: Partition, record: Record) -> None:
        """Some windows may be whole now. Below `judged` that is known already."""
        if record.offset < state.judged:
            return
        self._end(state, record.offset)
        said = read_frontier(record.value or b"")
        family, frontiers = Family(said.family), state.frontiers
        before = frontiers.line.get(family, BEGINNING)
        frontiers.heard(family, said.source, said.partitions, said.on_time_ns, state.log_ns)
        line = frontiers.whole_ns(family, state.log_ns)
        if line > before:
            self._judge(state, record.offset, family, line)
        if family is Family.CALLS and line // self.policy.stand_every_ns > before // self.policy.stand_every_ns:
            self._stand(state)
        self._look_after(state, record.offset)

    def _judge(self, state: Partition, offset: int, family: Family, line: int) -> None:
        """Windows of the family up to there are whole."""
        state.moved = True
        for start, end, panes in state.waiting.whole(family, line):
            for _, watch in state.contracts.values():
                self._tell(state, offset, watch.contract, watch.fold(family, start, end, panes))
        for _, watch in state.contracts.values():
            self._tell(state, offset, watch.contract, watch.passed(family, line))
            for missed in watch.missed(family, line):
                self._write(state, offset, silence_told(watch.contract, missed))

    def _stand(self, state: Partition) -> None:
        """Tell how every promise stands, of slices that are told nothing of too. Said again it is the same."""
        lines = {Family(family): line for family, line in state.frontiers.line.items() if line > BEGINNING}
        for _, watch in state.contracts.values():
            if len(watch.slices):
                block = standings_told(watch, state.source.partition, lines)
                state.told.append(Message(self.outputs.standings, 0, block))

    def _look_after(self, state: Partition, offset: int) -> None:
        """Tell what keeps this from judging all it should."""
        troubles, now_ns = state.troubles, state.log_ns
        seen = (
            *troubles.of_sources(state.frontiers, now_ns),
            *troubles.of_contracts(state.texts.keys() - state.contracts.keys()),
            *troubles.of_slices(watch.slices for _, watch in state.contracts.values()),
        )
        for one in troubles.look(seen, now_ns):
            self._write(state, offset, one)
            state.moved = True

    def _tell(self, state: Partition, offset: int, contract: Contract, changes: Iterable[Change]) -> None:
        for change in changes:
            self._write(state, offset, alert(contract, change))

    def _write(self, state: Partition, offset: int, one: Alert) -> None:
        made = told.told(one, state.source, offset, self.policy.grafana_url)
        state.told.append(told.message(made, self.outputs.alerts))

    def _change(self, state: Partition, offset: int, texts: Texts) -> None:
        """From here on these contracts hold. What one of them asks as before goes on; what none asks any more ends."""
        state.moved = True
        before, state.texts = state.texts, texts
        for name in sorted(before.keys() | texts.keys()):
            if before.get(name) == texts.get(name):
                continue
            state.troubles.forget(name)
            known = state.contracts.pop(name, None)
            was = watched(*known) if known is not None else None
            if name in texts:
                self._begin(state, name, texts[name], was)
            elif was is not None:
                state.ends += out_of_force.ended(name, was, None, out_of_force.REMOVED, state.frontiers.line)
        self._end(state, offset)

    def _begin(self, state: Partition, name: str, text: str, was: snapshots.Watched | None) -> None:
        state.texts[name] = text
        contract, watch = self.read(name, text), None
        if contract is not None:
            watch = ContractWatch.of(contract, self.policy.hour_ns, self.policy.most_slices, self._here(state))
            if was is not None:
                snapshots.restore(watch, was)
            watch.silence.expect(self._watched_here(state, contract))
            state.contracts[name] = (text, watch)
        if was is not None:
            state.ends += out_of_force.ended(name, was, watch, out_of_force.UNREADABLE, state.frontiers.line)

    def _here(self, state: Partition) -> Here:
        """Whether the panes of a route come to this partition; to one that was added since this worker started may come any."""
        mine, of = state.source.partition, self.policy.partitions
        return lambda environment, route: mine >= of or partition_of(route_key(environment, route), of) == mine

    def _watched_here(self, state: Partition, contract: Contract) -> set[tuple[str, str]]:
        """Routes that the contract names exactly, environment and all, and whose panes come to this partition."""
        return {
            (environment, route)
            for environment in contract.environments
            for route in contract.routes
            if not SIGNS & {*environment, *route}
            and partition_of(route_key(environment, route), self.policy.partitions) == state.source.partition
        }

    def _end(self, state: Partition, offset: int) -> None:
        """Told by a message that is judged, so that it has an id."""
        for one in state.ends:
            self._write(state, offset, one)
        state.moved |= bool(state.ends)
        state.ends = []

    def _ask(self, state: Partition, now_ns: int) -> list[Message]:
        """Once an owner has caught up: the wish for the contracts that were applied, while the log is judged by others."""
        wanted = self.wanted()
        if wanted is None or wanted == state.texts or state.position < state.judged or now_ns - state.asked_at_ns < ASK_EVERY_NS:
            return []
        state.asked_at_ns = now_ns
        return [Message(state.source.topic, state.source.partition, msgspec.json.encode(wanted), CONTRACTS_KEY)]

    def _status(self, state: Partition, now_ns: int) -> list[Message]:
        """What the Operations board shows of this partition."""
        if now_ns - state.status_at_ns < STATUS_EVERY_NS or state.position < state.judged:
            return []
        state.status_at_ns = now_ns
        watches = [watch for _, watch in state.contracts.values()]
        metrics = {
            "contracts": len(watches),
            "contracts_unreadable": len(state.texts) - len(watches),
            "slices": sum(len(watch.slices) for watch in watches),
            "slices_left_out": sum(watch.slices.left_out for watch in watches),
            "alarms": sum(int((asked.alarms.firing > 0).sum()) for watch in watches for asked in watch.asked),
            "late_panes": state.waiting.late,
            "unreadable": state.unreadable,
            "sources_left_out": len(state.frontiers.left_out(state.log_ns)),
            "held_offsets": state.position - state.waiting.held_from(state.position),
        } | {f"{name}_not_written": number for name, number in state.written.left_out.items()}
        where = f"{state.source.topic}:{state.source.partition}"
        rows = [
            {"time_ns": now_ns, "stage": self.name, "source": where, "metric": metric, "value": float(value)}
            for metric, value in metrics.items()
        ]
        return [Message(self.outputs.status, 0, encode_rows(STATUS, rows))]

    def _progress(self, state: Partition, now_ns: int) -> Progress | None:
        """What is known, with the offset it stands for, when windows were judged; not more often than told."""
        if not state.moved or state.position < state.judged or now_ns - state.written_at_ns < self.policy.snapshot_every_ns:
            return None
        state.moved, state.written_at_ns = False, now_ns
        said = written(
            state.contracts, state.texts, state.frontiers, state.log_ns, state.troubles.firing, state.written.next_room
        )
        if said.told != state.written.told:
            self.say(f"{state.source.topic}:{state.source.partition}: {said.told or 'all that is known is written down again'}")
        state.written = said
        if said.text is None:
            return None
        line = state.frontiers.line.get(Family.CALLS, BEGINNING)
        return Progress(state.waiting.held_from(state.position), max(state.position, state.judged), line, beside=said.text)
