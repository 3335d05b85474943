"""What an evaluator said as a score that can be written and may be believed; `invalid` with a reason for anything else.

An evaluator may be a user's own code: its score may hold anything, and one that no block can be written of would end the stage.
A value is never cut to fit, a text is.
"""

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from pipeline.model.scores import MOST_TOKENS, Score, ScoreStatus

LONGEST = {"label": 200, "reason": 500, "explanation": 1000, "judge_model": 200, "prompt_hash": 64}
"""Characters of each text."""

MOST_NUSD = 10**15
"""A million USD."""


def believed(said: Any) -> Score:
    """The score, with its texts cut to LONGEST."""
    if not isinstance(said, Score):
        return Score(ScoreStatus.INVALID, reason=f"the evaluator gave {type(said).__name__:.100}, no Score")
    if wrong := next((what for what, fits in FORM if not fits(said)), ""):
        return Score(ScoreStatus.INVALID, reason=f"the evaluator gave {wrong}")
    texts = {name: getattr(said, name)[:most].encode("utf-8", "replace").decode() for name, most in LONGEST.items()}
    value = None if said.value is None else float(said.value)
    return replace(said, **texts, value=value, passed=None if said.passed is None else bool(said.passed))


def _is_value(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value) and 0 <= value <= 1


def _is_count(value: Any, most: int) -> bool:
    return type(value) is int and 0 <= value <= most


FORM: tuple[tuple[str, Callable[[Score], bool]], ...] = (
    ("a status that is none", lambda score: isinstance(score.status, ScoreStatus)),
    ("a text that is none", lambda score: all(isinstance(getattr(score, name), str) for name in LONGEST)),
    (
        "tokens that are no number of them",
        lambda score: _is_count(score.judge_input_tokens, MOST_TOKENS) and _is_count(score.judge_output_tokens, MOST_TOKENS),
    ),
    (
        "a cost that is none",
        lambda score: all(
            cost is None or _is_count(cost, MOST_NUSD) for cost in (score.judge_cost_nusd, score.judge_unsure_nusd)
        ),
    ),
    ("a verdict that is neither passed nor failed", lambda score: score.passed in (None, True, False)),
    ("a value that is not from 0 to 1", lambda score: score.status is not ScoreStatus.OK or _is_value(score.value)),
    (
        "a value with a status that has none",
        lambda score: score.status is ScoreStatus.OK or (score.value is None and score.passed is None),
    ),
)
"""What a score is complained of, and the form it is to have, in the order in which it is looked at."""
