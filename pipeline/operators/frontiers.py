"""Frontiers: how far a source has come, said in every partition of `panes`, so that a reader of one knows from the log alone
when a merged pane is complete, and tells silence from delay.

A frontier is written once the panes it speaks of are in the log (`Effects.then`). It may be repeated, and a successor or a
zombie may say less than was said before, which stays true: of a source the largest holds. Document:
`schemas/json/frontier.json`. Guarantee: `tests/laws/test_exactness.py`.
"""

from dataclasses import dataclass, field
from typing import Annotated, Literal

import msgspec

from pipeline.model.log_time import BEGINNING, END_OF_TIME
from pipeline.model.stream import Message
from pipeline.operators.eras import Eras, policy_at

FRONTIER_KEY = b"frontier"
"""Of a message of panes: it holds a frontier, no block."""

Family = Literal["calls", "traces", "scores"]
Boundary = Annotated[int, msgspec.Meta(ge=BEGINNING, le=END_OF_TIME)]


class Frontier(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How far `source`, a log id, has come; its topic has so many `partitions`, each of which is a source.

    on_time_ns: of every window of `family` that ends by then, what `source` has on time stands before this message; of traces
    and scores, which fire on time only when they are final, the same as final_ns. final_ns: likewise what is final.
    revision: offset up to which `source` was folded.
    """

    source: str
    partitions: Annotated[int, msgspec.Meta(ge=1)]
    family: Family
    on_time_ns: Boundary
    final_ns: Boundary
    revision: Annotated[int, msgspec.Meta(ge=0)]


_frontier = msgspec.json.Decoder(Frontier)


def encode_frontier(frontier: Frontier) -> bytes:
    """The value of a message with FRONTIER_KEY."""
    return msgspec.json.encode(frontier)


def read_frontier(value: bytes) -> Frontier:
    """Raises ValueError for anything else."""
    try:
        return _frontier.decode(value)
    except msgspec.MsgspecError as error:
        raise ValueError(str(error)) from None


@dataclass(slots=True)
class Frontiers:
    """What one owner of `source` says of it. topic, partitions: where it is said; sources: partitions of the source's topic."""

    topic: str
    partitions: int
    source: str
    sources: int
    _said: dict[Family, tuple[int, int]] = field(default_factory=dict)

    def passed(self, family: Family, on_time_ns: int, final_ns: int, revision: int) -> list[Message]:
        """The messages to say so; none if that was said, or no window of any time has passed yet."""
        reached = on_time_ns, final_ns
        if on_time_ns <= BEGINNING or reached == self._said.get(family):
            return []
        self._said[family] = reached
        said = Frontier(
            source=self.source,
            partitions=self.sources,
            family=family,
            on_time_ns=on_time_ns,
            final_ns=max(final_ns, BEGINNING),
            revision=revision,
        )
        return [Message(self.topic, p, encode_frontier(said), FRONTIER_KEY) for p in range(self.partitions)]


def ended(eras: Eras, passed_ns: int) -> int:
    """The last boundary of windows at or before `passed_ns`; BEGINNING if nothing has passed."""
    return int(policy_at(eras, passed_ns).start(passed_ns)) if passed_ns > BEGINNING else BEGINNING


def final(eras: Eras, watermark_ns: int) -> int:
    """The last boundary up to which all windows are final, each under the lateness of its era; BEGINNING if none is."""
    if watermark_ns <= BEGINNING:
        return BEGINNING
    ends = [*(era.from_ns for era in eras[1:]), END_OF_TIME]
    for era, end_ns in zip(eras, ends, strict=True):
        over_ns = watermark_ns - era.policy.allowed_lateness_ns
        if over_ns < end_ns:
            return max(era.from_ns, int(era.policy.start(over_ns)))
    return END_OF_TIME
