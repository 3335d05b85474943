"""`tailrace check`: a contract held against stored panes, by the very state that the stage watch keeps."""

import heapq
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pipeline.app.checked import Checked
from pipeline.app.contracts import contract_of, in_force, read_files, utc
from pipeline.connectors.clock import now_ns
from pipeline.connectors.stored_panes import StoredPanes, Window
from pipeline.errors import SettingsError
from pipeline.model.alerts import AlertKind
from pipeline.model.contracts import DAY_NS, Baseline, Contract
from pipeline.model.metrics import Family
from pipeline.operators.alerts.wording import named
from pipeline.operators.contracts.amounts import shown_duration
from pipeline.operators.evidence.detector import HOURS
from pipeline.operators.watch.contract_watch import ContractWatch
from pipeline.operators.watch.folded import Fold
from pipeline.operators.watch.panes_read import SERIES_OF, Panes
from pipeline.operators.watch.standing import not_judged, standing
from pipeline.operators.watch.week import HOURS_KEPT
from pipeline.settings import SECOND, Settings

Say = Callable[[str], None]

SAID_EVERY = 2_000
"""Windows between two lines of progress."""

LONGEST_NS = 400 * DAY_NS
"""Of a range: nothing is stored longer."""


def contract_named(settings: Settings, said: str) -> Contract:
    """A file's contract, or the one of this name that is in force. Raises SettingsError."""
    path = Path(said)
    if path.suffix not in (".yaml", ".yml") and not path.is_file():
        return contract_of(in_force(settings, said))
    [file] = read_files(settings, [path])
    if file.reading.contract is None:
        raise SettingsError("; ".join(map(str, file.reading.problems[:5])))
    return file.reading.contract


def check(
    settings: Settings, contract: Contract, span: tuple[int | None, int | None], release: str, most: int, say: Say
) -> Checked:
    """Hold the contract against what is stored. span: from, to; None: a day before, or all of a release; now. What is compared
    with the same hours before reads the days before too, as far as they are stored.

    Raises SettingsError where there is nothing to judge.
    """
    from_ns, to_ns = _range(settings, span, bool(release))
    with closing(StoredPanes(settings)) as store:
        wanted = _families(contract, settings)
        windows, still_open = {}, 0
        for family in wanted:
            windows[family], left = store.windows(family, max(0, from_ns - _usual_ns(contract, settings)), to_ns)
            still_open += left
        judged = [one for those in windows.values() for one in those if one.start_ns >= from_ns]
        if not judged:
            why = f"; {still_open:,} windows are not whole yet" if still_open else ""
            raise SettingsError(f"no panes are stored between {utc(from_ns)} and {utc(to_ns)}{why}")
        of_release = _of_release(store.releases(from_ns, to_ns), release) if release else None
        folds = _folds(contract, settings, of_release, from_ns)
        _fold(store, windows, folds, say)
    if not len(folds[-1].fold.watch.slices):
        raise SettingsError(f"nothing that {contract.name} speaks of is stored between {utc(from_ns)} and {utc(to_ns)}")
    found = standing(((one.fold, one.kinds) for one in folds), most, needs_release=of_release is not None)
    return Checked(
        contract,
        found,
        min(one.start_ns for one in judged),
        max(one.end_ns for one in judged),
        len(judged),
        still_open,
        tuple(not_judged(contract, folds[0].fold.watch)),
        folds[0].fold.watch.slices.left_out,
    )


def _range(settings: Settings, span: tuple[int | None, int | None], everything: bool) -> tuple[int, int]:
    to_ns = span[1] if span[1] is not None else now_ns()
    back = max(settings.keep_panes, settings.keep_hourly) * DAY_NS if everything else DAY_NS
    from_ns = span[0] if span[0] is not None else to_ns - back
    if from_ns >= to_ns:
        raise SettingsError(f"--from is not before --to{', which is now' if span[1] is None else ''}")
    if not 0 <= from_ns < to_ns < 2**32 * 10**9:
        raise SettingsError("--from and --to are times from 1970 to 2105")
    if to_ns - from_ns > LONGEST_NS:
        raise SettingsError(f"--from and --to are more than {shown_duration(LONGEST_NS)} apart")
    return from_ns, to_ns


