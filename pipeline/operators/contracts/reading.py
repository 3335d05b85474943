"""A contract file's text in, a contract or what is wrong with it out: every mistake with its line, its key and what to do.

First the text (`located.py`), then the shape (`structure.py`), then what each part means (`objectives.py`, `regressions.py`,
`budgets.py`), last what the parts say together (`together.py`). What cannot be read is not asked further: no mistake is told
twice.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from pipeline.model.contracts import EVERYTHING, Contract
from pipeline.operators.contracts.budgets import budget
from pipeline.operators.contracts.located import UnreadableError, located
from pipeline.operators.contracts.meaning import hash_of
from pipeline.operators.contracts.objectives import objective
from pipeline.operators.contracts.problems import Problem
from pipeline.operators.contracts.reader import Reader, patterns, repeated
from pipeline.operators.contracts.regressions import regression
from pipeline.operators.contracts.structure import mistakes
from pipeline.operators.contracts.together import contradictions

MOST_TOLD = 50
"""Problems of a file that are told; how many more there are is one."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What became of a file: its contract, or None and at least one problem. notes: what may be a mistake, and may be meant."""

    contract: Contract | None
    problems: tuple[Problem, ...] = ()
    notes: tuple[Problem, ...] = ()


def read(text: str | bytes, file: str = "contract", evaluators: Sequence[str] = ()) -> Reading:
    """The contract of a file's text. evaluators: those that are known; another one is noted, as it may be misspelt."""
    try:
        found = located(text)
    except UnreadableError as error:
        return Reading(None, (Problem(file, error.line, error.path, error.says),))
    if found.value is None:
        return Reading(None, (Problem(file, 0, (), "it is empty"),))
    wrong = tuple(Problem(file, found.line(path), path, says) for path, says in mistakes(found))
    if wrong:
        return Reading(None, _shortened(wrong))
    reader = Reader(file, found, tuple(evaluators))
    contract = _contract(reader, found.value)
    if not reader.problems:
        contradictions(reader, contract)
    problems = tuple(sorted(reader.problems, key=lambda one: one.line))
    notes = tuple(reader.notes.values())
    return (
        Reading(None, _shortened(problems), notes)
        if problems
        else Reading(replace(contract, hash=hash_of(contract)), notes=notes)
    )


def _shortened(problems: tuple[Problem, ...]) -> tuple[Problem, ...]:
    """No more than people read."""
    more = len(problems) - MOST_TOLD
    return problems if more <= 0 else (*problems[:MOST_TOLD], Problem(problems[0].file, 0, (), f"and {more:,} more"))


def _contract(reader: Reader, raw: dict[str, Any]) -> Contract:
    """Of what can be read; what cannot is told."""
    said = [objective(reader, ("objectives", index), one) for index, one in enumerate(raw["objectives"])]
    objectives = tuple(one for one in said if one is not None)
    by_id = dict.fromkeys(one["id"] for one in raw["objectives"] if "id" in one) | {one.id: one for one in objectives}
    promised = [one["metric"] for one in raw["objectives"]]
    of_budgets = (budget(reader, ("error_budgets", i), one, by_id) for i, one in enumerate(raw.get("error_budgets", ())))
    select = raw.get("select", {})
    return Contract(
        name=raw["name"],
        version=raw["version"],
        hash="",
        owner=raw.get("owner", ""),
        description=raw.get("description", ""),
        environments=patterns(raw.get("environment"), EVERYTHING),
        routes=patterns(raw["routes"], EVERYTHING),
        models=patterns(select.get("model"), EVERYTHING),
        releases=patterns(select.get("release"), EVERYTHING),
        slices=_slices(reader, raw.get("slices", ())),
        objectives=objectives,
        regression=regression(reader, raw["regression"], promised) if "regression" in raw else None,
        error_budgets=tuple(one for one in of_budgets if one is not None),
    )


def _slices(reader: Reader, said: Sequence[str | list[str]]) -> tuple[tuple[str, ...], ...]:
    """The whole, then each set of columns, small ones first."""
    found = [tuple(sorted([one] if isinstance(one, str) else one)) for one in said]
    for index in repeated(found):
        reader.wrong(("slices", index), "this slice is there twice; leave one")
    return ((), *sorted(set(found), key=lambda columns: (len(columns), columns)))
