"""What a repricing did: nouns."""

from dataclasses import asdict, dataclass, field
from typing import Any

from pipeline.model.columns import SERIES

Series = tuple[str, ...]


@dataclass(slots=True)
class Change:
    """What became of the calls of one provider and model. Sums in nano-USD; unpriced: calls."""

    calls: int = 0
    changed: int = 0
    before_nusd: int = 0
    after_nusd: int = 0
    unpriced_before: int = 0
    unpriced_after: int = 0


@dataclass(frozen=True, slots=True)
class LeftAlone:
    """A series in an hour whose cost would change and cannot be written exactly. requests: of its panes; spans: stored."""

    hour: str
    series: Series
    requests: int
    spans: int
    why: str


@dataclass(slots=True)
class Repriced:
    """What was done, or with a dry run would be. roll_ups: hours of series whose panes have expired.

    calls_without_spans: of hours of which no span is stored any more.
    """

    from_time: str
    to_time: str
    price_version: str
    dry_run: bool
    spans: int = 0
    panes: int = 0
    roll_ups: int = 0
    changes: dict[tuple[str, str], Change] = field(default_factory=dict)
    left_alone: list[LeftAlone] = field(default_factory=list)
    left_alone_count: int = 0
    calls_without_spans: int = 0

    def told(self) -> dict[str, Any]:
        """What a program reads: the changes of providers and models that have some, most changed calls first."""
        rows = sorted(((key, c) for key, c in self.changes.items() if c.changed), key=lambda row: (-row[1].changed, row[0]))
        changes = [{"provider": provider, "model": model} | asdict(change) for (provider, model), change in rows]
        left = [asdict(found) | {"series": dict(zip(SERIES, found.series, strict=True))} for found in self.left_alone]
        return asdict(self) | {"changes": changes, "left_alone": left}
