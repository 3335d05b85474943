"""A score: one evaluator's verdict on one trace. What could not be judged has a status and a reason, never a value."""

from dataclasses import dataclass
from enum import StrEnum

MOST_TOKENS = 1 << 32
"""Of one judgement; a score that says more is none, and would make its whole block none."""


class ScoreStatus(StrEnum):
    """What became of a judgement. Only `ok` has a value, and only `ok` counts in a mean."""

    OK = "ok"
    FAILED = "failed"
    """The evaluator raised, or the judge answered with an error until the retries were over."""
    SKIPPED = "skipped"
    """The sample lacks what the evaluator needs, is in a language it does not cover, or no judge is configured."""
    OVER_BUDGET = "over_budget"
    """There was no money for the judge."""
    INVALID = "invalid"
    """The judge's answer was no verdict: no JSON, another schema, a score outside its scale."""
    TIMEOUT = "timeout"
    """No answer within the time allowed."""


@dataclass(frozen=True, slots=True)
class Score:
    """What an evaluator says of a sample.

    value: in [0, 1], 1 is best; None unless the status is `ok`. passed: does it keep the evaluator's threshold; None likewise.
    label: the word the evaluator chose, of its own closed set. reason: why there is no value, in words of ours; never user text.
    explanation: the judge's own words; may repeat user text, so it is cut, and kept only where that is switched on.
    judge_model, prompt_hash: who judged and by which words; "" without a judge.
    judge_tokens, judge_cost_nusd: what the judgement used, retries included; cost None if the judge's model has no price.
    judge_unsure_nusd: what tries that nobody heard the end of may have cost beside it at most; both None: nobody says.
    """

    status: ScoreStatus
    value: float | None = None
    passed: bool | None = None
    label: str = ""
    reason: str = ""
    explanation: str = ""
    judge_model: str = ""
    prompt_hash: str = ""
    judge_input_tokens: int = 0
    judge_output_tokens: int = 0
    judge_cost_nusd: int | None = None
    judge_unsure_nusd: int | None = None

    @property
    def score(self) -> float | None:
        """The value, by the name people know it by."""
        return self.value
