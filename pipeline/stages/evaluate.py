"""evaluate: samples in; scores out. A trace that is over is judged by every evaluator whose share it is in.

Which traces those are, and by what share, is a function of the log. Judging takes seconds and money: the stage says in its
effects what is to be asked, holds the offset until it hears the answers, and writes a score for each evaluator, also where there
is no value. What it wrote of an offset it says in the progress, so that a successor judges nothing twice that is in the log.
"""

from collections import defaultdict, deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from pipeline.evaluators.protocol import Configured
from pipeline.model.asks import Answered, Ask
from pipeline.model.columns import DEAD_LETTERS, SCHEMA_VERSION, SCORES, SERIES, STATUS
from pipeline.model.log_time import BEGINNING, LogTime, WindowPolicy
from pipeline.model.reasons import Reason
from pipeline.model.scores import Score, ScoreStatus
from pipeline.model.stream import Effects, Message, Progress, Record, Source
from pipeline.operators import eras
from pipeline.operators.assemble import COHORT, ROUTE, Judged, assembled
from pipeline.operators.blocks import by_column, encode_bounded, encode_rows
from pipeline.operators.budget import Budget, Spent
from pipeline.operators.decode.accounts import DeadSpan, dead_letter
from pipeline.operators.log_marks import SETTINGS_KEY, TICKS_KEY, encode_settings, read_settings, read_ticks
from pipeline.operators.rates import Rates, Slice, Snapshot, configured, slice_of
from pipeline.operators.sample_log import SampleLog
from pipeline.operators.sample_rows import SampleRow, read_samples
from pipeline.operators.sampled_traces import Closed, Room
from pipeline.operators.sampling import is_in, randomness_of
from pipeline.operators.siphash import Key
from pipeline.topics import partition_of, route_key

STATUS_EVERY_NS = 10_000_000_000
ASK_EVERY_NS = 60_000_000_000
SCORER = "evaluate"
TOLD = {"traces": "sampled_traces", "chosen_by_another_key": "chosen_by_another_key"}
"""Counts that are none of scores, by what they are called in the status."""
CONTROL = "groundedness_lexical"
"""The evaluator whose value steadies the others' means."""

PERIOD_NS = 600_000_000_000
"""Shares follow the traffic in periods of ten minutes of event time."""


@dataclass(frozen=True, slots=True)
class Outputs:
    """Names and partition counts of what evaluate writes."""

    scores: str
    dead_letters: str
    status: str
    scores_partitions: int


@dataclass(frozen=True, slots=True)
class JudgePolicy:
    """What is judged, and for how much.

    rate: share of traces a judge is asked about unless its configuration says another. floor: traces of a slice that are judged
    in an hour in this partition, if there are so many. hour_nusd, day_nusd: what judges may cost in this partition, None: any.
    """

    evaluators: tuple[Configured, ...]
    rate: float
    floor: float
    key: Key
    hour_nusd: int | None = None
    day_nusd: int | None = None
    most_asked: int = 1024


class Beside(msgspec.Struct, frozen=True):
    """What stands in the progress beside the log's time. rates: as of `folded`; spent: as of now."""

    rates: Snapshot = Snapshot()
    spent: Spent = Spent()


@dataclass(slots=True)
class Partition:
    """State of one partition in one generation.

    asked: traces that are not judged. waiting: those of them nobody is asked about yet. out, out_size: the others, and what they
    hold.
    """

    source: Source
    log: SampleLog
    rates: Rates
    budget: Budget
    asked: dict[tuple[int, str], "Asked"] = field(default_factory=dict)
    waiting: deque[tuple[int, str]] = field(default_factory=deque)
    out: int = 0
    out_size: int = 0
    rows: list[dict[str, Any]] = field(default_factory=list)
    dead: list[dict[str, Any]] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    status_at_ns: int = BEGINNING
    progress_at_ns: int = BEGINNING
    asked_at_ns: int = 2 * BEGINNING
    progress: Progress | None = None


@dataclass(frozen=True, slots=True)
class Asked:
    """A trace that is being judged. size: as in `Room`. shares: of each evaluator, asked or not; told: scores that are known
    already; reserved: what was set aside for each that is asked.
    """

    judged: Judged
    size: int
    shares: dict[int, float]
    told: dict[int, Score]
    reserved: dict[int, int]