def _usual_ns(contract: Contract, settings: Settings) -> int:
    """How far before the range it matters what there was."""
    regression = contract.regression
    if regression is None or regression.baseline is not Baseline.SAME_HOURS_BEFORE:
        return 0
    choosing = 0 if all(limit.metric.is_share for limit in regression.limits) else HOURS
    return (choosing + HOURS_KEPT) * int(settings.watch_hour * SECOND)


def _families(contract: Contract, settings: Settings) -> list[Family]:
    """Those its questions are about; calls tell releases, whatever is compared."""
    asked = ContractWatch.of(contract, int(settings.watch_hour * SECOND), settings.max_slices).asked
    return [family for family in Family if family is Family.CALLS or any(one.question.family is family for one in asked)]


# One release.


@dataclass(frozen=True, slots=True)
class OfRelease:
    """Where a release was seen, and of each place the releases that came before it."""

    name: str
    before: Mapping[tuple[str, str], frozenset[str]]

    def alone(self, place: tuple[str, str], release: str) -> bool:
        """Whether a series is of the release."""
        return release == self.name and place in self.before

    def with_earlier(self, place: tuple[str, str], release: str) -> bool:
        """Whether a series is of it, or of one before it."""
        return place in self.before and (release == self.name or release in self.before[place])


def _of_release(seen: Iterable[tuple[str, str, str]], name: str) -> OfRelease:
    before, earlier = dict[tuple[str, str], frozenset[str]](), dict[tuple[str, str], list[str]]()
    for environment, route, release in seen:
        place = (environment, route)
        if release == name:
            before[place] = frozenset(earlier.get(place, ()))
        earlier.setdefault(place, []).append(release)
    if not before:
        newest = list(dict.fromkeys(named(one) for those in earlier.values() for one in reversed(those)))[:5]
        raise SettingsError(f"no panes of release {named(name)} are stored; there are {', '.join(newest) or 'none'}")
    return OfRelease(name, before)


# Folding.


@dataclass(frozen=True, slots=True)
class _Folding:
    """What of the panes a state sees, from a start on, and which of its answers are asked for."""

    fold: Fold
    kinds: set[AlertKind]
    from_ns: int
    takes: Callable[[tuple[str, str], str], bool] | None = None


def _folds(contract: Contract, settings: Settings, of: OfRelease | None, from_ns: int) -> list[_Folding]:
    """One; two where comparisons see more than bounds: the days before, or of a release those before it."""

    def fold(since_ns: int = 0, release: str = "") -> Fold:
        watch = ContractWatch.of(contract, int(settings.watch_hour * SECOND), settings.max_slices)
        return Fold(watch, since_ns, release)

    bounds, before_ns = {AlertKind.OBJECTIVE, AlertKind.BURN_RATE}, _usual_ns(contract, settings)
    if of is not None:
        compared = _Folding(fold(0, of.name), {AlertKind.REGRESSION}, 0, of.with_earlier)
        return [_Folding(fold(), bounds, from_ns, of.alone), compared]
    if before_ns:
        return [_Folding(fold(), bounds, from_ns), _Folding(fold(from_ns), {AlertKind.REGRESSION}, 0)]
    return [_Folding(fold(), set(AlertKind), from_ns)]


def _fold(store: StoredPanes, windows: Mapping[Family, list[Window]], folds: list[_Folding], say: Say) -> None:
    whole, ranks = sum(map(len, windows.values())), list(Family)
    ladders = folds[0].fold.watch.ladders

    def read(family: Family) -> Iterator[tuple[int, int, int, Window, Panes]]:
        for window, panes in store.read(family, windows[family], ladders.get(family, ())):
            yield window.end_ns, window.start_ns, ranks.index(family), window, panes

    for number, (*_, rank, window, panes) in enumerate(heapq.merge(*map(read, windows), key=lambda one: one[:3]), 1):
        family = ranks[rank]
        for one in (fold for fold in folds if window.start_ns >= fold.from_ns):
            seen = panes if one.takes is None else _taken(panes, family, one.takes)
            one.fold.fold(family, window.start_ns, window.end_ns, seen)
        if number % SAID_EVERY == 0:
            say(f"{number:,} of {whole:,} windows, up to {utc(window.end_ns)}")


def _taken(panes: Panes, family: Family, takes: Callable[[tuple[str, str], str], bool]) -> Panes:
    at = SERIES_OF[family].index("release")
    chosen = np.array([takes((one[0], one[1]), one[at]) for one in panes.series], np.bool_)
    return panes.taken(np.flatnonzero(chosen))
