"""Money for judges: what may be spent in an hour and a day, shared fairly between slices.

Before anybody is asked, the most it may cost is set aside, and whoever continues after a crash takes that for spent; so what is
spent never passes the budget, and it is short of it by what is set aside for calls that are under way. Each slice that asked in
this hour or the one before may spend an equal part at any time; what others leave may be spent as the hour goes by, so a busy
slice cannot take at its beginning what a quiet one needs at its end.

Hours and days are of the wall clock, which bills follow; nothing but whether there is money depends on it.
"""

from dataclasses import dataclass, field

HOUR_NS = 3_600_000_000_000
MOST_SLICES = 256


@dataclass(frozen=True, slots=True)
class Spent:
    """What a successor must know.

    hour: number of the hour since 1970. of_day: nano-USD spent in its day. slices: in the hour, by slice; others asked before.
    left: the hour from which the clock was set back, -1 for none.
    """

    hour: int = 0
    of_day: int = 0
    slices: tuple[tuple[str, int], ...] = ()
    others: tuple[str, ...] = ()
    left: int = -1


@dataclass(slots=True)
class Budget:
    """Of one partition, in nano-USD; None: no limit. set_aside: for calls that are under way, by slice."""

    of_hour: int | None
    of_day: int | None
    hour: int = 0
    today: int = 0
    slices: dict[str, int] = field(default_factory=dict)
    before: frozenset[str] = frozenset()
    set_aside: dict[str, int] = field(default_factory=dict)
    left: int = -1

    def reserve(self, slice_: str, most: int, now_ns: int) -> bool:
        """Whether there is money for a call that costs at most `most`; then it is set aside."""
        self._roll(now_ns // HOUR_NS)
        aside = sum(self.set_aside.values())
        if self.of_day is not None and self.today + aside + most > self.of_day:
            return False
        if self.of_hour is not None:
            taken = sum(self.slices.values()) + aside + most
            among = len({*self.slices, *self.before, *self.set_aside, slice_})
            gone_by = (now_ns % HOUR_NS) / HOUR_NS
            own = self.slices.get(slice_, 0) + self.set_aside.get(slice_, 0) + most <= self.of_hour // among
            if taken > self.of_hour or not (own or taken <= self.of_hour * gone_by):
                return False
        self.set_aside[slice_] = self.set_aside.get(slice_, 0) + most
        return True

    def settle(self, slice_: str, most: int, cost: int) -> None:
        """The call for which `most` was set aside has cost `cost`."""
        self.set_aside[slice_] -= most
        if not self.set_aside[slice_]:
            del self.set_aside[slice_]
        self.today += cost
        _add(self.slices, slice_, cost)

    def _roll(self, hour: int) -> None:
        """An hour begins. One that lies before it by more than a step of the clock shows that the clock was ahead: what was spent
        by it counts in this hour and day, which else would wait for a time that may be years away. Should the clock come to the
        hour it was set back from after all, as where a partition goes from host to host and their clocks differ, then that hour
        and its day do not begin anew.
        """
        if self.hour - 1 <= hour <= self.hour:
            return
        if hour < self.hour:
            self.left = self.hour
        elif hour != self.left:
            if hour // 24 not in (self.hour // 24, self.left // 24):
                self.today = 0
            self.before = frozenset(self.slices) if hour == self.hour + 1 else frozenset()
            self.slices = {}
        self.hour = hour

    def snapshot(self) -> Spent:
        """What was spent so far. What is set aside counts: who continues from this cannot know what became of it."""
        slices = dict(self.slices)
        for slice_, most in self.set_aside.items():
            _add(slices, slice_, most)
        of_day = self.today + sum(self.set_aside.values())
        return Spent(self.hour, of_day, tuple(sorted(slices.items())), tuple(sorted(self.before)), self.left)

    @classmethod
    def of(cls, spent: Spent, of_hour: int | None, of_day: int | None) -> "Budget":
        """Continue from what was."""
        return cls(of_hour, of_day, spent.hour, spent.of_day, dict(spent.slices), frozenset(spent.others), left=spent.left)


def _add(slices: dict[str, int], slice_: str, nusd: int) -> None:
    key = slice_ if slice_ in slices or len(slices) < MOST_SLICES else ""
    slices[key] = slices.get(key, 0) + nusd
