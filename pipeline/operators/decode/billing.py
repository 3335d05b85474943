"""Who bills each row: asked once for each distinct combination of what spans say."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.operators.decode.resolve import Column, Resolver
from pipeline.operators.decode.values import Value, read_name, reader_of
from pipeline.operators.dialects.paths import Path
from pipeline.operators.pricing.billing import GATEWAY, NOBODY, host_of, role, who_bills
from pipeline.operators.pricing.price import Bill, PriceBook

MAX_REMEMBERED = 10_000

Said = tuple[str, str, str, str]
"""Provider, model, requested model and the server's host."""

SAID = ("provider_said", "model_said", "model_requested", "server_host")
"""The columns that keep it: who bills can be asked again."""


@dataclass(frozen=True, slots=True)
class Bills:
    """said: what distinct bills are for; distinct: bills; code: (n,) index into both, per row."""

    said: Sequence[Said]
    distinct: Sequence[Bill]
    code: NDArray[np.int64]

    def columns(self) -> dict[str, Column]:
        """Provider, model, and what was said of both, per row."""
        columns = {name: [getattr(bill, name) for bill in self.distinct] for name in ("provider", "model")}
        columns |= {name: [said[i] for said in self.said] for i, name in enumerate(SAID)}
        return {name: np.array([*values, ""], object)[self.code] for name, values in columns.items()}


def read_biller(value: Value, limit: int) -> str | None:
    """A provider that says who bills: no framework, gateway or word for nothing."""
    text = read_name(value, limit)
    return None if text is None or role(text) in {NOBODY, GATEWAY} else text


@dataclass(slots=True)
class Biller:
    """Remembers who bills for what was said, at most MAX_REMEMBERED times."""

    prices: PriceBook
    _known: dict[Said, Bill] = field(default_factory=dict)

    def bills(self, resolver: Resolver, fields: Mapping[str, Sequence[Path]], text: Mapping[str, Column]) -> Bills:
        """Who bills each row. text: columns `provider` and `model` as said."""
        asked, server = (resolver.resolve(fields[name], reader_of(name), "") for name in ("model_requested", "server_address"))
        hosts = {address: host_of(address) for address in set(server.tolist())}
        return self.billed(
            _providers(resolver, fields, text["provider"]).tolist(),
            text["model"].tolist(),
            asked.tolist(),
            [hosts[address] for address in server.tolist()],
        )

    def billed(self, *said: Sequence[str]) -> Bills:
        """Who bills each row. said: a sequence for each part of Said."""
        index: dict[Any, int] = {}
        code = np.fromiter((index.setdefault(key, len(index)) for key in zip(*said, strict=True)), np.int64, len(said[0]))
        return Bills(list(index), [self.bill(key) for key in index], code)

    def bill(self, said: Said) -> Bill:
        """Who bills for this."""
        if said not in self._known:
            if len(self._known) >= MAX_REMEMBERED:
                self._known.clear()
            provider, model, requested, host = said
            self._known[said] = who_bills(provider, (model, requested), host, self.prices.knows)
        return self._known[said]


def _providers(resolver: Resolver, fields: Mapping[str, Sequence[Path]], said: Column) -> Column:
    """The provider as said; where that says nothing of who bills, what another name of the span says of it, if one does."""
    if not any(role(word) in {NOBODY, GATEWAY} for word in set(said.tolist()) - {""}):
        return said
    billing = resolver.resolve(fields["provider"], read_biller, "")
    return np.where(billing != "", billing, said)
