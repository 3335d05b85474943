"""An evaluator that asks a judge: what it shows, how often it asks, what it makes of the verdicts.

Asked several times (`folds`), the label is that of the majority and the value the mean; tokens and cost add up. There is a value
only if more than half of the askings gave a verdict.
"""

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from importlib.metadata import entry_points
from typing import Any, ClassVar

from pipeline.evaluators.base import BaseEvaluator, digest, skipped
from pipeline.evaluators.judging import Judge, Question, Verdict
from pipeline.evaluators.prompts import COMMON, NAMES, RUBRICS, Rubric
from pipeline.model.samples import Sample
from pipeline.model.scores import Score, ScoreStatus

GROUP = "tailrace.judge"
"""Entry point of what makes a judge of the environment, for who calls an evaluator directly and names none."""

NO_JUDGE = "no judge is configured"

MAX_FOLDS = 15
EXPLANATION_CHARS = 1000

VARIED = 0.7
"""The temperature at which a judge is asked several times; once, it is 0."""


@dataclass(frozen=True, kw_only=True)
class JudgeEvaluator(BaseEvaluator):
    """What all that ask have in common.

    threshold: passed from this value on. folds: how often the judge is asked about one sample. explain: keep the judge's
    words, cut to EXPLANATION_CHARS; they may repeat what users said. max_chars: a sample of more is `skipped`.
    asks: the judge; without one scores are `skipped`.
    """

    threshold: float = 0.5
    folds: int = 1
    explain: bool = field(default=False, compare=False)
    max_chars: int = 200_000
    asks: Judge | None = field(default=None, compare=False, repr=False)

    judge: ClassVar[bool] = True

    def __post_init__(self) -> None:
        """Raises ValueError for an option outside its bounds."""
        if not 1 <= self.folds <= MAX_FOLDS:
            raise ValueError(f"folds is to be from 1 to {MAX_FOLDS}, not {self.folds}")
        if not 0 <= self.threshold <= 1:
            raise ValueError(f"threshold is to be from 0 to 1, not {self.threshold}")

    @property
    def rubric(self) -> Rubric:
        """What is judged, by what."""
        return RUBRICS[type(self).__name__]

    @property
    def needs(self) -> frozenset[str]:  # type: ignore[override] # the rubric says it
        """As the protocol says."""
        return frozenset(self.rubric.needs)

    @property
    def prompt_hash(self) -> str:
        """Changes with every word and label that the judge is given."""
        return digest((COMMON, NAMES, self.rubric))

    @property
    def version(self) -> str:
        """The rules' version, with a hash of the words, the judge's model and the options."""
        model = self.asks.model if self.asks else ""
        return f"{self.rules}-{digest((self.prompt_hash, model, self.threshold, self.folds, self.max_chars))}"

    async def verdict(self, sample: Sample) -> Score:
        """What the judge says of it."""
        if self.asks is None:
            return skipped(NO_JUDGE)
        question = self.question(sample)
        if sum(len(text) for _, text in question.evidence) > self.max_chars:
            return skipped(f"the sample is longer than {self.max_chars:,} characters")
        verdicts = await asyncio.gather(*(self.asks.ask(question) for _ in range(self.folds)))
        return self.scored(verdicts, self.asks.model)

    @property
    def longest(self) -> float:
        """Seconds that judging may take once its calls go out. Who cuts it short before loses what it cost, too."""
        return self.asks.longest if self.asks else 0.0

    def most_nusd(self, sample: Sample) -> int | None:
        """What judging it may cost at most, retries and folds included, in nano-USD; None if the judge's model has no price.

        It is an upper bound, several times what a judgement usually costs: reserve it before, settle with the score's cost.
        0 where nobody is asked.
        """
        if self.asks is None or any(not getattr(sample, name) for name in self.needs):
            return 0
        question = self.question(sample)
        if sum(len(text) for _, text in question.evidence) > self.max_chars:
            return 0
        once = self.asks.most_nusd(question)
        return None if once is None else once * self.folds

    def question(self, sample: Sample) -> Question:
        """What the judge is asked about a sample."""
        rubric = self.rubric
        evidence = tuple((NAMES[name], text) for name in rubric.shows if (text := _shown(getattr(sample, name))))
        return Question(rubric.words, evidence, tuple(rubric.labels), rubric.scale, VARIED if self.folds > 1 else 0.0)

    def scored(self, verdicts: Sequence[Verdict], model: str) -> Score:
        """The score of all verdicts on one sample."""
        costs = [verdict.cost_nusd for verdict in verdicts]
        known = [cost for cost in costs if cost is not None]
        spent = Score(
            ScoreStatus.OK,
            judge_model=next((verdict.model for verdict in verdicts if verdict.model), model),
            prompt_hash=self.prompt_hash,
            judge_input_tokens=sum(verdict.input_tokens for verdict in verdicts),
            judge_output_tokens=sum(verdict.output_tokens for verdict in verdicts),
            judge_cost_nusd=sum(known) if len(known) == len(costs) else None,
            judge_unsure_nusd=sum(verdict.unsure_nusd for verdict in verdicts) + (sum(known) if len(known) < len(costs) else 0),
        )
        given = [verdict for verdict in verdicts if verdict.status is ScoreStatus.OK]
        if 2 * len(given) <= len(verdicts):
            worst = Counter((v.status, v.reason) for v in verdicts if v.status is not ScoreStatus.OK).most_common(1)[0][0]
            return replace(spent, status=worst[0], reason=worst[1])
        label = _majority([verdict.label for verdict in given], tuple(self.rubric.labels))
        said = next(verdict for verdict in given if verdict.label == label)
        if label and self.rubric.labels[label] is None:
            return replace(spent, status=ScoreStatus.SKIPPED, label=label, reason=f"the judge found nothing to judge: {label}")
        values = [value for verdict in given if (value := self._value(verdict)) is not None]
        value = sum(values) / len(values)
        return replace(
            spent,
            value=value,
            passed=value >= self.threshold,
            label=label,
            explanation=said.explanation[:EXPLANATION_CHARS] if self.explain else "",
        )

    def _value(self, verdict: Verdict) -> float | None:
        if self.rubric.labels:
            return self.rubric.labels[verdict.label]
        low, high = self.rubric.scale
        return ((verdict.score or 0.0) - low) / (high - low)

    def evaluate(self, **given: Any) -> Score:
        """As the others. Without a judge of its own it asks the one of the settings `TAILRACE_JUDGE_URL` and its neighbours."""
        found = self.asks or environment()
        return super().evaluate(**given) if found is self.asks else replace(self, asks=found).evaluate(**given)


def _shown(value: Any) -> str:
    """A field of a sample as a judge reads it."""
    if isinstance(value, str):
        return value
    texts = [text if isinstance(text, str) else f"{text.name}({text.arguments}) -> {text.result}" for text in value]
    return "\n\n".join(f"[{at}] {text}" for at, text in enumerate(texts, 1)) if len(texts) > 1 else "".join(texts)


def _majority(labels: list[str], order: Sequence[str]) -> str:
    """The label given most often; of equally many the one that stands last, which is the less flattering."""
    votes = Counter(labels)
    return max(votes, key=lambda label: (votes[label], order.index(label) if label in order else 0))


@cache
def environment() -> Judge | None:
    """The judge that this installation's settings name, None if they name none."""
    for point in entry_points(group=GROUP):
        made: Judge | None = point.load()()
        if made is not None:
            return made
    return None
