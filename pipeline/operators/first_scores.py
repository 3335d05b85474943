"""Of the scores in one log the first of each trace, evaluator, version and scorer: the others are repeats of a crash or a zombie.

Every score says of which offset of its source it is, and below which offset all scores stand in the log before it (`settled`).
So a score below what has been settled was there before, and only identities from there on are remembered: as many as are being
judged at once. Who wrote on as a zombie knows an older `settled`, and changes nothing by it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

Identity = tuple[str, ...]

MOST_SOURCES = 2048
"""Sources remembered; of more the one that was heard first is forgotten."""


@dataclass(slots=True)
class FirstScores:
    """State of one partition of scores. settled: by source of the samples.

    seen: by source and identity, the offset of the source it is of, and where in the log it stands.
    """

    settled: dict[str, int] = field(default_factory=dict)
    seen: dict[str, dict[Identity, tuple[int, int]]] = field(default_factory=dict)

    @classmethod
    def of(cls, settled: Mapping[str, int]) -> "FirstScores":
        """Continue where so much was settled. What has been seen from there on is read again."""
        return cls(dict(settled))

    def is_first(self, source: str, offset: int, settled: int, identity: Identity, at: int) -> bool:
        """Whether the score at `at` in the log counts."""
        if settled > self.settled.get(source, -1):
            if source not in self.settled and len(self.settled) >= MOST_SOURCES:
                oldest = next(iter(self.settled))
                del self.settled[oldest]
                self.seen.pop(oldest, None)
            self.settled[source] = settled
            kept = {one: where for one, where in self.seen.get(source, {}).items() if where[0] >= settled}
            self.seen[source] = kept
        seen = self.seen.setdefault(source, {})
        if offset < self.settled[source] or identity in seen:
            return False
        seen[identity] = (offset, at)
        return True

    def held(self, position: int) -> int:
        """First offset in the log that who continues must read again, `position` if there is none."""
        return min((at for seen in self.seen.values() for _, at in seen.values()), default=position)
