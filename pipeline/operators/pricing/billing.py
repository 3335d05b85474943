"""Who bills a call: from what the span says of provider, model and server.

The order of belief, each with the word that `rule` has for it:

1. `host`: the address is a vendor's.
2. `self-hosted`: the provider or the model's path names a server that people run themselves. Nobody bills.
3. `id`: the model id is written as one platform alone writes it (Bedrock, Vertex).
4. `said`: the provider is a vendor, and sells this model or one nobody else is known for.
5. `path`: the model's path begins with a vendor (`azure/gpt-4o`).
6. `private`: neither of these, and the address is private: nobody bills. A gateway may stand there, so not for gateways.
7. `model`: the provider is a framework, a gateway, nobody or unknown, or a vendor that does not sell this model; and one
   vendor alone sells it.
8. `unknown`: none of these. The provider stays as said, and only own prices can price it.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import ip_address

from pipeline.operators.pricing import vendors
from pipeline.operators.pricing.price import Bill

Knows = Callable[[str, str], bool]
"""Does a provider, by the book's id, sell a model of this name?"""

GATEWAY, NOBODY, SELF_HOSTED, UNKNOWN, OTHER_VENDOR = "gateway", "nobody", "self-hosted", "unknown", "other vendor"

MAX_STEPS = 6
"""Prefixes that are taken off a model's name; nobody has more."""

NOTHING = frozenset({"", "none", "null", "unknown", "undefined", "n/a", "_other", "default", "nan"})
"""Texts in the place of a model that name none."""

_ROLES: dict[str, str] = {
    **dict.fromkeys(vendors.NOBODY, NOBODY),
    **dict.fromkeys(vendors.GATEWAYS, GATEWAY),
    **dict.fromkeys(vendors.OTHER_VENDORS, OTHER_VENDOR),
    **{word: vendor for vendor, words in vendors.VENDORS.items() for word in words},
    **dict.fromkeys(vendors.SELF_HOSTED, SELF_HOSTED),
}
_ONE_VENDOR = [(vendor, re.compile(pattern)) for vendor, pattern in vendors.ONE_VENDOR]
_HOSTS = [(vendor, re.compile(pattern)) for vendor, pattern in vendors.HOSTS]


@dataclass(frozen=True, slots=True)
class Name:
    """A model's name taken apart. bare: for the series; asked: for the book, the most exact first; path: roles on the way;
    platform: who alone writes ids like this, or "".
    """

    bare: str
    asked: tuple[str, ...]
    path: tuple[str, ...]
    platform: str


def role(provider: str) -> str:
    """What a word for a provider stands for: the book's id of a vendor, or GATEWAY, NOBODY, …"""
    word = re.sub(r"[_\s]+", "-", provider.strip().lower())
    return _ROLES.get(word) or _ROLES.get(word.partition(".")[0], UNKNOWN)


def is_vendor(found: str) -> bool:
    """Is this role somebody with a price list?"""
    return found in vendors.VENDORS or found == OTHER_VENDOR


def one_vendor(name: str) -> str:
    """Who alone sells models of this name, "" if nobody or several do."""
    lower = name.lower()
    return next((vendor for vendor, pattern in _ONE_VENDOR if pattern.match(lower)), "")


def host_of(address: str) -> str:
    """The host of an address or URL, in lower case, without its port."""
    host = address.strip().lower().rpartition("://")[2].partition("/")[0].rpartition("@")[2]
    return host[1:].partition("]")[0] if host.startswith("[") else host.partition(":")[0] if host.count(":") < 2 else host


def is_private(host: str) -> bool:
    """Is this an address that only its own network reaches?"""
    try:
        address = ip_address(host)
    except ValueError:
        local = host.endswith((".local", ".internal", ".lan", ".localhost", ".svc", ".home.arpa", ".localdomain", ".intranet"))
        return bool(host) and (local or "." not in host or ".svc." in host)
    return address.is_private or address.is_loopback or address.is_link_local


