"""What a row keeps is enough to price it again: nothing that decided its cost is lost with the span."""

from pathlib import Path
from typing import Any

import pytest

from pipeline.operators.decode.billing import Biller
from pipeline.operators.decode.stored import COUNTS, MONEY, WORDS, priced_again
from pipeline.operators.pricing.own import OwnBook
from tests.otlp import decoder, record, rows
from tests.prices import BOOK

DATA = Path(__file__).parents[1] / "data"
FILES = sorted(path for path in DATA.rglob("*") if path.suffix in {".pb", ".json"} and "expected" not in path.name)

OWN = [
    {"provider": "ollama", "model": "*", "input": 1, "output": 2},
    {"provider": "litellm", "model": "*", "input": 3, "output": 4},
    {"model": "gpt-4o-mini", "call": 0.01},
    {"model": "text-*", "input": 0.5},
]
"""Own lines speak of words as the spans said them, too."""


def again(found: list[dict[str, Any]], book: Any, claims_first: bool) -> list[tuple[Any, ...]]:
    """Money of rows that were read back from the store: integers with -1 for null."""
    words = {name: [row[name] for row in found] for name in WORDS}
    counts = {name: [-1 if row[name] is None else row[name] for row in found] for name in COUNTS}
    new = priced_again(Biller(book), book, claims_first, words, counts)
    return list(zip(*(new[name].tolist() for name in MONEY), strict=True))


@pytest.mark.parametrize("claims_first", [False, True])
@pytest.mark.parametrize("own", [[], OWN], ids=["book", "own"])
def test_rows_are_priced_again_as_they_were(own: list[dict[str, Any]], claims_first: bool) -> None:
    book = OwnBook.over(BOOK, own) if own else BOOK
    by = decoder(horizon_ns=10**18, prices=book, claims_first=claims_first)
    sources: set[str] = set()
    for path in FILES:
        found = rows(by.decode([record(path.read_bytes())]))
        if not found:
            continue
        assert again(found, book, claims_first) == [tuple(row[name] for name in MONEY) for row in found], path.name
        sources |= {row["cost_source"] for row in found}
    assert sources >= {"", "book", "span", "cached", "unpriced"}


def test_rows_of_before_are_priced_by_the_provider_and_model_they_have() -> None:
    row = dict.fromkeys(WORDS, "") | dict.fromkeys(COUNTS, -1)
    row |= {
        "kind": "llm",
        "provider": "openai",
        "model": "openai/gpt-4o-mini",
        "schema_version": 2,
        "start_ns": 1_768_000_000 * 10**9,
    }
    row |= {"input_tokens": 1000, "output_tokens": 10}
    (found,) = again([row], BOOK, claims_first=False)
    money = dict(zip(MONEY, found, strict=True))
    assert (money["provider"], money["cost_nusd"], money["cost_source"]) == ("openai", 156_000, "book")
    assert money["price_rule"] == "openai/gpt-4o-mini (said)"
    assert (money["cost_input_nusd"], money["cost_output_nusd"]) == (150_000, 6_000)
