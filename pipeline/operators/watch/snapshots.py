"""State of contracts written down, so that nobody has to fold days again: columns as bytes, compressed.

A question that a new version of its contract still asks as before goes on where it was; one that it asks otherwise begins anew.
What is written down of it, and what not where it would be too long, says `written.py`.
"""

import sys
import zlib
from base64 import b64decode, b64encode
from typing import TypeVar

import msgspec
import numpy as np
from numpy.typing import NDArray

from pipeline.model.alerts import AlertKind
from pipeline.operators.evidence.cells import Cells
from pipeline.operators.evidence.release import Baseline
from pipeline.operators.watch.asked import Alarms, Asked
from pipeline.operators.watch.contract_watch import ContractWatch
from pipeline.operators.watch.early import Early
from pipeline.operators.watch.frontiers import Topic
from pipeline.operators.watch.packed import Packed, packed, unpacked
from pipeline.operators.watch.questions import Question
from pipeline.operators.watch.releases import Names
from pipeline.operators.watch.silence import Known, Silence
from pipeline.operators.watch.slices import Slice
from pipeline.operators.watch.sliding import Sliding
from pipeline.operators.watch.tails import Tail
from pipeline.operators.watch.troubles import Trouble
from pipeline.operators.watch.unscored import Heard

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

FAR: dict[int, int] = {
    zstd.CompressionParameter.compression_level: 3,
    zstd.CompressionParameter.enable_long_distance_matching: 1,
    zstd.CompressionParameter.window_log: 27,
}
"""Questions of one measure count the same calls, megabytes apart: what was said already is found in the last 128 MB."""

ZSTD = b"\x28\xb5\x2f\xfd"
"""How its frames begin (RFC 8878, 3.1.1); snapshots of before are of zlib."""

Mask = NDArray[np.bool_]
Columns = dict[str, Packed]

Texts = dict[str, str]
"""Texts of contracts, by name."""

OfCells = TypeVar("OfCells", bound=Cells)


class State(msgspec.Struct):
    """Of one question: its parts' columns, and which part of its rings is the newest.

    cells: of which slices; None: of all of them. What is sparse has the slices' numbers, whichever are written.
    """

    parts: dict[str, Columns]
    at: dict[str, int]
    cells: Packed | None = None


class Said(msgspec.Struct):
    """Of one question what its alerts say, so that one can be ended though its contract cannot be read any more. baseline:
    of a comparison; "" in snapshots of before.
    """

    kind: str
    rule: str
    metric: str
    unit: str
    severity: str
    family: str
    window_ns: int
    short_ns: int
    baseline: str = ""


class Quiet(msgspec.Struct):
    """Of what is missed. expected: routes by name, since when, and since when they are missed. cells: as of a State."""

    known: Columns
    at_ns: int
    hour: int
    expected: list[tuple[str, str, int, int]]
    seen: list[tuple[str, str]]
    cells: Packed | None = None


class Unheard(msgspec.Struct):
    """Of evaluators that are waited for: their places, and what is known of each."""

    places: list[tuple[str, str, str]]
    heard: Columns
    at_ns: int


class Watched(msgspec.Struct):
    """State of one contract. said: by identity the questions that share it; one may be called by several rules. hour_ns: of its
    evidence; 0 in snapshots of before. silent: of its slices, since how many hours; None in snapshots of before.
    """

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
    hour_ns: int = 0
    silent: Packed | None = None
    unheard: Unheard | None = None

    def has_hours_of(self, watch: ContractWatch) -> bool:
        """Whether its hours are those of `watch`: numbers of other hours mean nothing to it."""
        return self.hour_ns in (0, watch.hour_ns)


class Snapshot(msgspec.Struct):
    """All of a partition. unread: texts in force that could not be read. troubles: those that fire, by rule."""

    contracts: dict[str, Watched]
    topics: dict[str, dict[str, Topic]]
    line: dict[str, int]
    log_ns: int
    unread: Texts = {}
    troubles: dict[str, Trouble] = {}


_snapshot = msgspec.msgpack.Decoder(Snapshot)


def text_of(snapshot: Snapshot) -> str:
    """As `read` reads it."""
    return b64encode(zstd.compress(msgspec.msgpack.encode(snapshot), options=FAR)).decode()


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
        question.baseline.value if question.baseline else "",
    )


def read(said: str) -> Snapshot:
    """Raises ValueError for anything else."""
    try:
        packed_up = b64decode(said)
        return _snapshot.decode(zstd.decompress(packed_up) if packed_up.startswith(ZSTD) else zlib.decompress(packed_up))
    except (zlib.error, zstd.ZstdError, msgspec.MsgspecError) as error:
        raise ValueError(f"no snapshot: {error}") from None


