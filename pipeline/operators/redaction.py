"""Hides in a text what names a person or opens a door, by patterns that are known by name. Linear in the length of the text:
what is as long as a sender likes is looked at from where it begins, and taken whole.

It is a net with holes, as every list of patterns is: names and addresses of people pass. Who must not let them out gives a
function of their own (`TAILRACE_REDACT_WITH`), or takes no samples (`TAILRACE_SAMPLE_CEILING=0`).
"""

import re
from collections.abc import Callable, Sequence

PATTERNS: dict[str, re.Pattern[str]] = {
    "email": re.compile(r"(?<![\w.+-])(?:[\w.+-]++@[\w-]{1,63}(?:\.[\w-]{1,63}){1,8})++"),
    "key": re.compile(
        r"\b(?:sk|pk|rk)[-_][\w-]{16,200}|\b(?:AKIA|ASIA)[0-9A-Z]{16}\b|\bgh[pousr]_\w{30,255}|\bxox[abprs]-[\w-]{10,200}"
        r"|(?<![\w-])(?=[\w-]{0,200}\beyJ)[\w-]{13,2200}+(?:\.[\w-]{10,4000}+){2,}+|(?i:\bbearer )[\w.~+/-]{16,2000}=*"
    ),
    "iban": re.compile(r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){3,7}(?: ?[A-Z0-9]{1,3})?\b"),
    "card": re.compile(r"(?<![\d.])\d(?:[ -]?\d){12,18}(?![\d.]?\d)"),
    "ip": re.compile(
        r"(?<![\d.])(?:\d{1,3}\.){3}\d{1,3}(?![\d.])|(?<![\w:])(?:[0-9a-fA-F]{1,4}:){3,7}:?[0-9a-fA-F]{0,4}(?![\w:])"
    ),
    "phone": re.compile(
        r"(?<![\w.])(?:\+|00)\d(?:[ ()./-]{0,2}\d){6,14}(?!\w)|(?<![\w.])\(?0\d{1,5}\)?[ /-]{1,3}(?:\d[ -]?){4,10}\d(?!\w)"
    ),
}
"""In the order in which they are hidden: a card is no phone."""


def redactor(names: Sequence[str]) -> Callable[[str], str]:
    """Replaces what the patterns of these names match by the name in brackets. Raises KeyError for a name nobody knows."""
    chosen = [(pattern, _card if name == "card" else f"[{name}]") for name, pattern in PATTERNS.items() if name in names]
    for name in names:
        PATTERNS[name]

    def redact(text: str) -> str:
        for pattern, mark in chosen:
            text = pattern.sub(mark, text)
        return text

    return redact


def _card(found: re.Match[str]) -> str:
    return "[card]" if _adds_up(found[0]) else found[0]


def _adds_up(number: str) -> bool:
    """Luhn's check, which every card's number passes and one in ten others. Source: ISO/IEC 7812-1, annex B."""
    digits = [int(c) for c in reversed(number) if c.isdigit()]
    return sum(digits[0::2]) % 10 == -sum(sum(divmod(2 * d, 10)) for d in digits[1::2]) % 10
