"""The state of one contract as it is to be written down: of all slices or of some, and of which not."""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from pipeline.operators.ladder import MOST_BINS
from pipeline.operators.watch.asked import Alarms, Asked
from pipeline.operators.watch.compared import Compared
from pipeline.operators.watch.contract_watch import ContractWatch
from pipeline.operators.watch.early import Early
from pipeline.operators.watch.packed import Floats, packed
from pipeline.operators.watch.same_hours import Before, SameHours
from pipeline.operators.watch.sliding import Sliding
from pipeline.operators.watch.snapshots import Columns, Mask, Quiet, Said, State, Unheard, Watched, as_told
from pipeline.operators.watch.tails import Tail

PARTS = ("quantiles", "comparisons", "objectives", "silences")
"""Of what is known: counts around the bounds of quantiles, questions of two kinds, and what is missed."""


def watched(text: str, watch: ContractWatch) -> Watched:
    """State of one contract, whole."""
    return Draft("", text, watch).watched(None)


class Draft:
    """State of one contract as it is to be written. left_out: as last written, by part."""

    def __init__(self, name: str, text: str, watch: ContractWatch) -> None:
        self.name, self.text, self.watch = name, text, watch
        self.left_out = dict.fromkeys(PARTS, 0)
        watch.silence.grow()
        watch.slices.grow()
        for asked in watch.asked:
            asked.grow(len(watch.slices))

    def calls(self) -> Floats:
        """Of each slice, the most that a question has counted."""
        found = np.zeros(len(self.watch.slices))
        for asked in self.watch.asked:
            found = np.maximum(found, asked.spread.n + asked.spread.open_n)
        return found

    def numbers(self) -> Floats:
        """By part how many there are, and what is always written, in numbers of about the same length."""
        found = dict.fromkeys(PARTS, 0.0)
        for asked in self.watch.asked:
            for part in asked.PARTS:
                columns = getattr(asked, part).columns.values()
                found[_part(asked, part)] += sum(np.count_nonzero(column) for column in columns)
        found["silences"] += sum(np.count_nonzero(column) for column in self.watch.silence.known.columns.values())
        return np.array([*found.values(), 8.0 * len(self.watch.slices)])

    def watched(self, kept: Mapping[str, Mask] | None) -> Watched:
        """kept: by part of which slices; None: of all. What is firing is kept too."""
        self.left_out = dict.fromkeys(PARTS, 0)
        states = {asked.question.identity: self._state(asked, kept) for asked in self.watch.asked}
        missed = self.watch.silence.known.fired_ns > 0
        quiet = self._quiet(None if kept is None else self._cells("silences", kept["silences"] | missed))
        return self._watched(states, quiet, self._unheard(kept is None or bool(kept["silences"].all())))

    def firing(self) -> Watched:
        """Alarms that are firing, what tells whether they are over, and nothing else."""
        missed = self.watch.silence.known.fired_ns > 0
        rows = np.logical_or.reduce([missed, *(one.alarms.firing > 0 for one in self.watch.asked)])
        self.left_out = {name: number + int((~rows).sum()) for name, number in self.left_out.items()}
        states = {}
        for asked in self.watch.asked:
            state = _state(asked, asked.alarms.firing > 0, None, _ends(asked))
            state.cells = packed((asked.alarms.firing > 0)[rows])
            states[asked.question.identity] = state
        quiet = self._quiet(missed)
        quiet.cells = packed(missed[rows])
        return self._watched(states, quiet, self._unheard(False), rows)

    def _state(self, asked: Asked, kept: Mapping[str, Mask] | None) -> State:
        if kept is None:
            return _state(asked, None, None, asked.PARTS)
        firing = asked.alarms.firing > 0
        tails = self._cells("quantiles", kept["quantiles"] | firing, asked.question.has_tail)
        part = _part(asked)
        return _state(asked, self._cells(part, kept[part] | firing), tails, asked.PARTS)

    def _cells(self, part: str, cells: Mask, counts: bool = True) -> Mask | None:
        self.left_out[part] += int((~cells).sum()) if counts else 0
        return None if cells.all() else cells

    def _quiet(self, cells: Mask | None) -> Quiet:
        silence = self.watch.silence
        known = {name: packed(column if cells is None else column[cells]) for name, column in silence.known.columns.items()}
        expected = [(*place, *since) for place, since in silence.expected.items()]
        of = None if cells is None else packed(cells)
        return Quiet(known, silence.at_ns, silence.hour, expected, sorted(silence.seen), of)

    def _unheard(self, every: bool) -> Unheard:
        """Of all, or of those that are missed."""
        unscored = self.watch.unscored
        cells = np.full(len(unscored.places), every) | (unscored.heard.fired_ns > 0)
        heard = {name: packed(column[cells]) for name, column in unscored.heard.columns.items()}
        return Unheard([place for place, row in unscored.places.items() if cells[row]], heard, unscored.at_ns)

    def _watched(self, states: dict[str, State], quiet: Quiet, unheard: Unheard, rows: Mask | None = None) -> Watched:
        """rows: the slices that are named."""
        watch, said = self.watch, dict[str, list[Said]]()
        for asked in watch.asked:
            said.setdefault(asked.question.identity, []).append(as_told(asked.question))
        found = watch.slices.found if rows is None else [watch.slices.found[row] for row in np.flatnonzero(rows)]
        return Watched(
            self.text,
            [(one.environment, one.route, list(one.values)) for one in found],
            states,
            dict(watch.hours),
            {
                environment: {route: dict(names) for route, names in routes.items()}
                for environment, routes in watch.releases.names.items()
            },
            watch.contract.version,
            watch.contract.hash,
            watch.contract.owner,
            said,
            quiet,
            watch.hour_ns,
            packed(watch.slices.silent if rows is None else watch.slices.silent[rows]),
            unheard,
        )


def _part(asked: Asked, part: str = "") -> str:
    """What a part of a question's state belongs to."""
    if part and isinstance(getattr(asked, part), Tail):
        return "quantiles"
    return "comparisons" if isinstance(asked, Compared | SameHours) else "objectives"


def _state(asked: Asked, cells: Mask | None, tails: Mask | None, parts: Iterable[str]) -> State:
    """Of these slices; None: of all."""
    found = {part: _columns(getattr(asked, part), cells, tails) for part in parts}
    at = {part: getattr(asked, part).at for part in parts if isinstance(getattr(asked, part), Sliding)}
    return State(found, at, None if cells is None else packed(cells))


def _columns(state: Any, cells: Mask | None, tails: Mask | None) -> Columns:
    columns: dict[str, Floats] = state.columns
    of = tails if isinstance(state, Tail) else cells
    if of is not None:
        if isinstance(state, Tail | Early):
            of = of[columns[state.PLACE].astype(np.int64) // MOST_BINS]
        columns = {name: column[of] for name, column in columns.items()}
    return {name: packed(column) for name, column in columns.items()}


def _ends(asked: Asked) -> list[str]:
    """Parts of which it is seen that an alarm is over: a sum and a burn rate end as they are, and what has lasted for a week is
    usual.
    """
    kinds = (Alarms, Before) if asked.ends_by_evidence else (Alarms, Before, Sliding)
    return [part for part in asked.PARTS if isinstance(getattr(asked, part), kinds)]
