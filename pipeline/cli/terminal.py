"""Where the commands speak: results to standard output, everything else to standard error."""

import os
import sys
from typing import Annotated, TextIO

import typer
from rich.console import Console
from rich.text import Text

from pipeline.model.printable import LINES, printable


class _Results(Console):
    """Whoever reads results may go, as `head` does: it is an error of the pipe, and no exit code that means something."""

    def on_broken_pipe(self) -> None:
        raise  # noqa: PLE0704 - it is called while a BrokenPipeError is dealt with


class _Progress(Console):
    """Nobody has to read what is said beside the results."""

    def on_broken_pipe(self) -> None:
        unheard(sys.stderr)
        self.quiet = True


out = _Results(width=None if sys.stdout.isatty() else 180)
err = _Progress(stderr=True)

Json = Annotated[bool, typer.Option("--json", help="JSON instead of a table.")]


def unheard(stream: TextIO) -> None:
    """From now on what is written there goes nowhere, and that is no error, also not when the process ends."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)


def complain(text: str) -> None:
    """One line of what is wrong; nothing in it is markup."""
    err.print(Text.assemble(("tailrace: ", "bold red"), printable(text, LINES)), highlight=False, soft_wrap=True)


def say(text: str) -> None:
    """Progress goes to standard error, so that results can be piped."""
    err.print(printable(text, LINES), highlight=False, markup=False, soft_wrap=True)
