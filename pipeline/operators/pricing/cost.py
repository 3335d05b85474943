"""Tokens times rates, in nano-USD, for calls that share their price.

Tiers are cliffs, as providers bill: the number of prompt tokens chooses one rate for the whole call. What lies inside
something else is billed at its own rate and taken from the whole. A call has no cost if it has tokens without a rate,
or parts that exceed their whole: it is never billed as something else.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.model.columns import SPEND
from pipeline.operators.pricing.price import EVENT_RATES, NONE, RATES, Tier

Counts = NDArray[np.int64]

PARTS = (*RATES, *EVENT_RATES)
"""What a call is made of, each part a rate of Tier."""

SPENT_ON = {
    "cost_input_nusd": ("input", "audio_input", "image_input"),
    "cost_cache_read_nusd": ("cache_read", "audio_cache_read"),
    "cost_cache_write_nusd": ("cache_write", "cache_write_1h"),
    "cost_output_nusd": ("output", "audio_output", "image_output"),
    "cost_reasoning_nusd": ("reasoning",),
}
"""The parts of each kind of token that money is told apart by."""

_KIND = {part: kind for kind, parts in SPENT_ON.items() for part in parts}

MAX_SEARCHES = 100_000
"""Of one call; more have no rate, so that no product leaves 64 bits."""

PRICED = 0
CONTRADICTION = len(PARTS) + 1
"""Why a call has no cost: 1 + the index of the part without a rate, or this."""


@dataclass(frozen=True, slots=True)
class Costs:
    """Per call: nusd, -1 where there is none; tier: index into the tiers; why: PRICED, or what is missing. spend: by name of
    SPEND what of it that kind of token costs, 0 where there is no cost.
    """

    nusd: Counts
    tier: Counts
    why: Counts
    spend: dict[str, Counts]


def cost(tiers: tuple[Tier, ...], tokens: Mapping[str, Counts]) -> Costs:
    """Cost of n calls that share their tiers.

    tokens: per name of `pipeline.model.columns.TOKENS` and BILLED (n,) counts, unknown as 0. Cached, audio and image
    tokens lie inside input_tokens, one-hour writes inside cache_write_tokens, audio, image and reasoning inside
    output_tokens. Where audio and cached tokens exceed the prompt together, what they share is cached audio.
    """
    whole = tokens["input_tokens"]
    parts, contradictory = _parts(tokens)
    tier = np.searchsorted([t.above for t in tiers[1:]], whole, side="left").astype(np.int64)
    picos = np.zeros(len(whole), np.int64)
    of_kind = {name: np.zeros(len(whole), np.int64) for name in SPEND}
    why = np.where(contradictory, CONTRADICTION, PRICED)
    for i, name in enumerate(PARTS):
        if not np.count_nonzero(parts[name]):
            continue
        rate = np.array([getattr(t, name) for t in tiers], np.int64)[tier]
        missing = (parts[name] > 0) & (rate == NONE)
        why[missing & (why == PRICED)] = 1 + i
        part = np.where(why == PRICED, parts[name] * rate, 0)
        picos += part
        if name in _KIND:
            of_kind[_KIND[name]] += part
    priced = why == PRICED
    return Costs(np.where(priced, _nano(picos), -1), tier, why, _told_apart(of_kind, priced))


def _nano(picos: Counts) -> Counts:
    """Rounded half up."""
    return (picos + 500) // 1000


def _told_apart(of_kind: dict[str, Counts], priced: NDArray[np.bool_]) -> dict[str, Counts]:
    """pUSD of each kind as nano-USD that add up to what all are together: each is what rounding the sum so far has gained."""
    found: dict[str, Counts] = {}
    picos, before = np.zeros((2, len(priced)), np.int64)
    for name, of in of_kind.items():
        picos = picos + np.where(priced, of, 0)
        found[name] = _nano(picos) - before
        before = before + found[name]
    return found


def _parts(tokens: Mapping[str, Counts]) -> tuple[dict[str, Counts], NDArray[np.bool_]]:
    """Disjoint counts per name of PARTS, and where they cannot be told apart because some exceed their whole."""
    whole, answer = tokens["input_tokens"], tokens["output_tokens"]
    read, written, hour = (tokens[f"{name}_tokens"] for name in ("cache_read", "cache_write", "cache_write_1h"))
    heard, seen = tokens["audio_input_tokens"], tokens["image_input_tokens"]
    spoken, drawn, thought = (tokens[f"{name}_tokens"] for name in ("audio_output", "image_output", "reasoning"))
    shared = np.maximum(read + written + heard + seen - whole, 0)
    contradictory = (shared > np.minimum(read, heard)) | (hour > written) | (spoken + drawn > answer) | (thought > answer)
    thought = np.minimum(thought, answer - spoken - drawn)
    return {
        "input": whole - read - written - heard - seen + shared,
        "output": answer - spoken - drawn - thought,
        "cache_read": read - shared,
        "cache_write": written - hour,
        "cache_write_1h": hour,
        "audio_cache_read": shared,
        "audio_input": heard - shared,
        "audio_output": spoken,
        "image_input": seen,
        "image_output": drawn,
        "reasoning": thought,
        "call": np.ones_like(whole),
        "search": np.minimum(tokens["searches"], MAX_SEARCHES),
    }, contradictory | (tokens["searches"] > MAX_SEARCHES)
