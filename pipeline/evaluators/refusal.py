"""Did the model answer, or refuse. No model; the rules are those that decode has for every response.

Mind the direction: value 1, `answered`, is best; 0 is `refused`. So the mean is the share of answers that are no refusals, and
`fails` counts refusals. English, and any language where the end of the answer says it; else `skipped`.
"""

from dataclasses import dataclass
from typing import ClassVar

from pipeline.evaluators.base import BaseEvaluator, decided, skipped
from pipeline.model.samples import Sample
from pipeline.model.scores import Score
from pipeline.operators.behaviour.refusal import ends_in_tools, ends_refused, read_refusal

NO_LANGUAGE = frozenset({"", "und", "unknown"})


@dataclass(frozen=True, kw_only=True)
class Refusal(BaseEvaluator):
    """`Refusal`: 1 is an answer, 0 a refusal."""

    name: str = "Refusal"

    rules: ClassVar[str] = "1"

    async def verdict(self, sample: Sample) -> Score:
        """Answered or refused, as decode has found or else by its rules."""
        refused = refuses(sample) if sample.refusal is None else sample.refusal
        if refused is None:
            return skipped("the answer's language has no rules" if sample.output else "there is no answer")
        return decided(not refused, "answered", "refused")


def refuses(sample: Sample) -> bool | None:
    """Whether an answer refuses; None where the rules do not know."""
    if ends_refused(sample.finish_reason):
        return True
    language = "" if sample.language.lower() in NO_LANGUAGE else sample.language
    refused = read_refusal(sample.output, language) if sample.output else None
    return False if refused is None and ends_in_tools(sample.finish_reason) else refused
