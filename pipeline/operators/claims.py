"""What decode may claim of a source: "everything appended before T was read, and what became of it is in the log".

The broker is asked where a source ends, at T. Once everything below that end is read and confirmed the claim is true,
whatever has been appended since; so claims come under steady traffic too, and behind a backlog they are as old as it.
"""

from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from pipeline.model.stream import Source

MOST_ASKED = 128
"""Unanswered questions kept for each source; the newest gives way. Claims behind a backlog get coarser, not wrong."""


@dataclass(slots=True)
class Claims:
    """Questions asked, by source, oldest first: (T, where the source ended)."""

    _asked: dict[Source, deque[tuple[int, int]]] = field(default_factory=dict)

    def asked(self, at_ns: int, ends: Mapping[Source, int]) -> None:
        """The broker was asked at `at_ns` or later, and said that the sources ended there."""
        for source, end in ends.items():
            waiting = self._asked.setdefault(source, deque())
            if len(waiting) == MOST_ASKED:
                waiting.pop()
            waiting.append((at_ns, end))

    def come_true(self, positions: Mapping[Source, int]) -> Iterator[tuple[Source, int]]:
        """The newest claim that holds now, by source. `positions`: everything below was read and confirmed."""
        for source, position in positions.items():
            waiting, claim = self._asked.get(source, deque()), None
            while waiting and waiting[0][1] <= position:
                claim = waiting.popleft()[0]
            if claim is not None:
                yield source, claim

    def keep(self, owned: frozenset[Source]) -> None:
        """Forget all other sources."""
        self._asked = {source: waiting for source, waiting in self._asked.items() if source in owned}
