"""Contracts of this installation: read from files, put in force, looked up again."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

from pipeline.app.evaluators import evaluators
from pipeline.connectors.clickhouse import query
from pipeline.connectors.clock import now_ns, steady, wait
from pipeline.connectors.contracts_in_force import contracts_in_force, put
from pipeline.errors import SettingsError, TailraceError
from pipeline.evaluators.registry import GROUP, OURS
from pipeline.model.contract_columns import Applied
from pipeline.model.contracts import Contract
from pipeline.operators.contracts.located import MAX_BYTES
from pipeline.operators.contracts.meaning import meaning, stored
from pipeline.operators.contracts.problems import Problem
from pipeline.operators.contracts.reading import Reading, read
from pipeline.operators.contracts.structure import NAME
from pipeline.operators.contracts.wording import OBJECTIVE, objective_row, worded
from pipeline.settings import Settings

STANDS_WITHIN = 15.0
"""Seconds in which what was applied is to stand in ClickHouse, where a sink runs."""

PAUSE = 0.25

MOST_BYTES = 4 << 20
"""Of the texts in force together: watch writes them into one message of panes and into each snapshot, which may have 16 MB; as
JSON a text is up to twice as long.
"""


@dataclass(frozen=True, slots=True)
class File:
    """A contract file: its text, and what became of it."""

    path: Path
    text: str
    reading: Reading


def read_files(settings: Settings, paths: Sequence[Path]) -> list[File]:
    """Each file read; a name that two files have is a problem of the second. Raises SettingsError for one that is not there."""
    known = known_evaluators(settings)
    found: list[File] = []
    names: dict[str, Path] = {}
    for path in paths:
        raw = _bytes(path)
        reading = read(raw, str(path), known)
        if reading.contract is not None:
            first = names.setdefault(reading.contract.name, path)
            if first != path:
                says = f"{first} has a contract of this name too; a contract is one file"
                reading = Reading(None, (Problem(str(path), 0, ("name",), says),))
        found.append(File(path, raw.decode("utf-8-sig", "replace"), reading))
    return found


def _bytes(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(MAX_BYTES + 1)
    except OSError as error:
        raise SettingsError(f"{path} cannot be read: {error.strerror}") from None


def known_evaluators(settings: Settings) -> tuple[str, ...]:
    """Ours, those that are installed, and those of `TAILRACE_EVALUATORS`."""
    configured = (one.evaluator.name for one in evaluators(settings))
    return tuple(dict.fromkeys([*OURS, *(point.name for point in entry_points(group=GROUP)), *configured]))


# In force.


@dataclass(frozen=True, slots=True)
class Outcome:
    """What `apply` did with a contract: applied or unchanged. before: the version that was in force, 0 for none."""

    applied: Applied
    did: str
    before: int


def apply(settings: Settings, files: Sequence[File], by: str) -> list[Outcome]:
    """Put the files' contracts in force, all of them or none; those that mean what is in force stay. Raises SettingsError."""
    there = contracts_in_force(settings)
    outcomes = []
    for file in files:
        contract = file.reading.contract
        assert contract is not None, "what is applied was read"
        now = there.get(contract.name)
        if now is not None and now.hash == contract.hash and now.meaning:  # without it the store's views cannot read it
            outcomes.append(Outcome(now, "unchanged", now.version))
            continue
        if now is not None and now.version == contract.version and now.hash != contract.hash:
            raise SettingsError(
                f"{file.path}: {contract.name} {contract.version} is in force and means something else; raise `version`, "
                f"`tailrace contract diff {contract.name} {file.path}` shows what changed"
            )
        about = (contract.name, contract.version, contract.hash, contract.owner, file.text, now_ns(), by)
        applied = Applied(*about, meaning=stored(contract))
        outcomes.append(Outcome(applied, "applied", now.version if now else 0))
    new = [one.applied for one in outcomes if one.did == "applied"]
    refuse_too_many(there, there | {one.name: one for one in new}, settings.max_contracts)
    put(settings, new)
    return outcomes


def refuse_too_many(before: Mapping[str, Applied], then: Mapping[str, Applied], most: int) -> None:
    """Each contract is bounded; together they are, too. Raises SettingsError where more are to be in force than may be, by number
    or by bytes. Fewer than there are may be always.
    """
    if len(before) < len(then) > most:
        raise SettingsError(
            f"{len(then):,} contracts would be in force, and {most:,} may be (TAILRACE_MAX_CONTRACTS); nothing was applied"
        )
    was, of = (sum(len(one.text.encode()) for one in those.values()) for those in (before, then))
    if was < of > MOST_BYTES:
        raise SettingsError(
            f"the contracts in force would have {of:,} bytes together, and {MOST_BYTES:,} is the most they may have; "
            "nothing was applied. A contract may speak of many routes by patterns; `contract apply --remove` takes one out"
        )


def remove(settings: Settings, name: str, by: str) -> Applied:
    """Take a contract out of force. Raises SettingsError if it is not in force."""
    now = in_force(settings, name)
    gone = Applied(now.name, now.version, now.hash, now.owner, "", now_ns(), by, removed=True)
    put(settings, [gone])
    return gone