def restore(watch: ContractWatch, was: Watched) -> None:
    """Give a contract that has seen nothing what its questions knew. An alarm that is called otherwise now is raised anew.
    Of other hours nothing is taken.
    """
    if not was.has_hours_of(watch):
        return
    kept = _kept(watch, was)
    watch.hours, watch.releases.names = dict(was.hours), was.releases
    if was.silent is not None:
        watch.slices.silent = unpacked(was.silent)[kept]
    if was.quiet is not None:
        _miss(watch.silence, was.quiet, kept)
    if was.unheard is not None:
        _wait(watch, was.unheard)
    for asked in watch.asked:
        known = was.asked.get(asked.question.identity)
        if known is not None:
            _fill(asked, known, kept)
            said = was.said.get(asked.question.identity, ())
            of_before = not was.said and asked.question.kind is AlertKind.BURN_RATE  # all of a budget had one fingerprint then
            if of_before or (said and asked.question.rule not in {one.rule for one in said}):
                asked.alarms.forget(np.ones(len(asked.alarms.firing), np.bool_))
        asked.grow(len(watch.slices))


def whole(of: type[OfCells], columns: Columns, cells: Packed | None, slices: int) -> OfCells:
    """State of so many slices: what was written down; of the others, and in columns that there were not then, nothing."""
    found, mine = of.empty(slices), _mine(cells, slices)
    for name in found.columns.keys() & columns.keys():
        getattr(found, name)[mine] = unpacked(columns[name])
    return found


def _miss(silence: Silence, was: Quiet, kept: Mask) -> None:
    silence.known = whole(Known, was.known, was.cells, len(kept)).of(kept)
    silence.grow()
    silence.at_ns, silence.hour, silence.seen = was.at_ns, was.hour, set(was.seen)
    silence.expected = {(environment, route): (since, fired) for environment, route, since, fired in was.expected}


def _wait(watch: ContractWatch, was: Unheard) -> None:
    """For those that are still asked, of routes that are still watched here."""
    unscored, heard = watch.unscored, Heard.empty(len(was.places))
    for name in heard.columns.keys() & was.heard.keys():
        setattr(heard, name, unpacked(was.heard[name]))
    unscored.places, unscored.heard, unscored.at_ns = {place: i for i, place in enumerate(was.places)}, heard, was.at_ns
    stays = [one[2] in unscored.asked and watch.slices.speaks_of(Slice(*one[:2])) for one in was.places]
    unscored.keep(np.array(stays, np.bool_))


def _kept(watch: ContractWatch, was: Watched) -> Mask:
    """Of the slices there were, those that the contract still speaks of and whose panes still come here. If there is less room
    than before, those go first of which nothing is told, and of these the newest.
    """
    slices = [Slice(one[0], one[1], tuple((c, v) for c, v in one[2])) for one in was.slices]
    stays = np.array([watch.slices.speaks_of(one) for one in slices], np.bool_)
    order = np.argsort(~_told_of(was), kind="stable")
    stays[order[np.cumsum(stays[order]) > watch.slices.most]] = False
    for row in np.flatnonzero(stays):
        watch.slices.add(slices[row])
    return stays


def _told_of(was: Watched) -> Mask:
    """Of which slices an alarm is firing, or which are missed."""
    found = np.zeros(len(was.slices), np.bool_)
    for state in was.asked.values():
        found |= whole(Alarms, state.parts["alarms"], state.cells, len(found)).firing > 0
    if was.quiet is not None:
        found |= whole(Known, was.quiet.known, was.quiet.cells, len(found)).fired_ns > 0
    return found


def _fill(asked: Asked, known: State, kept: Mask) -> None:
    """kept: of all slices there were, those that are still."""
    parts = _without_few(known.parts)
    for part in asked.PARTS:
        state, columns = getattr(asked, part), parts.get(part)
        if not columns:
            continue  # left out, or written before there was such a part
        if isinstance(state, Tail | Early):
            state.restore({name: unpacked(column) for name, column in columns.items()}, kept)
        elif isinstance(state, Sliding):
            state.grow(int(kept.sum()))
            mine = _mine(known.cells, len(kept))
            for name, column in columns.items():
                getattr(state, name)[mine[kept]] = unpacked(column)[kept[mine]]
            state.at = known.at[part]
        else:
            if isinstance(state, Baseline) and "mean" in columns:
                columns = _by_hour(columns)
            setattr(asked, part, whole(type(state), columns, known.cells, len(kept)).of(kept))


def _without_few(parts: dict[str, Columns]) -> dict[str, Columns]:
    """Of an objective what its open stratum holds was written before without how many and since when: that one begins anew."""
    return {name: columns for name, columns in parts.items() if name != "opened" or columns.keys() != {"n", "s"}}


def _mine(cells: Packed | None, slices: int) -> Mask:
    return np.ones(slices, np.bool_) if cells is None else unpacked(cells) > 0


def _by_hour(columns: Columns) -> Columns:
    """A baseline as it was written before: mean and 1 / n of hours, those of the day where an hour has no calls; n of the day."""
    mean, inverse, all_n = (unpacked(columns[name]) for name in ("mean", "inverse", "n"))
    with np.errstate(all="ignore"):
        n = np.where(all_n[:, None] > 0, np.round(1 / inverse), 0.0)
    one = n.sum(1) > all_n  # some hours hold nothing and say what the day says; if all do, one holds all
    n[one] = np.where(n[one] < all_n[one, None], n[one], 0.0)
    n[:, 0] += np.where(n.sum(1) == 0, all_n, 0.0)
    return {"n": packed(n), "s": packed(np.where(n > 0, n * mean, 0.0))}
