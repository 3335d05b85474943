"""A snapshot that fits into a message: what of the state is left out of it where it would be too long.

In this order, and no more than it takes, of the slices with the fewest calls first: counts around the bounds of quantiles; what
is compared with what was before; what objectives know; what is known of silences. If that is not enough, all but alarms
that are firing. The state itself goes on: only an owner that begins with such a snapshot knows less, and what it does not know
begins anew. An alarm that is firing, and all that its slice knows of its question, stays.

How much fits is guessed from how long the last one was, so it is seldom compressed twice.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from pipeline.operators.watch.contract_watch import ContractWatch
from pipeline.operators.watch.drafts import PARTS, Draft
from pipeline.operators.watch.frontiers import Frontiers
from pipeline.operators.watch.packed import Floats
from pipeline.operators.watch.snapshots import Mask, Snapshot, Texts, Watched, text_of
from pipeline.operators.watch.troubles import Trouble

Ranks = NDArray[np.int64]

MOST_BYTES = 15 << 20
"""Of a snapshot; a message of watch-state may have 16 MB."""

ROOMY = float(len(PARTS))
"""Room for all of PARTS. The first is left out first, as far as the room above the others does not hold it: 3.2 is a fifth of the
slices of the first, 1.5 nothing of two and half of the third.
"""

TRIES = 5
"""How often it is tried with less, before nothing is kept but alarms."""

AIMED_AT, SPACIOUS = 0.92, 0.8
"""Of MOST_BYTES: what less is to take; and below what more is tried."""


@dataclass(frozen=True, slots=True)
class Written:
    """text: of the snapshot; None where not even alarms are short enough. left_out: by name of how many slices, counted once for
    each question. next_room: what is to be tried next. tries: how often it was compressed.
    """

    text: str | None = None
    left_out: Mapping[str, int] = field(default_factory=lambda: dict.fromkeys(PARTS, 0))
    next_room: float = ROOMY
    tries: int = 0

    @property
    def told(self) -> str:
        """What an operator should know; "" where all is written."""
        if self.text is None and self.tries:
            return "nothing that is known is written down, for not even alarms that are firing fit into a message of watch-state"
        names = [name for name, number in self.left_out.items() if number]
        if not names:
            return ""
        return f"what is known of the {', '.join(names)} of slices with few calls does not fit into a message of watch-state"


ALL = Written()
"""Nothing was left out."""


def written(
    contracts: dict[str, tuple[str, ContractWatch]],
    texts: Texts,
    frontiers: Frontiers,
    log_ns: int,
    troubles: dict[str, Trouble],
    room: float = ROOMY,
) -> Written:
    """The snapshot as text of at most MOST_BYTES. contracts: by name, text and state. texts: of all in force, those that cannot
    be read too. room: to begin with.
    """
    unread = {name: text for name, text in texts.items() if name not in contracts}
    drafts = [Draft(name, *one) for name, one in contracts.items()]

    def text(all_watched: Iterable[Watched]) -> str:
        named = {one.name: what for one, what in zip(drafts, all_watched, strict=True)}
        return text_of(Snapshot(named, frontiers.topics, frontiers.line, log_ns, unread, troubles))

    ranks = _ranks([one.calls() for one in drafts]) if room < ROOMY else []
    for tries in range(1, TRIES + 1):
        said = text([one.watched(kept) for one, kept in zip(drafts, _kept(ranks, room, len(drafts)), strict=True)])
        filled = len(said) / MOST_BYTES
        if filled <= 1 and (room == ROOMY or filled >= SPACIOUS):
            return Written(said, _left_out(drafts), room, tries)
        fitting = _room(drafts, room, AIMED_AT / filled)
        if filled <= 1:
            return Written(said, _left_out(drafts), max(room, fitting), tries)
        ranks = ranks or _ranks([one.calls() for one in drafts])
        if not room:
            break
        room = min(fitting, 0.95 * room) if tries < TRIES - 1 else 0.0
    said = text([one.firing() for one in drafts])
    return Written(said if len(said) <= MOST_BYTES else None, _left_out(drafts), 0.0, tries + 1)


def _shares(room: float) -> Floats:
    """By part the share of slices that is kept."""
    return np.clip(room - np.arange(len(PARTS))[::-1], 0.0, 1.0)


def _ranks(calls: Sequence[Floats]) -> list[Ranks]:
    """Of each slice of each contract, its place among all of them; 0 has the most calls."""
    order = np.argsort(-np.concatenate((*calls, np.zeros(0))), kind="stable")
    ranks = np.empty(len(order), np.int64)
    ranks[order] = np.arange(len(order))
    return np.split(ranks, np.cumsum([len(one) for one in calls]))[:-1]


def _kept(ranks: Sequence[Ranks], room: float, drafts: int) -> Iterator[dict[str, Mask] | None]:
    if room == ROOMY:
        yield from [None] * drafts
        return
    slices = sum(len(one) for one in ranks)
    for one in ranks:
        yield {part: one < round(share * slices) for part, share in zip(PARTS, _shares(room), strict=True)}


def _room(drafts: Sequence[Draft], room: float, times: float) -> float:
    """For so many times the numbers that this one has room for."""
    *numbers, always = sum((one.numbers() for one in drafts), np.zeros(len(PARTS) + 1))
    left, found = times * (always + numbers @ _shares(room)) - always, 0.0
    for number in numbers[::-1]:
        share = min(1.0, max(0.0, left) / number) if number else 1.0
        found, left = found + share, left - share * number
        if share < 1:
            break
    return found


def _left_out(drafts: Sequence[Draft]) -> dict[str, int]:
    return {part: sum(one.left_out[part] for one in drafts) for part in PARTS}
