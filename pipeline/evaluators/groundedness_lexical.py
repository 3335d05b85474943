"""Do an answer's words stand in the documents: a cheap screen for answers that are to be taken from them. No model.

Value: the mean of two shares, of the answer's words and of its pairs of neighbouring words that stand in a document. 1: all of
them. It is fixed: weights learnt on one set of data do not carry over to another. It tells well where answers repeat their
sources and is near chance where they reword them, so it screens, and steadies what a judge says of a part of the traffic;
it replaces no judge. Nothing is said of a refusal, which claims nothing, and of an answer in another language than its documents.

How well: `make quality`. Source: coverage and density of Grusky et al. 2018 (Newsroom), BEGIN (Dziri et al. 2022).
"""

import re
from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar

from pipeline.evaluators.base import BaseEvaluator, skipped
from pipeline.evaluators.refusal import refuses
from pipeline.model.samples import Sample
from pipeline.model.scores import Score, ScoreStatus
from pipeline.operators.behaviour.tongue import UNSPLIT, tongue

ANSWER_CHARS = 16 << 10
"""So much of an answer is looked at: its first three thousand words say what it is like."""

CONTEXT_CHARS = 1 << 18
"""Longer documents are not read, about 25 ms: what stands in their rest would count as unsupported."""

MAX_DOCUMENTS = 1000

WORD = re.compile(r"[^\W_]+")
CONTROL = re.compile("[\0-\x08\x0e-\x1f\ufffd]")
"""Characters that no text has."""

UNSPLIT_LANGUAGES = frozenset({"zh", "ja", "th", "lo", "km", "my", "bo"})


@dataclass(frozen=True, kw_only=True)
class GroundednessLexical(BaseEvaluator):
    """`groundedness_lexical`. Passed at `threshold`: 0.5 has the best balance of both errors on BEGIN."""

    name: str = "groundedness_lexical"
    threshold: float = 0.5

    rules: ClassVar[str] = "1"
    needs: ClassVar[frozenset[str]] = frozenset({"output", "context"})

    async def verdict(self, sample: Sample) -> Score:
        """A value, or why none can be given."""
        if refuses(sample) if sample.refusal is None else sample.refusal:
            return skipped("the answer is a refusal: it claims nothing")
        found = support(sample)
        return skipped(found) if isinstance(found, str) else Score(ScoreStatus.OK, value=found, passed=found >= self.threshold)


def support(sample: Sample) -> float | str:
    """The value in [0, 1], or why there is none. Bounded by ANSWER_CHARS, CONTEXT_CHARS and MAX_DOCUMENTS."""
    answer = sample.output[:ANSWER_CHARS]
    if len(sample.context) > MAX_DOCUMENTS or sum(map(len, sample.context)) > CONTEXT_CHARS:
        return f"the documents are longer than {CONTEXT_CHARS:,} characters, or more than {MAX_DOCUMENTS:,}"
    if CONTROL.search(answer):
        return "the answer is no text"
    spoken = tongue(answer)
    if spoken == UNSPLIT or (not spoken and sample.language[:2].lower() in UNSPLIT_LANGUAGES):
        return "the answer's script has no blanks between words"
    words = WORD.findall(answer.lower())
    documents = [WORD.findall(text.lower()) for text in sample.context]
    if not words or not any(documents):
        return f"there are no words in the {'documents' if words else 'answer'}"
    if spoken and spoken not in (tongues := {tongue(text) for text in sample.context}) and "" not in tongues:
        return "the answer is in another language than the documents"
    return _covered(words, documents)


def _covered(words: list[str], documents: list[list[str]]) -> float:
    """The mean share of words and of pairs that stand in one of the documents; of a single word, whether it does."""
    known = frozenset().union(*documents)
    single = sum(word in known for word in words) / len(words)
    if len(words) == 1:
        return single
    pairs = frozenset().union(*(pairwise(text) for text in documents))
    return (single + sum(pair in pairs for pair in pairwise(words)) / (len(words) - 1)) / 2
