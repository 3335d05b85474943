"""An evaluation in the user's own words, by a judge: labels with values, or a number on a scale."""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pipeline.evaluators.judge_evaluator import JudgeEvaluator
from pipeline.evaluators.prompts import NAMES, Rubric

PLACEHOLDER = re.compile(r"\{\{?\s*(input|output|context|reference|tools|question|answer)\s*\}?\}")

MAX_PROMPT_CHARS = 20_000
MAX_LABELS = 20


@dataclass(frozen=True, kw_only=True)
class CustomEvaluation(JudgeEvaluator):
    """`CustomEvaluation`. prompt: what is judged and what each label or the ends of the scale mean; the fields follow it as data.

    labels: words with values from 0 to 1, best 1; None for a label by which there is nothing to judge. scale: lowest and
    highest number; the highest is best; the value is where between them the judge's number lies. Neither: a number from 0 to 1.
    shows: fields of a sample that the judge sees. requires: those of them without which it is not asked.
    """

    name: str = "CustomEvaluation"
    prompt: str
    labels: Mapping[str, float | None] = field(default_factory=dict)
    scale: tuple[float, float] = (0.0, 1.0)
    shows: tuple[str, ...] = ("input", "context", "output")
    requires: tuple[str, ...] = ("output",)

    rules = "1"

    def __post_init__(self) -> None:
        """Raises ValueError for an option that cannot be meant, with what would be right."""
        super().__post_init__()
        if not self.prompt.strip() or len(self.prompt) > MAX_PROMPT_CHARS:
            raise ValueError(f"prompt is to be a text of at most {MAX_PROMPT_CHARS:,} characters")
        if found := PLACEHOLDER.search(self.prompt):
            raise ValueError(
                f"prompt has the placeholder {found[0]}; write `the {NAMES.get(found[1], found[1])}`: it is shown below"
            )
        _check_labels(self.labels, self.scale)
        unknown = [name for name in (*self.shows, *self.requires) if name not in NAMES]
        if unknown or not self.shows:
            raise ValueError(f"shows and requires are to be of {', '.join(NAMES)}, not {', '.join(unknown) or 'none'}")
        if not set(self.requires) <= set(self.shows):
            raise ValueError("what it requires is to be among what it shows")

    @property
    def rubric(self) -> Rubric:
        """As it was given."""
        words = self.prompt.strip()
        if not self.labels:
            words += f"\n\nThe score is a number from {self.scale[0]:g} to {self.scale[1]:g}; {self.scale[1]:g} is best."
        return Rubric(words, self.requires, self.shows, self.labels, self.scale)


def _check_labels(labels: Mapping[str, Any], scale: tuple[float, float]) -> None:
    if labels and scale != (0.0, 1.0):
        raise ValueError("give labels or a scale, not both")
    if not scale[0] < scale[1] or not all(map(math.isfinite, scale)):
        raise ValueError("scale is to be the lowest and the highest number, such as [1, 5]")
    if labels and not 2 <= len(labels) <= MAX_LABELS:
        raise ValueError(f"labels are to be from 2 to {MAX_LABELS} words")
    for label, value in labels.items():
        if not label or len(label) > 50 or (value is not None and not 0 <= value <= 1):
            raise ValueError(
                f"labels.{label:.50} is to have a value from 0 to 1, or null for nothing to judge, not {value!r:.50}"
            )
    if labels and all(value is None for value in labels.values()):
        raise ValueError("one of the labels is to have a value")