def take_apart(said: str) -> Name:
    """A model's name without what stands around it."""
    text, platform, path = said.strip(), "", []
    asked = [text]
    if text.lower().startswith("arn:"):
        platform = "aws" if ":bedrock:" in text.lower() else ""
        text = text.rpartition("/")[2]
    if "models/" in text:
        head, _, text = text.rpartition("models/")
        platform = platform or ("google" if "publishers/" in head else "")
        path += ["fireworks"] if head.startswith("accounts/fireworks") else []
    asked.append(text)
    for _ in range(MAX_STEPS):
        step = _step(text)
        if step is None:
            break
        text = step[1]
        path += [step[0]] if step[0] else []
        asked.append(text)
    bedrock = vendors.BEDROCK.fullmatch(text.lower())
    if bedrock:
        platform, text = platform or "aws", text[bedrock.start("name") :]
        asked.append(text)
    platform = platform or ("google" if vendors.VERTEX.fullmatch(text.lower()) else "")
    bare, exact = _base(text)
    path += ["openrouter"] if exact is not None and vendors.VARIANT.fullmatch(text) else []
    asked = asked if exact is None else [name for name in asked if name.endswith(exact)]
    return Name(bare, tuple(dict.fromkeys([*asked, *([bare] if exact is None else [])])), tuple(path), platform)


def _step(text: str) -> tuple[str, str] | None:
    """(role of the first prefix or "", the rest), None if it has none that says something."""
    head, slash, rest = text.partition("/")
    found = role(head)
    if slash and rest and found not in {UNKNOWN, NOBODY}:
        published = head.lower() in vendors.PUBLISHERS and not one_vendor(rest)
        return ("" if published else found), rest
    if slash and rest and (head.lower() in vendors.ROUTES or vendors.REGION.fullmatch(head.lower())):
        return "", rest
    head, colon, rest = text.partition(":")
    if colon and rest and head.lower().replace("_", "-") in vendors.COLON_HEADS and not re.match(r"v?\d", rest):
        return role(head), rest
    return None


def _base(text: str) -> tuple[str, str | None]:
    """The name without its variant, and what the book must be asked for if that has a price of its own."""
    tuned = vendors.FINE_TUNED.fullmatch(text)
    if tuned:
        return tuned["name"] or tuned["base"], text
    variant = vendors.VARIANT.fullmatch(text)
    if variant:
        return variant["name"], None if variant["variant"] in vendors.PLAIN_VARIANTS else text
    return text, None


def who_bills(provider: str, models: tuple[str, ...], address: str, knows: Knows) -> Bill:
    """Who bills a call, by the order of belief above.

    provider, address: as said, "" for nothing. models: as said, the answer's before the request's; of several the first
    that whoever bills is known to sell. Never raises; bounded by the length of its texts.
    """
    named = [model for model in models if model.strip().lower() not in NOTHING] or [""]
    bills = [_bill(provider, model, address, knows) for model in dict.fromkeys(named)]
    return next((bill for bill in bills if any(knows(bill.provider, name) for name in bill.names)), bills[0])


def _bill(provider: str, model: str, address: str, knows: Knows) -> Bill:
    name, host = take_apart(model), host_of(address)
    vendor, rule, billed = _decide(role(provider), name, host, knows)
    return Bill(vendor or provider, name.bare, name.asked, billed, rule, provider, model)


def _decide(said: str, name: Name, host: str, knows: Knows) -> tuple[str, str, bool]:
    """(vendor or "" for the word as said, rule, is it billed)."""
    sold = [vendor for vendor in (one_vendor(asked) for asked in reversed(name.asked)) if vendor]
    at = next((vendor for vendor, pattern in _HOSTS if pattern.search(host)), "")
    on_path = next((found for found in reversed(name.path) if found in vendors.VENDORS), "")
    passes = said in vendors.CLIENTS and on_path not in {"", said}
    sells = said in vendors.VENDORS and not passes and (any(knows(said, asked) for asked in name.asked) or not (on_path or sold))
    passed_on = said == GATEWAY or GATEWAY in name.path
    beliefs = (
        (at, at, "host", True),
        (said == SELF_HOSTED or SELF_HOSTED in name.path, "", "self-hosted", False),
        (name.platform, name.platform, "id", True),
        (sells, said, "said", True),
        (said == OTHER_VENDOR, "", "said", True),
        (on_path, on_path, "path", True),
        (not is_vendor(said) and not passed_on and is_private(host), "", "private", False),
        (sold, sold[0] if sold else "", "model", True),
    )
    return next(((vendor, rule, billed) for holds, vendor, rule, billed in beliefs if holds), ("", "unknown", True))
