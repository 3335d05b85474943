"""Who bills: what spans say of provider, model and server, and whose price that is."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from pipeline.operators.pricing import vendors
from pipeline.operators.pricing.billing import host_of, is_private, one_vendor, role, take_apart, who_bills
from pipeline.operators.pricing.price import NoPrice, Price
from tests.prices import BOOK, at_ns

TIME_NS = at_ns("2026-01-15T10:00")

SAID = yaml.safe_load((Path(__file__).parents[1] / "data" / "prices" / "who_bills.yaml").read_text())


@pytest.mark.parametrize("case", SAID, ids=lambda case: "-".join(case["said"]))
def test_who_bills(case: dict[str, Any]) -> None:
    provider, model, asked, address = case["said"]
    bill = who_bills(provider, (model, asked), address, BOOK.knows)
    assert [bill.provider, bill.model, bill.rule] == case["bills"]
    price = BOOK.price(bill, "standard", TIME_NS)
    assert (price.entry if isinstance(price, Price) else "") == case["entry"]
    assert bill.billed or isinstance(price, NoPrice)


PRIVATE = [
    "127.0.0.1",
    "http://127.0.0.1:18400/v1/",
    "[::1]:8080",
    "localhost",
    "10.2.3.4",
    "172.20.0.2:11434",
    "ollama",
    "fd00::5",
    "vllm.models.svc.cluster.local",
    "host.docker.internal",
]
PUBLIC = ["api.openai.com", "https://user:pw@api.example.com:443/v1", "8.8.8.8", ""]


@pytest.mark.parametrize("address", [*PRIVATE, *PUBLIC])
def test_private_addresses(address: str) -> None:
    assert is_private(host_of(address)) == (address in PRIVATE)


def test_every_word_has_one_role() -> None:
    words = [word for vendor in vendors.VENDORS.values() for word in vendor]
    every = [*words, *vendors.OTHER_VENDORS, *vendors.GATEWAYS, *vendors.NOBODY, *vendors.SELF_HOSTED]
    assert sorted(every) == sorted(set(every))
    assert all(word == word.lower() and "_" not in word for word in every)
    assert all(role(vendor) == vendor for vendor in vendors.VENDORS)


def test_vendors_are_those_of_the_book() -> None:
    assert {provider.id for provider in BOOK._snapshot.providers} >= set(vendors.VENDORS)


def test_open_weights_are_nobodys() -> None:
    for name in (
        "gpt-oss-120b",
        "llama3",
        "mistral:7b",
        "mixtral-8x7b",
        "deepseek-r1",
        "qwen3",
        "gemma-2-9b",
        "phi-4",
        "grok-1",
        "gpt2",
    ):
        assert one_vendor(name) == "", name


@given(st.text(max_size=300), st.text(max_size=300), st.text(max_size=100), st.text(max_size=100))
def test_any_text(provider: str, model: str, asked: str, address: str) -> None:
    bill = who_bills(provider, (model, asked), address, BOOK.knows)
    assert len(bill.names) <= 12
    assert len(bill.model) <= max(len(model), len(asked))


@pytest.mark.parametrize("model", ["/" * 5000, "a/" * 5000, "openai/" * 5000 + "gpt-4o", ":" * 5000, "us." * 5000, "ft:" * 5000])
def test_long_names_take_no_time(model: str) -> None:
    assert len(take_apart(model).asked) <= 12
