"""The user's prices over another book: of the matching lines in force the newest wins, of equally new ones the upper."""

from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any

from pipeline.operators.pricing.bundled import MAX_REMEMBERED
from pipeline.operators.pricing.lines import Line, completed, read_lines, tiers_of
from pipeline.operators.pricing.price import Bill, NoPrice, Price, PriceBook

TEXT_PARTS = ("cache_read", "cache_write", "cache_write_1h", "reasoning")
"""What a line that does not name it bills like the rest of the text. Audio and images it has to name."""


@dataclass(frozen=True, slots=True)
class OwnBook:
    """A price file's lines, and the book below them."""

    lines: tuple[Line, ...]
    under: PriceBook
    version: str
    _matching: dict[tuple[Bill, str], list[tuple[int, Price]]] = field(default_factory=dict)

    @classmethod
    def over(cls, under: PriceBook, raw: Any) -> "OwnBook":
        """The book of a price file. Raises ValueError naming the line, what is wrong and what would be right."""
        version = f"own-{blake2b(repr(raw).encode(), digest_size=4).hexdigest()}/{under.version}"
        return cls(tuple(read_lines(raw)), under, version)

    def knows(self, provider: str, name: str) -> bool:
        """As PriceBook says. What is billed by a vendor the vendor's book decides: own lines match whatever it comes to."""
        return self.under.knows(provider, name)

    def price(self, bill: Bill, service: str, time_ns: int) -> Price | NoPrice:
        """As PriceBook says."""
        key = (bill, service)
        if key not in self._matching:
            if len(self._matching) >= MAX_REMEMBERED:
                self._matching.clear()
            self._matching[key] = self._find(bill, service)
        in_force = next((price for since, price in self._matching[key] if since <= time_ns), None)
        return self.under.price(bill, service, time_ns) if in_force is None else in_force

    def _find(self, bill: Bill, service: str) -> list[tuple[int, Price]]:
        """(since, price) of the lines that match, newest first."""
        matching = [line for line in self.lines if line.service == service and line.matches(bill)]
        matching.sort(key=lambda line: line.valid_from_ns, reverse=True)
        return [(line.valid_from_ns, _price(line)) for line in matching]


def _price(line: Line) -> Price:
    entry = f"own {line.provider}/{line.model}" + (f" {line.service}" if line.service != "standard" else "")
    return Price(entry, tuple(completed(tier, TEXT_PARTS) for tier in tiers_of(line)))
