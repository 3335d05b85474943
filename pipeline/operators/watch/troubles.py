"""What keeps watch from judging all it should: seen at each message that lets it judge, told as alerts of kind `pipeline`.

A trouble begins when it is seen first, and is over when it was not seen for as long as its kind says: a source that comes and
goes is one alert. Times are of the log: windows may stand still. Of what all partitions of panes see alike one of them speaks;
where panes got more partitions that may be another one, and who told it before goes on, so that nobody says it is over while it
lasts.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from zlib import crc32

import msgspec

from pipeline.model.alerts import Alert, AlertKind, AlertState, Tier
from pipeline.model.contracts import DAY_NS, SEVERITY
from pipeline.operators.contracts.amounts import shown_duration
from pipeline.operators.watch.frontiers import Frontiers
from pipeline.operators.watch.slices import Slices

MOST = 100
"""Troubles of one partition; more are counted in its status alone."""

STAYS = 2
"""Times its patience a source must have been heard for its trouble to be over: speaking once in a while is not being back."""

SOURCE, CONTRACT, SLICES = "sources_left_out", "contracts_unreadable", "slices_left_out"
"""Kinds, as the status calls them: a rule begins with one."""


class Trouble(msgspec.Struct):
    """One that fires. since_ns, last_ns: when it was seen first and last, log time. after_ns: it is over so long after that."""

    since_ns: int
    last_ns: int
    after_ns: int
    detail: str


@dataclass(frozen=True, slots=True)
class Seen:
    """One as it is now."""

    rule: str
    detail: str
    after_ns: int


@dataclass(slots=True)
class Troubles:
    """Those of one partition of panes, by rule. cut: by contract, how many panes had been cut when it was last looked at."""

    partition: int
    partitions: int
    firing: dict[str, Trouble] = field(default_factory=dict)
    cut: dict[str, int] = field(default_factory=dict)

    def look(self, seen: Iterable[Seen], now_ns: int) -> Iterator[Alert]:
        """What begins and what is over."""
        for one in seen:
            known = self.firing.get(one.rule)
            if known is not None:
                known.last_ns = now_ns
            elif len(self.firing) < MOST:
                self.firing[one.rule] = known = Trouble(now_ns, now_ns, one.after_ns, one.detail)
                yield _told(one.rule, known, now_ns, True)
        over = [rule for rule, one in self.firing.items() if one.last_ns < now_ns and one.last_ns + one.after_ns <= now_ns]
        for rule in over:
            yield _told(rule, self.firing.pop(rule), now_ns, False)

    def of_sources(self, frontiers: Frontiers, now_ns: int) -> Iterator[Seen]:
        """Sources nobody waits for any more. One that is waited for anew, because all were silent, is not back yet."""
        patience, left_out = shown_duration(frontiers.patience_ns), set(frontiers.left_out(now_ns))
        waited_for = frontiers.waited_for(now_ns)
        for name in frontiers.silent(now_ns):
            rule = f"{SOURCE} {name}"
            if rule in self.firing or (name in left_out and self._speaks(name)):
                family = name.split()[0]
                nobody = f", nor has any other source: no window of {family} is judged"
                judged = ": windows are judged without what it holds" if family in waited_for else nobody
                said = f"{name} has said nothing for {patience}{judged}"
                yield Seen(rule, said, STAYS * frontiers.patience_ns)

    def of_contracts(self, unreadable: Iterable[str]) -> Iterator[Seen]:
        """Contracts in force that cannot be read."""
        for name in sorted(unreadable):
            rule = f"{CONTRACT} {name}"
            if rule in self.firing or self._speaks(name):
                said = f"contract {name} cannot be read by this version and is not judged; `tailrace contract show` lists it"
                yield Seen(rule, said, 0)

    def of_slices(self, slices: Iterable[Slices]) -> Iterator[Seen]:
        """Contracts of which panes were not judged in a slice of theirs since the last look, because there is no room for it."""
        for one in slices:
            name, before = one.contract.name, self.cut.get(one.contract.name, 0)
            self.cut[name] = one.left_out
            if one.left_out not in (0, before):
                most = f"more than {one.most:,} slices here (TAILRACE_MAX_SLICES)"
                said = f"contract {name} has {most}: those seen last are not judged"
                yield Seen(f"{SLICES} {name} panes:{self.partition}", said, DAY_NS)

    def forget(self, contract: str) -> None:
        """Its slices are counted anew."""
        self.cut.pop(contract, None)

    def _speaks(self, name: str) -> bool:
        return crc32(name.encode()) % self.partitions == self.partition


def _told(rule: str, trouble: Trouble, now_ns: int, is_firing: bool) -> Alert:
    return Alert(
        kind=AlertKind.PIPELINE,
        state=AlertState.FIRING if is_firing else AlertState.RESOLVED,
        tier=Tier.ESTABLISHED,
        severity=SEVERITY.value,
        rule=rule,
        first_seen_ns=trouble.since_ns,
        at_ns=now_ns,
        fired_ns=trouble.since_ns,
        resolved_ns=0 if is_firing else now_ns,
        detail=trouble.detail,
    )