def stands(settings: Settings, applied: Sequence[Applied]) -> str:
    """Wait until ClickHouse has them; "" when it does, else why not."""
    wanted = {(one.name, one.applied_ns) for one in applied}
    deadline = steady() + STANDS_WITHIN
    why = "no sink has stored it; does one run?"
    while wanted:
        try:
            wanted -= {(name, at) for name, at in query(settings, "SELECT name, applied_ns FROM contracts")[1]}
        except TailraceError as error:
            why = str(error)
        if steady() > deadline:
            return why
        if wanted:
            wait(PAUSE)
    return ""


def in_force(settings: Settings, name: str) -> Applied:
    """The contract of this name. Raises SettingsError in words that say which there are."""
    there = contracts_in_force(settings)
    if name not in there:
        raise SettingsError(f"no contract {name!r} is in force; there are {', '.join(there) or 'none'}")
    return there[name]


# What was.


def history(settings: Settings, name: str = "") -> list[Applied]:
    """All that was ever applied, newest first; of one name. Raises SettingsError for a name nobody can have."""
    if name and not re.fullmatch(NAME, name):
        raise SettingsError(f"{name!r} is no name of a contract")
    where = f"WHERE name = '{name}'" if name else ""
    columns = "name, version, hash, owner, text, applied_ns, applied_by, removed"
    _, rows = query(settings, f"SELECT {columns} FROM contracts FINAL {where} ORDER BY applied_ns DESC, name")  # noqa: S608 - a checked name
    return [Applied(*row) for row in rows]


def two(settings: Settings, name: str, sides: Sequence[str]) -> tuple[Contract, Contract]:
    """The contracts to compare, the old one first. Raises SettingsError.

    sides: each a version, the beginning of a hash or a file. One is compared with what is in force; without any the last two
    that mean something else are: one that was put back after it was taken out is no other.
    """
    kept = [one for one in history(settings, name) if not one.removed]
    if not sides:
        others = [one for one in kept if one.hash != kept[0].hash]
        if not others:
            raise SettingsError(f"{name!r} was applied {len(kept)} times, with one meaning; there is nothing to compare")
        return contract_of(others[0]), contract_of(kept[0])
    if len(sides) == 1:
        return contract_of(in_force(settings, name)), _side(settings, kept, sides[0])
    return _side(settings, kept, sides[0]), _side(settings, kept, sides[1])


def _side(settings: Settings, kept: Sequence[Applied], said: str) -> Contract:
    if Path(said).is_file():
        [file] = read_files(settings, [Path(said)])
        if file.reading.contract is None:
            raise SettingsError(str(file.reading.problems[0]))
        return file.reading.contract
    found = [one for one in kept if str(one.version) == said or (len(said) >= 6 and one.hash.startswith(said))]
    if not found:
        raise SettingsError(
            f"{said!r} is no file, no version and no hash that was applied; `tailrace contract history` lists them"
        )
    return contract_of(found[0])


def contract_of(applied: Applied) -> Contract:
    """The contract of a text that was applied. Raises SettingsError where this version of Tailrace reads it no more."""
    reading = read(applied.text, f"{applied.name} {applied.version}", ())
    if reading.contract is None:
        raise SettingsError(f"as applied it is not read any more: {reading.problems[0]}")
    return reading.contract


# For people.

Drawn = tuple[list[str], list[list[str]]]


def listed(found: Sequence[Applied]) -> Drawn:
    """A row for each."""
    names = ["contract", "version", "hash", "owner", "applied", "by", ""]
    rows = [
        [
            one.name,
            str(one.version),
            one.hash[:12],
            one.owner,
            utc(one.applied_ns),
            one.applied_by,
            _unlike_others(one),
        ]
        for one in found
    ]
    return names, rows


def _unlike_others(one: Applied) -> str:
    if one.removed:
        return "removed"
    return "" if read(one.text, one.name).contract is not None else "cannot be read by this version, so it is not judged"


def utc(ns: int) -> str:
    """A time, to the second."""
    return datetime.fromtimestamp(ns / 1e9, UTC).strftime("%Y-%m-%d %H:%M:%S")


def tables(applied: Applied) -> tuple[Drawn, Drawn]:
    """A contract in the units people read: its objectives, and all else."""
    contract = contract_of(applied)
    of_objectives = [objective_row(one) for one in contract.objectives]
    other = {part: said for part, said in worded(contract).items() if not part.startswith("objective ")}
    told = [["contract", contract.name], *([part, said] for part, said in other.items() if said), ["hash", contract.hash]]
    return (["", ""], told), ([*OBJECTIVE], of_objectives)


def meant(applied: Applied) -> dict[str, Any]:
    """A contract in base units, with who applied it and when."""
    about = {"hash": applied.hash, "applied_ns": applied.applied_ns, "applied_by": applied.applied_by}
    return meaning(contract_of(applied)) | about
