"""What the parts of a contract say together, and cannot both be meant."""

from collections.abc import Sequence

from pipeline.model.contracts import EVERYTHING, Baseline, Contract, Direction, Objective
from pipeline.model.metrics import Family
from pipeline.operators.contracts.amounts import shown, shown_duration
from pipeline.operators.contracts.problems import KeyPath
from pipeline.operators.contracts.reader import Reader, repeated
from pipeline.operators.contracts.scope import SIGNS


def contradictions(reader: Reader, contract: Contract) -> None:
    """Tells them."""
    same_twice(reader, contract.objectives)
    ceiling_under_floor(reader, contract.objectives)
    for index in repeated(one.id for one in contract.error_budgets):
        reader.wrong(
            ("error_budgets", index), f"two budgets are called {contract.error_budgets[index].id}; give one another `id`"
        )
    of_chosen(reader, contract)


def same_twice(reader: Reader, objectives: Sequence[Objective]) -> None:
    """A metric has one ceiling and one floor over one window."""
    first: dict[tuple[str, Direction, int], int] = {}
    for index, one in enumerate(objectives):
        before = first.setdefault((one.metric.name, one.direction, one.window_ns), index)
        if before != index:
            over = shown_duration(one.window_ns)
            says = f"{objectives[before].id} promises {one.metric.name} {one.direction.value} over {over} already; leave one"
            reader.wrong(_at(index), says)
    once = {index: objectives[index].id for index in first.values()}
    for at in repeated(once.values()):
        index = list(once)[at]
        reader.wrong((*_at(index), "id"), f"two objectives are called {once[index]}; give one another `id`")


def ceiling_under_floor(reader: Reader, objectives: Sequence[Objective]) -> None:
    """No value keeps a ceiling that is not above a floor."""
    for floor in (one for one in objectives if one.direction is Direction.AT_LEAST):
        for index, one in enumerate(objectives):
            if one.metric == floor.metric and one.direction is Direction.AT_MOST and one.bound <= floor.bound:
                ceiling, below = shown(one.bound, one.metric.unit), shown(floor.bound, one.metric.unit)
                says = f"no value is at most {ceiling} and, as {floor.id} says, at least {below}"
                reader.wrong((*_at(index), Direction.AT_MOST.value), says)


def of_chosen(reader: Reader, contract: Contract) -> None:
    """What is chosen can have what is promised."""
    if contract.models != EVERYTHING:
        for index, one in enumerate(contract.objectives):
            if one.metric.family is Family.TRACES:
                says = f"{one.metric.name} is of traces, which ask several models, so select.model cannot choose them"
                reader.wrong((*_at(index), "metric"), f"{says}; put it into a contract without")
    regression = contract.regression
    only_one = len(contract.releases) == 1 and not SIGNS & set(contract.releases[0])
    if regression and regression.baseline is Baseline.PREVIOUS_RELEASE and only_one:
        says = "select.release chooses one release, so none is before it; take same_hours_before, or a pattern of releases"
        reader.wrong(("regression", "baseline"), says)


def _at(index: int) -> KeyPath:
    return ("objectives", index)
