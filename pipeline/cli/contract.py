"""`tailrace contract`: what is promised, from files into force."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import orjson
import typer

from pipeline.app import show
from pipeline.cli.terminal import Json, complain, out, say
from pipeline.errors import SettingsError
from pipeline.settings import Settings

if TYPE_CHECKING:
    from pipeline.app.contracts import File

contract_app = typer.Typer(help="What is promised of routes: objectives, regressions, error budgets.", no_args_is_help=True)

Files = Annotated[list[Path], typer.Argument(help="Contract files, YAML; contracts/example.yaml shows all they can say.")]
Name = Annotated[str, typer.Argument(help="A contract; none: all.")]
By = Annotated[str, typer.Option(help="Who does it, for the history.")]


@contract_app.command("validate")
def validate(files: Files, json: Json = False) -> None:
    """Read contract files and say what is wrong with them, by line and key. Exits with 2 if something is."""
    good(files, json)


def good(paths: list[Path], json: bool) -> "list[File]":
    """The files, all good; else exit 2 with what is wrong."""
    from pipeline.app.contracts import read_files  # noqa: PLC0415 - loads the evaluators

    files = read_files(Settings.load(), paths)
    if json:
        told = [asdict(one) for file in files for one in file.reading.problems + file.reading.notes]
        print(orjson.dumps(told).decode())
    for file in files:
        for problem in file.reading.problems if not json else ():
            complain(str(problem))
        for note in file.reading.notes if not json else ():
            say(f"note: {note}")
        if (contract := file.reading.contract) is not None and not json:
            say(f"{file.path}: {contract.name} {contract.version}, {len(contract.objectives)} objectives, {contract.hash[:12]}")
    if any(file.reading.problems for file in files):
        raise typer.Exit(2)
    return files


@contract_app.command("apply")
def apply(
    files: Annotated[list[Path] | None, typer.Argument(help="Contract files; all are put in force, or none.")] = None,
    remove: Annotated[str, typer.Option(help="Take the contract of this name out of force instead.")] = "",
    by: By = "",
) -> None:
    """Put contracts in force. What means the same as what is in force stays. Exits with 3 if it does not reach ClickHouse."""
    from pipeline.app import contracts  # noqa: PLC0415 - loads the evaluators

    settings = Settings.load()
    if bool(files) == bool(remove):
        raise SettingsError("name contract files, or one contract with --remove")
    if remove:
        gone = contracts.remove(settings, remove, by)
        say(f"{gone.name} {gone.version} is out of force")
        changed = [gone]
    else:
        outcomes = contracts.apply(settings, good(files or [], json=False), by)
        for one in outcomes:
            was = f", before: {one.before}" if one.did == "applied" and one.before else ""
            say(f"{one.applied.name} {one.applied.version}: {one.did}{was}")
        changed = [one.applied for one in outcomes if one.did == "applied"]
    if why := contracts.stands(settings, changed):
        complain(f"it is in force, but does not stand in ClickHouse: {why}")
        raise typer.Exit(3)


@contract_app.command("show")
def show_contract(
    name: Name = "",
    json: Json = False,
    yaml: Annotated[bool, typer.Option("--yaml", help="The text as it was applied.")] = False,
) -> None:
    """What is in force: the contracts, or one with its bounds and all defaults."""
    from pipeline.app import contracts  # noqa: PLC0415
    from pipeline.connectors.contracts_in_force import contracts_in_force  # noqa: PLC0415

    settings = Settings.load()
    if not name:
        there = [*contracts_in_force(settings).values()]
        if json:
            print(orjson.dumps([asdict(one) for one in there]).decode())
        else:
            out.print(show.table(*contracts.listed(there)))
        return
    one = contracts.in_force(settings, name)
    if yaml:
        typer.echo(one.text, nl=False)
    elif json:
        print(orjson.dumps(contracts.meant(one)).decode())
    else:
        for drawn in contracts.tables(one):
            out.print(show.table(*drawn))


@contract_app.command("history")
def history(name: Name = "", json: Json = False) -> None:
    """All that was ever in force, newest first."""
    from pipeline.app import contracts  # noqa: PLC0415

    found = contracts.history(Settings.load(), name)
    if json:
        print(orjson.dumps([asdict(one) for one in found]).decode())
    else:
        out.print(show.table(*contracts.listed(found)))


@contract_app.command("diff")
def diff(
    name: Annotated[str, typer.Argument(help="A contract.")],
    sides: Annotated[
        list[str] | None,
        typer.Argument(
            help="Old and new: versions, beginnings of hashes, files. One is compared with what is in force; none: the last two."
        ),
    ] = None,
    json: Json = False,
) -> None:
    """What changed in what a contract means, part by part. Exits with 1 if something did."""
    from pipeline.app import contracts  # noqa: PLC0415
    from pipeline.operators.contracts.wording import differences  # noqa: PLC0415

    if sides and len(sides) > 2:
        raise SettingsError("name two to compare at most")
    found = differences(*contracts.two(Settings.load(), name, sides or []))
    if json:
        print(orjson.dumps([{"part": part, "old": old, "new": new} for part, old, new in found]).decode())
    elif found:
        out.print(show.table(["part", "old", "new"], found))
    else:
        say("they mean the same")
    if found:
        raise typer.Exit(1)
