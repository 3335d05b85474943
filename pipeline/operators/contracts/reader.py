"""What the readers of a contract's parts share: where they are, and where their complaints go."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any, TypeVar

from pipeline.model.contracts import LONGEST_NS, MINUTE_NS, SHORTEST_NS, Severity
from pipeline.model.metrics import ALL, TAKEN, Metric, metric, nearest
from pipeline.operators.contracts.amounts import NoAmountError, duration_ns, shown_duration
from pipeline.operators.contracts.located import Located
from pipeline.operators.contracts.problems import KeyPath, Problem

T = TypeVar("T")


@dataclass(slots=True)
class Reader:
    """Of one file. A part that cannot be read is a problem and None, so that the next part is read all the same."""

    file: str
    found: Located
    evaluators: tuple[str, ...]
    problems: list[Problem] = field(default_factory=list)
    notes: dict[str, Problem] = field(default_factory=dict)

    def wrong(self, path: KeyPath, says: str) -> None:
        """A mistake at a key."""
        problem = Problem(self.file, self.found.line(path), path, says)
        if problem not in self.problems:
            self.problems.append(problem)

    def note(self, path: KeyPath, says: str) -> None:
        """Something that may be a mistake; the same is said once."""
        self.notes.setdefault(says, Problem(self.file, self.found.line(path), path, says, is_note=True))

    def amount(self, path: KeyPath, said: Any, of: Callable[[Any], T]) -> T | None:
        """What `of` makes of it."""
        try:
            return of(said)
        except NoAmountError as error:
            self.wrong(path, str(error))
            return None

    def window(self, path: KeyPath, said: Any) -> int | None:
        """Whole minutes, as panes are, from 1m to 7d."""
        ns = self.amount(path, said, duration_ns)
        if ns is None:
            return None
        if not SHORTEST_NS <= ns <= LONGEST_NS:
            self.wrong(
                path, f"{said} is out of range; a window is from {shown_duration(SHORTEST_NS)} to {shown_duration(LONGEST_NS)}"
            )
            return None
        if ns % MINUTE_NS:
            self.wrong(path, f"{said} is no whole number of minutes")
            return None
        return ns

    def metric(self, path: KeyPath, name: str) -> Metric | None:
        """The metric of this name."""
        found = metric(name)
        if found is None:
            near = nearest(name, self.evaluators)
            there = f"nearest: {near}" if near else f"there are {ALL}"
            self.wrong(path, f'no metric "{name:.100}"; {there}')
        elif found.evaluator and found.evaluator not in self.evaluators:
            near = next(iter(get_close_matches(found.evaluator, [*self.evaluators, *TAKEN], 1)), "")
            meant = f"; is {near} meant?" if near else ""
            self.note(
                path, f"no evaluator {found.evaluator} is known here: nothing is judged until one of this name scores{meant}"
            )
        return found


def patterns(said: Any, default: tuple[str, ...]) -> tuple[str, ...]:
    """A name or a list of names, in order: one of them fits, so theirs means nothing."""
    if said is None:
        return default
    return (said,) if isinstance(said, str) else tuple(sorted(set(said)))


def severity(said: Any, default: Severity) -> Severity:
    """The severity of a part."""
    return default if said is None else Severity(said)


def repeated(values: Iterable[Any]) -> Iterable[int]:
    """Indexes of values that were there before."""
    seen: set[Any] = set()
    for at, value in enumerate(values):
        if value in seen:
            yield at
        seen.add(value)
