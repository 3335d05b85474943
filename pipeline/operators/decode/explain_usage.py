"""Why usage is what it is: what decided how its parts lie, or why there is none. For people; see `explain.py`."""

from collections.abc import Mapping, Sequence
from typing import Any

from pipeline.operators.decode.resolve import Resolver
from pipeline.operators.decode.together import CUMULATIVE
from pipeline.operators.decode.usage import PARTS
from pipeline.operators.dialects.paths import Path
from pipeline.operators.dialects.vocabulary import beside, estimates, own_sums

Fields = Mapping[str, Sequence[Path]]


def usage_story(resolver: Resolver, fields: Fields, row: Mapping[str, Any]) -> str:
    """What decided how the parts of usage lie, or why there is none."""
    counts = {name: int(resolver.counts(fields[name])[0][0]) for name in ("input_tokens", "output_tokens", "total_tokens")}
    if row["input_tokens"] is None and row["output_tokens"] is None:
        if counts["input_tokens"] > 0 and counts["output_tokens"] == 0 and estimates() and resolver.within(estimates())[0]:
            return "unknown: in this scope a prompt with an answer of no tokens is a guess at usage that never came"
        return "unknown: the span tells no tokens, or only zeros"
    if row["usage_rule"] == CUMULATIVE:
        return f"{CUMULATIVE}: the span tells the sum of this call and those before it in its record, which were taken off"
    told = row["usage_rule"] or "as told: no part has to be placed"
    if (
        counts["total_tokens"] > 0
        and "total" not in told
        and any(_own_sum(resolver, fields, part) for part in PARTS if part in told)
    ):
        told += " (the total is the writer's own sum, which tells nothing of the parts)"
    return told


def _own_sum(resolver: Resolver, fields: Fields, part: str) -> bool:
    """Whether a total beside such a part is a mere sum of the wholes."""
    scopes = beside(part)[1]
    found = [(fields[name], int(resolver.counts(fields[name])[1][0])) for name in PARTS[part]]
    by_path = any(told >= 0 and paths[told] in own_sums() for paths, told in found)
    return by_path or bool(scopes and resolver.within(scopes)[0])
