"""Where the commands speak: results to standard output, everything else to standard error."""

import sys
from typing import Annotated

import typer
from rich.console import Console
from rich.text import Text

from pipeline.model.printable import LINES, printable

out = Console(width=None if sys.stdout.isatty() else 180)
err = Console(stderr=True)

Json = Annotated[bool, typer.Option("--json", help="JSON instead of a table.")]


def complain(text: str) -> None:
    """One line of what is wrong; nothing in it is markup."""
    err.print(Text.assemble(("tailrace: ", "bold red"), printable(text, LINES)), highlight=False, soft_wrap=True)


def say(text: str) -> None:
    """Progress goes to standard error, so that results can be piped."""
    err.print(printable(text, LINES), highlight=False, markup=False, soft_wrap=True)
