"""Of the scores in one log the first of each trace, evaluator, version and scorer: the others are repeats of a crash or a zombie.

Every score says of which offset of its source it is, and below which offset all scores stand in the log before it (`settled`).
So a score below what has been settled was there before, and only identities from there on are remembered: as many as are being
judged at once. Who wrote on as a zombie knows an older `settled`, and changes nothing by it. A source that falls silent settles
nothing more; when nothing can come again, because its samples are gone, what it said is settled without it.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

Identity = tuple[str, ...]
Heard = tuple[str, int, int, int]
"""Of a source: its name, settled, the offset behind the last it spoke of, and when it was last heard, nanoseconds."""

MOST_SOURCES = 2048
"""Sources remembered; of more the one that was heard first is forgotten."""

SILENT_NS = 12 * 3_600_000_000_000
"""Twice what samples are kept: of a source that was silent for so long nothing is judged again."""


@dataclass(slots=True)
class _Source:
    """settled: offset below which nothing counts any more.

    seen: by identity, the offset it is of and where in the log it stands.
    """

    settled: int = 0
    top: int = 0
    heard_ns: int = 0
    seen: dict[Identity, tuple[int, int]] = field(default_factory=dict)

    def settle(self, offset: int) -> None:
        if offset > self.settled:
            self.settled = offset
            self.seen = {one: where for one, where in self.seen.items() if where[0] >= offset}


class FirstScores:
    """State of one partition of scores. Continues from `heard`, what another has given with `snapshot`; of what that one had
    seen the rest is read again, from `held` on.
    """

    def __init__(self, heard: Iterable[Heard] = ()) -> None:
        self._sources = {name: _Source(settled, top, heard_ns) for name, settled, top, heard_ns in heard}

    def is_first(self, source: str, offset: int, settled: int, identity: Identity, at: int, now_ns: int = 0) -> bool:
        """Whether the score at `at` in the log counts; `now_ns`: when it was appended."""
        known = self._sources.get(source)
        if known is None:
            if len(self._sources) >= MOST_SOURCES:
                del self._sources[next(iter(self._sources))]
            known = self._sources[source] = _Source()
        known.settle(settled)
        known.heard_ns = now_ns
        if offset < known.settled or identity in known.seen:
            return False
        known.top = max(known.top, offset + 1)
        known.seen[identity] = (offset, at)
        return True

    def passed(self, now_ns: int) -> None:
        """Log time has come to `now_ns`."""
        for known in self._sources.values():
            if known.seen and now_ns - known.heard_ns > SILENT_NS:
                known.settle(known.top)

    def held(self, position: int) -> int:
        """First offset in the log that who continues must read again, `position` if there is none."""
        return min((next(iter(known.seen.values()))[1] for known in self._sources.values() if known.seen), default=position)

    def snapshot(self) -> Sequence[Heard]:
        """What who continues must know, besides what it reads again."""
        return [(name, known.settled, known.top, known.heard_ns) for name, known in self._sources.items()]
