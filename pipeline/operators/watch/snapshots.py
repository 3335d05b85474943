"""State of contracts written down, so that nobody has to fold days again: columns as bytes, compressed.

A question that a new version of its contract still asks as before goes on where it was; one that it asks otherwise begins anew.
What would be too long for a message is written without the tails: quantiles are then unknown for the length of a window after a
restart, evidence is not.
"""

import zlib
from base64 import b64decode, b64encode
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from pipeline.operators.contracts.scope import is_for
from pipeline.operators.watch.asked import Asked
from pipeline.operators.watch.contract_watch import ContractWatch
from pipeline.operators.watch.early import Early
from pipeline.operators.watch.frontiers import Frontiers, Topic
from pipeline.operators.watch.questions import Question
from pipeline.operators.watch.releases import Names
from pipeline.operators.watch.silence import Silence
from pipeline.operators.watch.slices import Slice
from pipeline.operators.watch.sliding import Sliding
from pipeline.operators.watch.tails import Tail
from pipeline.operators.watch.troubles import Trouble

MOST_BYTES = 15 << 20
"""Of a snapshot; a message of watch-state may have 16 MB."""

Columns = dict[str, tuple[bytes, tuple[int, ...]]]

Texts = dict[str, str]
"""Texts of contracts, by name."""


class State(msgspec.Struct):
    """Of one question: its parts' columns, and which part of its rings is the newest."""

    parts: dict[str, Columns]
    at: dict[str, int]


class Said(msgspec.Struct):
    """Of one question what its alerts say, so that one can be ended though its contract cannot be read any more."""

    kind: str
    rule: str
    metric: str
    unit: str
    severity: str
    family: str
    window_ns: int
    short_ns: int


class Quiet(msgspec.Struct):
    """Of what is missed. expected: routes by name, since when, and since when they are missed."""

    known: Columns
    at_ns: int
    hour: int
    expected: list[tuple[str, str, int, int]]
    seen: list[tuple[str, str]]


class Watched(msgspec.Struct):
    """State of one contract. said: by identity the questions that share it; one may be called by several rules."""

    text: str
    slices: list[tuple[str, str, list[tuple[str, str]]]]
    asked: dict[str, State]
    hours: dict[str, int]
    releases: Names
    version: int = 0
    hash: str = ""
    owner: str = ""
    said: dict[str, list[Said]] = {}
    quiet: Quiet | None = None


class Snapshot(msgspec.Struct):
    """All of a partition. unread: texts in force that could not be read. troubles: those that fire, by rule."""

    contracts: dict[str, Watched]
    topics: dict[str, dict[str, Topic]]
    line: dict[str, int]
    log_ns: int
    unread: Texts = {}
    troubles: dict[str, Trouble] = {}


_snapshot = msgspec.msgpack.Decoder(Snapshot)


def written(
    contracts: dict[str, tuple[str, ContractWatch]], texts: Texts, frontiers: Frontiers, log_ns: int, troubles: dict[str, Trouble]
) -> str:
    """The snapshot as text. contracts: by name, text and state. texts: of all in force, those that cannot be read too."""
    all_watched = {name: watched(text, watch) for name, (text, watch) in contracts.items()}
    unread = {name: text for name, text in texts.items() if name not in contracts}
    snapshot = Snapshot(all_watched, frontiers.topics, frontiers.line, log_ns, unread, troubles)
    said = _written(snapshot)
    if len(said) <= MOST_BYTES:
        return said
    for one in all_watched.values():
        for state in one.asked.values():
            state.parts.pop("tail", None)
    return _written(snapshot)


def _written(snapshot: Snapshot) -> str:
    return b64encode(zlib.compress(msgspec.msgpack.encode(snapshot), 1)).decode()


def watched(text: str, watch: ContractWatch) -> Watched:
    """State of one contract."""
    slices = [(one.environment, one.route, list(one.values)) for one in watch.slices.found]
    said: dict[str, list[Said]] = {}
    for asked in watch.asked:
        said.setdefault(asked.question.identity, []).append(as_told(asked.question))
    return Watched(
        text,
        slices,
        {asked.question.identity: _state(asked) for asked in watch.asked},
        dict(watch.hours),
        {
            environment: {route: dict(names) for route, names in routes.items()}
            for environment, routes in watch.releases.names.items()
        },
        watch.contract.version,
        watch.contract.hash,
        watch.contract.owner,
        said,
        _quiet(watch.silence),
    )


