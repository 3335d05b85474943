"""How large a share of a slice's traces is judged: as configured, more where a slice is too small to be known otherwise.

A slice is a route and cohort of an environment. Its share is raised so that about `floor` of its traces are judged in a period,
at most twice as much as in the period before, never above the ceiling; where traffic grows it falls at once. It follows from how
many traces came in the period before, never from what was judged of them, so no estimate that weighs each score by the inverse of
its share is biased by it.

A period is a span of event time of the log, so all of it is a function of the log.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from hashlib import blake2b

Slice = str
"""A hash of environment, route and cohort: senders choose the names, and the progress has to stay small whatever they are."""

MOST_SLICES = 256
"""Slices whose traffic is counted; another one has the share that is configured."""


def slice_of(environment: str, route: str, cohort: str) -> Slice:
    """The slice of these names."""
    return blake2b(repr((environment, route, cohort)).encode("utf-8", "backslashreplace"), digest_size=8).hexdigest()


@dataclass(slots=True)
class Rates:
    """Of one partition. floor: traces of a slice judged in a period in this partition.

    period: number of the period that is counted. counts: traces of the ceiling's sample in it. raised: shares it begins with.
    """

    floor: float
    period: int = -1
    counts: dict[Slice, int] = field(default_factory=dict)
    raised: dict[Slice, float] = field(default_factory=dict)

    def roll(self, period: int, ceiling: float) -> None:
        """A period begins; `ceiling`: share of the traces that were counted."""
        if period <= self.period:
            return
        seen = self.counts if period == self.period + 1 else {}
        raised = {}
        for one, n in seen.items():
            needed = min(ceiling, self.floor * ceiling / n)
            raised[one] = min(needed, 2 * self.raised[one]) if one in self.raised else needed / 4
        self.period, self.counts, self.raised = period, {}, raised

    def count(self, one: Slice) -> None:
        """A trace of the ceiling's sample came."""
        if one in self.counts or len(self.counts) < MOST_SLICES:
            self.counts[one] = self.counts.get(one, 0) + 1

    def share(self, one: Slice, configured: float, ceiling: float) -> float:
        """The share in force, for an evaluator whose configured share is this; 0 stays 0."""
        return min(ceiling, max(configured, self.raised.get(one, 0.0))) if configured else 0.0

    def snapshot(self) -> "Snapshot":
        """What a successor needs, frozen."""
        return Snapshot(self.period, tuple(sorted(self.counts.items())), tuple(sorted(self.raised.items())))

    @classmethod
    def of(cls, snapshot: "Snapshot", floor: float) -> "Rates":
        """Continue from what was."""
        return cls(floor, snapshot.period, dict(snapshot.counts), dict(snapshot.raised))


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The state of `Rates`."""

    period: int = -1
    counts: tuple[tuple[Slice, int], ...] = ()
    raised: tuple[tuple[Slice, float], ...] = ()


def configured(rate: float, patterns: Mapping[str, float], name: str) -> float:
    """The share of the first pattern that fits `name`, else `rate`."""
    return next((share for pattern, share in patterns.items() if fnmatchcase(name, pattern)), rate)
