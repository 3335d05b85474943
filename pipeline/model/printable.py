"""Texts that others chose, made fit for a terminal."""

LINES = frozenset("\n\t")


def printable(text: str, kept: frozenset[str] = frozenset()) -> str:
    """The text with a mark for each character that does not print: escapes that colour or write elsewhere, marks that turn the
    direction. kept: such ones as stay.
    """
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c in kept else "\N{REPLACEMENT CHARACTER}" for c in text)
