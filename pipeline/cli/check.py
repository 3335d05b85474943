"""`tailrace check`: does what is stored keep a contract? For release pipelines."""

import sys
from typing import TYPE_CHECKING, Annotated

import orjson
import typer

from pipeline.app import show
from pipeline.cli.terminal import Json, complain, out, say, unheard
from pipeline.errors import EngineError, SettingsError, TailraceError
from pipeline.settings import Settings

if TYPE_CHECKING:
    from pipeline.app.checked import Checked

BROKEN = 1
"""The exit code of a promise that is not kept."""


def check(
    contract: Annotated[str, typer.Argument(help="A contract file, or the name of a contract in force.")],
    since: Annotated[str, typer.Option("--from", help="A day or time of ISO 8601, UTC; none: a day before --to.")] = "",
    until: Annotated[str, typer.Option("--to", help="The same; none: now.")] = "",
    release: Annotated[
        str, typer.Option(help="This release alone, all that is stored of it; compared with the one before it on each route.")
    ] = "",
    strict: Annotated[bool, typer.Option("--strict", help="An estimate beyond its bound breaks, also without evidence.")] = False,
    every: Annotated[bool, typer.Option("--all", help="A row for each slice, also where there is nothing to tell.")] = False,
    most: Annotated[int, typer.Option(min=1, max=100_000, help="Findings told, worst first; counts are of all.")] = 2000,
    json: Json = False,
) -> None:
    """Hold a contract against stored panes, by the same judgement as the stage watch.

    Exits with 0 if it is kept; 1 if a promise of severity page or ticket is broken, info never breaks; 2 if a promise has too
    little data in every slice, nothing is stored, or what was asked for is wrong; 3 if an engine is away or does not answer what
    is asked; 4 if the schema is not that of this version; 70 where this program is wrong.
    """
    from pipeline.app import check as checking  # noqa: PLC0415 - loads the evidence
    from pipeline.app.prices import time_ns  # noqa: PLC0415

    settings = Settings.load()
    if release != release.strip() or len(release) > 1000:
        raise SettingsError("--release is the name of a release, as spans say it")
    span = (time_ns(since) if since else None, time_ns(until) if until else None)
    try:
        done = checking.check(settings, checking.contract_named(settings, contract), span, release, most, say)
    except TailraceError as error:
        if error.exit_code == BROKEN:  # which nothing says but a broken promise
            raise EngineError(str(error)) from error
        raise
    code = done.standing.exit_code(strict)
    try:
        _tell(done, code, every, json)
        sys.stdout.flush()
    except BrokenPipeError:  # who reads may have seen enough; the outcome is the same
        unheard(sys.stdout)
    if code:
        raise typer.Exit(code)


def _tell(done: "Checked", code: int, every: bool, json: bool) -> None:
    from pipeline.app import checked  # noqa: PLC0415 - loads the evidence

    if json:
        print(orjson.dumps(checked.meant(done, code)).decode())
    else:
        show.under_headings(checked.NAMES, checked.rows(done.standing.findings, every), checked.SHARED, out)
        for rule in done.not_judged:
            complain(f"{rule} is not judged yet")
        for rule in done.standing.not_compared:
            say(f"{rule}: no release began, so there is nothing to compare")
        if done.open_windows:
            say(f"{done.open_windows:,} windows are not whole yet and were left out")
        if done.slices_left_out:
            complain(f"slices beyond TAILRACE_MAX_SLICES were left out {done.slices_left_out:,} times")
        found = sum(sum(counts.values()) for counts in done.standing.counts.values())
        if found > len(done.standing.findings):
            say(f"the worst {len(done.standing.findings):,} of {found:,} findings are told; --most tells more")
        say(checked.summary(done, code))