@dataclass(frozen=True, slots=True)
class Evaluate:
    """The stage, as the worker connector runs it."""

    policy: WindowPolicy
    judging: JudgePolicy
    outputs: Outputs
    room: Room
    progress_every_ns: int
    finest_ns: int = 1_000_000_000
    name: str = "evaluate"

    def is_full(self, state: Partition) -> bool:
        """Whether more is being judged than there is room for."""
        return bool(state.waiting) or not self._has_room(state)

    def _has_room(self, state: Partition) -> bool:
        return state.out < self.judging.most_asked and state.out_size < self.room.of_all

    def first(self) -> Progress:
        """A log nobody has read."""
        return Progress(0, 0, BEGINNING, eras=eras.first(self.policy))

    def open(self, source: Source, progress: Progress | None) -> Partition:
        """An empty partition that continues from `progress`."""
        known = progress or self.first()
        beside = _read_beside(known.beside)
        reached = LogTime(known.watermark_ns, known.clock, known.eras or eras.first(self.policy))
        log = SampleLog(known.begin or reached, known.committed, known.folded, reached, self.room)
        floor = self.judging.floor * PERIOD_NS / 3_600_000_000_000
        budget = Budget.of(beside.spent, self.judging.hour_nusd, self.judging.day_nusd)
        return Partition(source, log, Rates.of(beside.rates, floor), budget, progress=progress)

    def step(self, state: Partition, batch: Sequence[Record], now_ns: int) -> tuple[Partition, Effects]:
        """Fold the batch, say what is to be judged, write what is, and say how far the partition has come."""
        for record in batch:
            self._fold(state, record)
        asks = tuple(self._asks(state, now_ns))
        messages = (*self._out(state), *self._status(state, now_ns), *self._ask_for_settings(state, now_ns))
        # Before anybody is asked the progress says what it may cost.
        return state, Effects(messages=messages, progress=self._progress(state, now_ns, bool(messages or asks)), asks=asks)

    def heard(self, state: Partition, answers: Sequence[Answered]) -> None:
        """Scores have come: they are written by the next step."""
        for answered in answers:
            ask = answered.ask
            asked = state.asked.pop((ask.position, ask.trace_id))
            state.out, state.out_size = state.out - 1, state.out_size - asked.size
            scores = dict(zip(ask.evaluators, answered.scores, strict=True))
            for i, score in scores.items():
                if i in asked.reserved:
                    state.budget.settle(_slice(asked.judged), asked.reserved[i], _spent(score, asked.reserved[i]))
            self._write(state, ask.position, asked, asked.told | scores)
            state.log.answered(ask.position)

    def _fold(self, state: Partition, record: Record) -> None:
        log, value = state.log, record.value or b""
        if record.offset < log.begin:
            return
        before = state.rates.snapshot()
        try:
            if record.key == TICKS_KEY:
                over = log.tick(record.offset, record.timestamp_ns, read_ticks(value))
            elif record.key == SETTINGS_KEY:
                log.change(record.offset, record.timestamp_ns, read_settings(value, self.finest_ns))
                return
            else:
                over = log.fold(record.offset, record.timestamp_ns, _block(record))
        except ValueError as error:
            log.skip(record.offset, record.timestamp_ns)
            if record.offset >= log.judged:
                state.dead.append(dead_letter(DeadSpan(record, -1, Reason.MALFORMED_BLOCK, str(error)[:200]), False))
            return
        for closed in over:
            if record.offset >= log.judged:
                self._judge(state, record.offset, closed, before)

    def _judge(self, state: Partition, position: int, closed: Closed, before: Snapshot) -> None:
        """A trace is over: those whose share it is in are to be asked."""
        judged = assembled(closed)
        one, random = _slice(judged), randomness_of(judged.trace_id, self.judging.key)
        if not is_in(random, judged.ceiling):  # decode chose it by another key: nobody knows with which probability
            state.counts["chosen_by_another_key"] += 1
            return
        state.rates.roll(state.log.watermark.ns // PERIOD_NS, judged.ceiling)
        state.rates.count(one)
        state.counts["traces"] += 1
        shares = {i: self._share(state, each, judged, one) for i, each in enumerate(self.judging.evaluators)}
        chosen = {i: share for i, share in shares.items() if is_in(random, share)}
        if not chosen:
            return
        state.asked[position, judged.trace_id] = Asked(judged, sum(row.held for row in closed.rows), chosen, {}, {})
        state.waiting.append((position, judged.trace_id))
        state.log.asked(position, before)

    def _asks(self, state: Partition, now_ns: int) -> Iterator[Ask]:
        """What is asked now, in the order in which traces were over; one message may close more than there is room for."""
        while state.waiting and self._has_room(state):
            position, trace_id = state.waiting.popleft()
            asked = state.asked[position, trace_id]
            state.out, state.out_size = state.out + 1, state.out_size + asked.size
            to_ask = tuple(i for i in asked.shares if self._is_affordable(state, asked, i, now_ns))
            yield Ask(position, trace_id, asked.judged.sample, to_ask)

    def _share(self, state: Partition, each: Configured, judged: Judged, one: Slice) -> float:
        """The share of a slice's traces that an evaluator judges; without a judge all there are, unless it says otherwise."""
        otherwise = self.judging.rate if each.evaluator.judge else 1.0
        rate = otherwise if each.rate is None else each.rate
        rate = configured(configured(rate, each.routes, judged.series[ROUTE]), each.cohorts, judged.series[COHORT])
        return state.rates.share(one, rate, judged.ceiling) if each.evaluator.judge else min(rate, judged.ceiling)

    def _is_affordable(self, state: Partition, asked: Asked, i: int, now_ns: int) -> bool:
        """Whether evaluator `i` is to be asked; else its score is known already. What it may cost is set aside."""
        evaluator = self.judging.evaluators[i].evaluator
        limited = self.judging.hour_nusd is not None or self.judging.day_nusd is not None
        if not evaluator.judge or not limited:
            return True
        most = getattr(evaluator, "most_nusd", lambda _: None)(asked.judged.sample)
        if most is None:
            asked.told[i] = Score(ScoreStatus.OVER_BUDGET, reason="there is a budget, and nobody knows what the judge costs")
            return False
        if not state.budget.reserve(_slice(asked.judged), most, now_ns):
            asked.told[i] = Score(ScoreStatus.OVER_BUDGET, reason="the budget of this hour or day is spent")
            return False
        asked.reserved[i] = most
        return True

    def _write(self, state: Partition, position: int, asked: Asked, scores: dict[int, Score]) -> None:
        """A row for each evaluator."""
        judged = asked.judged
        names = {each.evaluator.name: i for i, each in enumerate(self.judging.evaluators)}
        control = scores.get(names.get(CONTROL, -1))
        for i, share in asked.shares.items():
            evaluator, score = self.judging.evaluators[i].evaluator, scores[i]
            state.counts[score.status.value] += 1
            state.rows.append(
                dict(zip(SERIES, judged.series, strict=True))
                | {
                    "trace_id": judged.trace_id,
                    "evaluator": evaluator.name,
                    "evaluator_version": evaluator.version,
                    "scorer": SCORER,
                    "status": score.status.value,
                    "value": score.value,
                    "passed": score.passed,
                    "label": score.label,
                    "status_reason": score.reason,
                    "explanation": score.explanation,
                    "inclusion_probability": share,
                    "control": control.value if control is not None else None,
                    "control_probability": asked.shares.get(names.get(CONTROL, -1), 0.0),
                    "incomplete": judged.sample.incomplete,
                    "trace_ns": judged.trace_ns,
                    "judge_model": score.judge_model,
                    "prompt_hash": score.prompt_hash,
                    "judge_input_tokens": score.judge_input_tokens,
                    "judge_output_tokens": score.judge_output_tokens,
                    "judge_cost_nusd": score.judge_cost_nusd,
                    "source": str(state.source),
                    "offset": position,
                    "settled": 0,
                    "schema_version": SCHEMA_VERSION,
                }
            )

    def _out(self, state: Partition) -> list[Message]:
        """Scores by partition of their route, and dead letters."""
        parted: dict[int, list[dict[str, Any]]] = defaultdict(list)
        settled = state.progress.folded if state.progress is not None else 0
        for row in state.rows:
            row["settled"] = settled
            parted[partition_of(route_key(row["environment"], row["route"]), self.outputs.scores_partitions)].append(row)
        messages = [
            Message(self.outputs.scores, p, block)
            for p, rows in sorted(parted.items())
            for block in encode_bounded(SCORES, by_column(SCORES, rows))
        ]
        side = partition_of(str(state.source), self.outputs.scores_partitions)
        dead = encode_bounded(DEAD_LETTERS, by_column(DEAD_LETTERS, state.dead))
        messages += [Message(self.outputs.dead_letters, side, block) for block in dead]
        state.rows, state.dead = [], []
        return messages

    def _ask_for_settings(self, state: Partition, now_ns: int) -> list[Message]:
        """Once an owner has caught up: the wish for our settings, while the log is judged by others."""
        log = state.log
        if log.position < log.judged or log.eras[-1].policy == self.policy or now_ns - state.asked_at_ns < ASK_EVERY_NS:
            return []
        state.asked_at_ns = now_ns
        return [Message(state.source.topic, state.source.partition, encode_settings(self.policy), SETTINGS_KEY)]

    def _status(self, state: Partition, now_ns: int) -> list[Message]:
        """What the Operations board shows of this partition; nothing while it is folded again."""
        log = state.log
        if now_ns - state.status_at_ns < STATUS_EVERY_NS or log.position < log.judged:
            return []
        state.status_at_ns = now_ns
        metrics: dict[str, float] = {
            "watermark_delay_ns": float(now_ns - log.watermark.ns) if log.watermark.ns > BEGINNING else -1.0,
            "open_samples": len(log.traces),
            "sample_chars": log.traces.size,
            "late_for_sample": log.traces.late,
            "known_samples": log.traces.known,
            "forgotten_samples": log.traces.forgotten,
            "asked": len(state.asked),
            "held_offsets": log.position - log.held()[0],
            "judged_nusd": state.budget.today,
            **{TOLD.get(name, f"scores_{name}"): count for name, count in state.counts.items()},
        }
        where = f"{state.source.topic}:{state.source.partition}"
        rows = [
            {"time_ns": now_ns, "stage": self.name, "source": where, "metric": metric, "value": float(value)}
            for metric, value in metrics.items()
        ]
        return [Message(self.outputs.status, 0, encode_rows(STATUS, rows))]

    def _progress(self, state: Partition, now_ns: int, wrote: bool) -> Progress | None:
        """How far the partition has come, at most once per `progress_every_ns`; None while it is folded again or unchanged."""
        log = state.log
        if log.position < log.judged or (not wrote and now_ns - state.progress_at_ns < self.progress_every_ns):
            return None
        committed, begin = log.held()
        settled = log.settled
        stood = log.now() if settled == log.position else log.stood(settled)[1]
        beside = Beside(log.settled_rates(state.rates), state.budget.snapshot())
        said = msgspec.json.encode(beside).decode()
        progress = Progress(committed, settled, stood.watermark_ns, stood.clock, log.eras, begin, (), said)
        if progress == state.progress:
            return None
        state.progress_at_ns, state.progress = now_ns, progress
        return progress


def _block(record: Record) -> list[SampleRow]:
    """The samples of a message. Raises ValueError; also under a key nobody knows."""
    if record.key is not None:
        raise ValueError("a key nobody knows")
    return read_samples(record.value or b"")


def _slice(judged: Judged) -> Slice:
    return slice_of(judged.series[0], judged.series[ROUTE], judged.series[COHORT])


def _spent(score: Score, reserved: int) -> int:
    """What a judgement has cost, as far as anybody can say: never less than it did."""
    if score.judge_cost_nusd is None and score.judge_unsure_nusd is None:
        return reserved
    return (score.judge_cost_nusd or 0) + (score.judge_unsure_nusd or 0)


def _read_beside(said: str) -> Beside:
    return msgspec.json.decode(said, type=Beside) if said else Beside()
