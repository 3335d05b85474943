"""The evaluators that ask a judge. What each asks is its rubric in `pipeline/evaluators/prompts.py`."""

from dataclasses import dataclass

from pipeline.evaluators.judge_evaluator import JudgeEvaluator


@dataclass(frozen=True, kw_only=True)
class TaskCompletion(JudgeEvaluator):
    """Was what the question asks for done. 1: all of it."""

    name: str = "TaskCompletion"
    rules = "1"


@dataclass(frozen=True, kw_only=True)
class Groundedness(JudgeEvaluator):
    """Do the documents support the answer. 1: every claim."""

    name: str = "Groundedness"
    rules = "1"


@dataclass(frozen=True, kw_only=True)
class FactualAccuracy(JudgeEvaluator):
    """Is what the answer says true. 1: all of it."""

    name: str = "FactualAccuracy"
    rules = "1"


@dataclass(frozen=True, kw_only=True)
class HallucinationScore(JudgeEvaluator):
    """Is nothing made up. 1: no hallucination, as everywhere 1 is best."""

    name: str = "HallucinationScore"
    rules = "1"


@dataclass(frozen=True, kw_only=True)
class AnswerRelevance(JudgeEvaluator):
    """Does the answer speak to the question. 1: it does."""

    name: str = "AnswerRelevance"
    rules = "1"
