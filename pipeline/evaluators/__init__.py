"""The evaluators: one file each, behind one protocol; from Python as in configuration, by the same names."""

from pipeline.evaluators.base import BaseEvaluator
from pipeline.evaluators.citation_presence import CitationPresence
from pipeline.evaluators.custom_evaluation import CustomEvaluation
from pipeline.evaluators.groundedness_lexical import GroundednessLexical
from pipeline.evaluators.json_validation import JSONValidation
from pipeline.evaluators.judge_evaluator import JudgeEvaluator
from pipeline.evaluators.judges import AnswerRelevance, FactualAccuracy, Groundedness, HallucinationScore, TaskCompletion
from pipeline.evaluators.refusal import Refusal
from pipeline.model.samples import Sample
from pipeline.model.scores import Score, ScoreStatus

__all__ = [
    "AnswerRelevance",
    "BaseEvaluator",
    "CitationPresence",
    "CustomEvaluation",
    "FactualAccuracy",
    "Groundedness",
    "GroundednessLexical",
    "HallucinationScore",
    "JSONValidation",
    "JudgeEvaluator",
    "Refusal",
    "Sample",
    "Score",
    "ScoreStatus",
    "TaskCompletion",
]
