"""What a call used: tokens by kind, and which of them lie inside others.

Some count cached tokens inside the prompt's and reasoning inside the answer's, as OpenAI and the conventions do; some beside
it, as Anthropic's raw usage does. Here the prompt's count always ends up with its cached tokens inside, and the answer's
with its reasoning. What decides, per span: a total that fits one reading only; a part larger than its whole, which so cannot
lie inside; else the custom of who wrote it. A total that no reading explains, or a part that fits nowhere, is told and counted.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.model.columns import TOKENS
from pipeline.operators.decode.resolve import Column, Resolver
from pipeline.operators.dialects.paths import Path
from pipeline.operators.dialects.vocabulary import beside, estimates, own_sums

CONTRADICTION = "contradiction"
"""The rule of usage whose parts fit into nothing: what it cost nobody can say."""

UNEXPLAINED = "unexplained_total"
"""The rule of usage with a total that no reading of its parts gives."""

DOUBTFUL = (CONTRADICTION, UNEXPLAINED)

PARTS = {"cache": ("input_tokens", "cache_read_tokens", "cache_write_tokens"), "reasoning": ("output_tokens", "reasoning_tokens")}
"""Per part of the convention its whole and the counts that make it."""

Counts = NDArray[np.int64]
Flags = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Usage:
    """n rows. tokens: per name of TOKENS (n,), -1 if unknown; rule: (n,) what decided how parts lie, "" if nothing had to."""

    tokens: dict[str, Counts]
    rule: Column


@dataclass(frozen=True, slots=True)
class Custom:
    """How whoever wrote a row keeps a part. (n,) each.

    beside: not in its whole. sure: known of the instrumentor, whose total, if it gives one, is its own sum of the wholes.
    """

    beside: Flags
    sure: Flags


def usage(resolver: Resolver, fields: Mapping[str, Sequence[Path]]) -> Usage:
    """Usage of every row. Usage that is all zero, or a mere estimate, is unknown: a stream whose usage never came."""
    counts: dict[str, Counts] = {}
    told: dict[str, NDArray[np.int16]] = {}
    for name in (*TOKENS, "total_tokens", "cache_write_1h_tokens", "cache_write_5m_tokens"):
        counts[name], told[name] = resolver.counts(fields[name])
    written = counts["cache_write_tokens"]
    by_age = np.maximum(counts["cache_write_1h_tokens"], 0) + np.maximum(counts["cache_write_5m_tokens"], 0)
    written[:] = np.where((written < 0) & (by_age > 0), by_age, written)  # told by how long it is kept alone
    unknown = (counts["input_tokens"] <= 0) & (counts["output_tokens"] <= 0)
    guesses = estimates()
    if guesses:
        unknown |= (counts["output_tokens"] == 0) & resolver.within(guesses)
    for of_kind in counts.values():
        of_kind[unknown] = -1
    customs = {part: _custom(resolver, fields, told, part) for part in PARTS}
    return reconciled(counts, customs)


def _custom(resolver: Resolver, fields: Mapping[str, Sequence[Path]], told: Mapping[str, NDArray[np.int16]], part: str) -> Custom:
    """How who wrote each row keeps `part`."""
    beside_paths, scopes = beside(part)
    sure = resolver.within(scopes) if scopes else np.zeros(len(resolver.rows), bool)
    custom = sure.copy()
    for name in PARTS[part]:
        custom |= _told_in(fields[name], told[name], beside_paths)
        sure |= _told_in(fields[name], told[name], own_sums())
    return Custom(custom, sure)


def _told_in(candidates: Sequence[Path], told: NDArray[np.int16], paths: frozenset[Path]) -> Flags:
    """Rows whose value stood at one of `paths`."""
    return np.array([*(path in paths for path in candidates), False], bool)[told]


def reconciled(counts: Mapping[str, Counts], customs: Mapping[str, Custom]) -> Usage:
    """Usage with every part inside its whole.

    counts: per name of TOKENS and total_tokens (n,), -1 if unknown. customs: per name of PARTS.
    """
    tokens = {name: counts[name].copy() for name in TOKENS}
    prompt, answer, total = counts["input_tokens"], counts["output_tokens"], counts["total_tokens"]
    cached = np.maximum(counts["cache_read_tokens"], 0) + np.maximum(counts["cache_write_tokens"], 0)
    thought = np.maximum(counts["reasoning_tokens"], 0)
    plain = np.maximum(prompt, 0) + np.maximum(answer, 0)
    sides = {
        "cache": _Side("input_tokens", prompt, cached, thought),
        "reasoning": _Side("output_tokens", answer, thought, cached),
    }
    asked = (total > 0) & (prompt >= 0) & ((cached > 0) | (thought > 0))
    explained = np.zeros(len(total), bool)
    codes = []
    for part, side in sides.items():
        if_inside = (total == plain) | (total == plain + side.other)
        if_beside = (total == plain + side.part) | (total == plain + side.part + side.other)
        explained |= if_inside | if_beside
        has, larger, custom = side.has, side.part > side.whole, customs[part]
        by_total = has & asked & (if_inside ^ if_beside) & ~((larger | custom.sure) & if_inside)
        is_beside = has & np.where(by_total, if_beside, larger | custom.beside)
        tokens[side.name][is_beside] += side.part[is_beside]
        codes.append(np.where(has, np.select([by_total, larger], [1, 3], 5) + is_beside, 0))
    rule = RULES[codes[0], codes[1]]
    rule[asked & ~explained] = UNEXPLAINED
    rule[_overfull(tokens)] = CONTRADICTION
    return Usage(tokens, rule)


@dataclass(frozen=True, slots=True)
class _Side:
    """A whole with the part that lies in it or beside it, and the part of the other side. (n,) each; a whole is -1 if unknown."""

    name: str
    whole: Counts
    part: Counts
    other: Counts

    @property
    def has(self) -> Flags:
        return (self.whole >= 0) & (self.part > 0)


def _overfull(tokens: Mapping[str, Counts]) -> Flags:
    """Where a part of a whole that is known exceeds it."""
    prompt, answer = tokens["input_tokens"], tokens["output_tokens"]
    heard, spoken = tokens["audio_input_tokens"], tokens["audio_output_tokens"]
    return ((prompt >= 0) & (heard > prompt)) | ((answer >= 0) & (spoken > answer))


def _rules() -> Column:
    """What decided, part by part: `cache beside: larger; reasoning inside: custom`, by two codes."""
    said = [f"{{}} {where}: {why}" for why in ("total", "larger", "custom") for where in ("inside", "beside")]
    names = {part: ["", *(text.format(part) for text in said)] for part in PARTS}
    return np.array([["; ".join(filter(None, (c, r))) for r in names["reasoning"]] for c in names["cache"]], object)


RULES = _rules()
