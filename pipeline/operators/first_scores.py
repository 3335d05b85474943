"""Of the scores in one log the first of each trace, evaluator, version and scorer: the others are repeats of a crash or a zombie.

Every score says of which offset of its source it is, and below which offset all scores stand in the log before it (`settled`).
So a score below what has been settled was there before, and only identities from there on are remembered: as many as are being
judged at once. Who wrote on as a zombie knows an older `settled`, and changes nothing by it. A source that falls silent settles
nothing more; when nothing can come again, because its samples are gone, what it said is settled without it.

Whoever writes scores and settles nothing is bounded too: an identity nobody repeated for as long is forgotten, and of more than
MOST_SEEN the one that was said, or said again, longest ago. Who folds the log again from `held` has seen all that was said since,
so it forgets the same ones at the same message.
"""

from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import NamedTuple

Identity = tuple[str, ...]
Heard = tuple[str, int, int, int]
"""Of a source: its name, settled, the offset behind the last it spoke of, and when it was last heard, nanoseconds."""

MOST_SOURCES = 2048
"""Sources remembered; of more the one that was heard longest ago is forgotten."""

MOST_SEEN = 1 << 18
"""Scores remembered, about 350 bytes each: an hour's of a source that settles nothing and says 70 a second."""

SILENT_NS = 12 * 3_600_000_000_000
"""Twice what samples are kept: of a source that was silent for so long nothing is judged again."""


@dataclass(slots=True)
class _Source:
    """settled: offset below which nothing counts any more. top: offset behind the last that counted."""

    name: str
    settled: int = 0
    top: int = 0
    heard_ns: int = 0


class _Seen(NamedTuple):
    """A score as it was last said: of which source and offset, where in the log, and when that was appended."""

    source: str
    offset: int
    at: int
    said_ns: int


class FirstScores:
    """State of one partition of scores. Continues from `heard`, what another has given with `snapshot`; of what that one had
    seen the rest is read again, from `held` on.
    """

    def __init__(self, heard: Iterable[Heard] = (), most_seen: int = MOST_SEEN) -> None:
        self._sources = OrderedDict((one[0], _Source(*one)) for one in heard)
        self._seen: OrderedDict[bytes, _Seen] = OrderedDict()  # by when they were last said
        self._most_seen = most_seen

    def is_first(self, source: str, offset: int, settled: int, identity: Identity, at: int, now_ns: int = 0) -> bool:
        """Whether the score at `at` in the log counts; `now_ns`: when it was appended."""
        known = self._source(source)
        known.settled = max(known.settled, settled)
        known.heard_ns = now_ns
        if offset < known.settled:
            return False
        known.top = max(known.top, offset + 1)
        one = _hash(source, identity)
        before = self._seen.pop(one, None)
        self._seen[one] = _Seen(known.name, offset, at, now_ns)
        if len(self._seen) > self._most_seen:
            self._seen.popitem(last=False)
        return before is None or self._is_over(before, now_ns)

    def passed(self, now_ns: int) -> None:
        """Log time has come to `now_ns`."""
        for known in self._sources.values():
            if now_ns - known.heard_ns > SILENT_NS:
                known.settled = max(known.settled, known.top)
        while self._seen and self._is_over(next(iter(self._seen.values())), now_ns):
            self._seen.popitem(last=False)

    def held(self, position: int) -> int:
        """First offset in the log that who continues must read again, `position` if there is none."""
        return next((seen.at for seen in self._seen.values() if not self._is_settled(seen)), position)

    def snapshot(self) -> Sequence[Heard]:
        """What who continues must know, besides what it reads again."""
        return [(known.name, known.settled, known.top, known.heard_ns) for known in self._sources.values()]

    def _source(self, name: str) -> _Source:
        if name not in self._sources:
            if len(self._sources) >= MOST_SOURCES:
                self._sources.popitem(last=False)
            self._sources[name] = _Source(name)
        self._sources.move_to_end(name)
        return self._sources[name]

    def _is_over(self, seen: _Seen, now_ns: int) -> bool:
        return self._is_settled(seen) or now_ns - seen.said_ns > SILENT_NS

    def _is_settled(self, seen: _Seen) -> bool:
        known = self._sources.get(seen.source)
        return known is not None and seen.offset < known.settled


def _hash(source: str, identity: Identity) -> bytes:
    """An identity in 16 bytes: whoever writes scores chooses the names, and their length."""
    return blake2b(repr((source, identity)).encode("utf-8", "backslashreplace"), digest_size=16).digest()
