"""The cost of spans that are stored, once more: by the rules of decode, from the columns that keep what the spans said."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from pipeline.model.columns import BILLED, SPEND, TOKENS
from pipeline.operators.decode.billing import SAID, Biller
from pipeline.operators.decode.money import CACHED, Said, money
from pipeline.operators.decode.resolve import Column
from pipeline.operators.pricing.price import PriceBook

WORDS = ("kind", "status", "usage_rule", "service_tier", "cost_source", "provider", "model", *SAID)
COUNTS = ("start_ns", "schema_version", "span_cost_nusd", *TOKENS, *BILLED)
"""The columns it takes: texts, and integers with -1 for null."""

KEPT_SINCE = 3
"""The schema version from which rows keep what was said of who bills. Of older ones the provider and model are asked."""

MONEY = ("provider", "cost_nusd", *SPEND, "cost_source", "price_version", "price_rule")
"""What comes out. The model stays: it is the series in which the call was counted."""


def priced_again(
    biller: Biller, prices: PriceBook, claims_first: bool, words: Mapping[str, Sequence[str]], counts: Mapping[str, Any]
) -> dict[str, Column]:
    """The columns of MONEY of n stored rows. words: per name of WORDS; counts: per name of COUNTS; what is as it was decoded.

    A reply from a gateway's own cache stays one. Never raises for what rows hold.
    """
    text = {name: np.array([*words[name], ""], object)[:-1] for name in WORDS}
    number = {name: np.asarray(counts[name], np.int64) for name in COUNTS}
    kept = number["schema_version"] >= KEPT_SINCE
    text["provider_said"] = np.where(kept, text["provider_said"], text["provider"])
    text["model_said"] = np.where(kept, text["model_said"], text["model"])
    bills = biller.billed(*(text[name].tolist() for name in SAID))
    said = Said(number, number["span_cost_nusd"], text["cost_source"] == CACHED)
    columns = text | {"start_ns": number["start_ns"]}
    found = {"provider": bills.columns()["provider"]} | money(prices, bills, columns, said, claims_first)
    return {name: found[name] for name in MONEY}
