"""What fires and is asked no more: alerts that end it, and say why.

A contract is taken away, is replaced by one that asks otherwise, or cannot be read by this version; a route comes to another
partition of panes; evidence has other hours; there is less room for slices. Nothing was measured that would end an alarm, so its
end has no numbers; that of a regression names the releases it was told of. It stands at the last whole window; where it stands in
the log decides its id.
"""

from collections.abc import Iterator, Mapping

import numpy as np

from pipeline.model.alerts import Alert, AlertKind, AlertState, Tier
from pipeline.model.contracts import SEVERITY, Baseline
from pipeline.model.log_time import BEGINNING
from pipeline.model.metrics import Family
from pipeline.operators.watch.asked import Alarms
from pipeline.operators.watch.contract_watch import ContractWatch
from pipeline.operators.watch.packed import unpacked
from pipeline.operators.watch.releases import Releases
from pipeline.operators.watch.silence import Known
from pipeline.operators.watch.silence_told import RULE
from pipeline.operators.watch.slices import Slice
from pipeline.operators.watch.snapshots import Quiet, Said, Unheard, Watched, as_told, whole
from pipeline.operators.watch.unscored import metric_of

REMOVED = "the contract is no longer in force"
MOVED = "panes has more partitions, and those of this route come to another one; its evidence begins anew"
OTHER_HOURS = "evidence is counted in other hours (TAILRACE_WATCH_HOUR), so it begins anew"
NO_ROOM = "there is no room for this slice any more (TAILRACE_MAX_SLICES), so it is not judged"
UNREADABLE = "this version of Tailrace cannot read the contract in force"

Asks = tuple[str, str, str, tuple[int, ...]]
"""Kind, rule, metric, and of a burn rate its windows, short and long."""

About = tuple[Asks, str, str, tuple[tuple[str, str], ...]]
"""What is asked, environment, route and slice: with the contract's name what a fingerprint is made of."""


def ended(name: str, was: Watched, now: ContractWatch | None, why: str, line: Mapping[str, int]) -> Iterator[Alert]:
    """The ends of what fired in `was` and does not in `now`, each thing once. why: if there is no `now`.

    line: by family the end of the last whole window.
    """
    lasting = set(_firing_in(now)) if now is not None else set()
    for about, said, first_ns, crossed_ns in _firing(was):
        if about in lasting:
            continue
        lasting.add(about)
        (kind, rule, metric, _), environment, route, values = about
        at_ns = max(line.get(said.family, BEGINNING), first_ns)
        of_releases = said.baseline == Baseline.PREVIOUS_RELEASE
        release, previous = Releases(was.releases).pair(environment, route) if of_releases else ("", "")
        yield Alert(
            kind=AlertKind(kind),
            state=AlertState.RESOLVED,
            tier=Tier.ESTABLISHED,
            severity=said.severity,
            contract=name,
            contract_version=was.version,
            contract_hash=was.hash,
            owner=was.owner,
            environment=environment,
            route=route,
            slice=values,
            metric=metric,
            unit=said.unit,
            rule=rule,
            baseline=said.baseline,
            release=release,
            previous_release=previous,
            window_ns=said.window_ns,
            short_window_ns=said.short_ns,
            first_seen_ns=crossed_ns or first_ns,
            at_ns=at_ns,
            fired_ns=first_ns,
            resolved_ns=at_ns,
            detail=why if now is None else _replaced(about, was, now),
        )


def _firing(was: Watched) -> Iterator[tuple[About, Said, int, int]]:
    """What, how it was asked, since when, and since when the estimate is beyond the bound."""
    for identity, state in was.asked.items():
        alarms = whole(Alarms, state.parts["alarms"], state.cells, len(was.slices))
        for row in np.flatnonzero(alarms.firing > 0):
            environment, route, values = was.slices[row]
            for said in was.said.get(identity, ()):
                about = (_asks(said), environment, route, tuple((c, v) for c, v in values))
                yield about, said, int(alarms.first_ns[row]), int(alarms.crossed_ns[row])
    if was.quiet is not None:
        yield from _missed(was, was.quiet)
    if was.unheard is not None:
        yield from _unheard(was.unheard)


def _unheard(was: Unheard) -> Iterator[tuple[About, Said, int, int]]:
    fired_ns, last_ns = (unpacked(was.heard[name]) for name in ("fired_ns", "last_ns"))
    for row in np.flatnonzero(fired_ns > 0):
        environment, route, evaluator = was.places[row]
        said = _nothing_of(metric_of(evaluator), Family.SCORES)
        yield (_asks(said), environment, route, ()), said, int(fired_ns[row]), int(last_ns[row])


def _nothing_of(metric: str, family: Family) -> Said:
    return Said(AlertKind.NO_DATA.value, RULE, metric, "", SEVERITY.value, family.value, 0, 0)


def _missed(was: Watched, quiet: Quiet) -> Iterator[tuple[About, Said, int, int]]:
    said = _nothing_of("", Family.CALLS)
    known = whole(Known, quiet.known, quiet.cells, len(was.slices))
    missed = [(*was.slices[row], int(known.fired_ns[row]), int(known.last_ns[row])) for row in np.flatnonzero(known.fired_ns > 0)]
    missed += [(one, route, [], fired_ns, since_ns) for one, route, since_ns, fired_ns in quiet.expected if fired_ns]
    for environment, route, values, fired_ns, since_ns in missed:
        about = (_asks(said), environment, route, tuple((c, v) for c, v in values))
        yield about, said, fired_ns, since_ns


def _firing_in(watch: ContractWatch) -> Iterator[About]:
    for asked in watch.asked:
        for row in np.flatnonzero(asked.alarms.firing > 0):
            one = watch.slices.found[row]
            yield _asks(as_told(asked.question)), one.environment, one.route, one.values
    for one, _, _ in watch.silence.firing():
        yield (AlertKind.NO_DATA.value, RULE, "", ()), one.environment, one.route, one.values
    for one, metric in watch.unscored.firing():
        yield (AlertKind.NO_DATA.value, RULE, metric, ()), one.environment, one.route, one.values


def _asks(one: Said) -> Asks:
    windows = (one.short_ns, one.window_ns) if one.kind == AlertKind.BURN_RATE else ()
    return one.kind, one.rule, one.metric, windows


def _replaced(about: About, was: Watched, now: ContractWatch) -> str:
    """Whether it is asked with other hours, elsewhere, of fewer slices, otherwise, or not at all."""
    asked, environment, route, values = about
    if not was.has_hours_of(now):
        return OTHER_HOURS
    if not now.slices.here(environment, route):
        return MOVED
    questions = {_asks(as_told(one.question)) for one in now.asked}
    if asked in questions and now.slices.lacks_room_for(Slice(environment, route, values)):
        return NO_ROOM
    asks = asked in questions and Slice(environment, route, values) in now.slices.found
    how = "asks it otherwise, so its evidence begins anew" if asks else "does not ask it any more"
    return f"version {now.contract.version} of the contract {how}"
