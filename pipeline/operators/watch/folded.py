"""Windows of the past folded by a contract's watch, and what it told of them."""

from dataclasses import dataclass, field

from pipeline.model.alerts import Alert
from pipeline.model.contracts import Baseline
from pipeline.model.metrics import Family
from pipeline.operators.watch.contract_watch import Change, ContractWatch
from pipeline.operators.watch.panes_read import Panes
from pipeline.operators.watch.questions import Question
from pipeline.operators.watch.raised import alert
from pipeline.operators.watch.slices import Slice


@dataclass(slots=True)
class Fold:
    """A contract's watch, what it told, and the last window of each family.

    told: by question, slice and release what was told first, and when the last alarm was over; 0: it holds. A change is put into
    words at once: its look is of state that goes on. since_ns: what was over by then is not told; what came before only teaches
    what is usual. release: of a comparison with the same hours before, the newest one while it may be told; "": any.
    """

    watch: ContractWatch
    since_ns: int = 0
    release: str = ""
    told: dict[str, dict[tuple[Slice, str], tuple[Alert, int]]] = field(default_factory=dict)
    last: dict[Family, tuple[int, int]] = field(default_factory=dict)

    def fold(self, family: Family, start_ns: int, end_ns: int, panes: Panes) -> None:
        """Take in a whole window."""
        for change in self.watch.fold(family, start_ns, end_ns, panes):
            known, key = self.told.setdefault(change.question.identity, {}), (change.slice, change.release)
            if not self._of_release(change):
                continue
            if change.is_firing:
                goes_on = key in known and self._lies_in(known[key])
                known[key] = (known[key][0] if goes_on else alert(self.watch.contract, change), 0)
            elif key in known:
                known[key] = (known[key][0], change.at_ns)
        self.last[family] = (start_ns, end_ns)

    def broken(self, question: Question) -> dict[Slice, tuple[Alert, int]]:
        """What was told of a question, of the releases that are the newest."""
        known = self.told.get(question.identity, {})
        return {
            where: told
            for (where, release), told in known.items()
            if self.watch.release_of(question, where)[0] == release and self._lies_in(told)
        }

    def _lies_in(self, told: tuple[Alert, int]) -> bool:
        return not told[1] or told[1] > self.since_ns

    def _of_release(self, change: Change) -> bool:
        if not self.release or change.question.baseline is not Baseline.SAME_HOURS_BEFORE:
            return True
        return self.watch.releases.pair(change.slice.environment, change.slice.route)[0] == self.release