def _quiet(silence: Silence) -> Quiet:
    silence.grow()
    known = {name: _packed(column) for name, column in silence.known.columns.items()}
    expected = [(*place, *since) for place, since in silence.expected.items()]
    return Quiet(known, silence.at_ns, silence.hour, expected, sorted(silence.seen))


def as_told(question: Question) -> Said:
    """What its alerts say."""
    metric = question.metric
    return Said(
        question.kind.value,
        question.rule,
        metric.name,
        metric.unit.value,
        question.severity.value,
        metric.family.value,
        question.window_ns,
        question.short_ns,
    )


def read(said: str) -> Snapshot:
    """Raises ValueError for anything else."""
    try:
        return _snapshot.decode(zlib.decompress(b64decode(said)))
    except (zlib.error, msgspec.MsgspecError) as error:
        raise ValueError(f"no snapshot: {error}") from None


def restore(watch: ContractWatch, was: Watched) -> None:
    """Give a contract that has seen nothing what its questions knew. An alarm that is called otherwise now is raised anew."""
    kept = [_keep(watch, Slice(where[0], where[1], tuple((c, v) for c, v in where[2]))) for where in was.slices]
    watch.hours, watch.releases.names = dict(was.hours), was.releases
    if was.quiet is not None:
        _miss(watch.silence, was.quiet, np.array(kept, np.bool_))
    for asked in watch.asked:
        known = was.asked.get(asked.question.identity)
        if known is not None:
            _fill(asked, known, np.array(kept, np.bool_))
            said = was.said.get(asked.question.identity, ())
            if said and asked.question.rule not in {one.rule for one in said}:
                asked.alarms.forget(np.ones(len(asked.alarms.firing), np.bool_))
        asked.grow(len(watch.slices))


def _miss(silence: Silence, was: Quiet, kept: NDArray[np.bool_]) -> None:
    for name in silence.known.columns:
        setattr(silence.known, name, array(*was.known[name])[kept])
    silence.grow()
    silence.at_ns, silence.hour, silence.seen = was.at_ns, was.hour, set(was.seen)
    silence.expected = {(environment, route): (since, fired) for environment, route, since, fired in was.expected}


def _keep(watch: ContractWatch, one: Slice) -> bool:
    """Whether the contract still speaks of a slice; then it is one."""
    speaks = tuple(column for column, _ in one.values) in watch.contract.slices
    return speaks and is_for(watch.contract, one.environment, one.route, *_any(watch)) and watch.slices.add(one) >= 0


def _any(watch: ContractWatch) -> tuple[str, str]:
    """A model and a release it speaks of: which ones, the series says."""
    return watch.contract.models[0], watch.contract.releases[0]


def _state(asked: Asked) -> State:
    parts = {part: {name: _packed(column) for name, column in getattr(asked, part).columns.items()} for part in asked.PARTS}
    return State(parts, {part: getattr(asked, part).at for part in _rings(asked)})


def _rings(asked: Asked) -> list[str]:
    return [part for part in asked.PARTS if isinstance(getattr(asked, part), Sliding)]


def _fill(asked: Asked, known: State, kept: NDArray[np.bool_]) -> None:
    for part in asked.PARTS:
        state = getattr(asked, part)
        if isinstance(state, Tail | Early):
            state.restore({name: array(*column) for name, column in known.parts.get(part, {}).items()}, kept)
            continue
        for name in state.columns:
            column = array(*known.parts[part][name])[kept]
            setattr(state, name, column.astype(getattr(state, name).dtype))
    for part in _rings(asked):
        getattr(asked, part).at = known.at[part]


def _packed(array: NDArray[np.float64]) -> tuple[bytes, tuple[int, ...]]:
    return np.ascontiguousarray(array, "<f8").tobytes(), array.shape


def array(data: bytes, shape: tuple[int, ...]) -> Any:
    """A column that was written down."""
    return np.frombuffer(data, "<f8").reshape(shape).copy()
