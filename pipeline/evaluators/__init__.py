"""The evaluators: one file each, behind one protocol; from Python as in configuration, by the same names."""

from pipeline.evaluators.base import BaseEvaluator
from pipeline.evaluators.citation_presence import CitationPresence
from pipeline.evaluators.groundedness_lexical import GroundednessLexical
from pipeline.evaluators.json_validation import JSONValidation
from pipeline.evaluators.refusal import Refusal
from pipeline.model.samples import Sample
from pipeline.model.scores import Score, ScoreStatus

__all__ = [
    "BaseEvaluator",
    "CitationPresence",
    "GroundednessLexical",
    "JSONValidation",
    "Refusal",
    "Sample",
    "Score",
    "ScoreStatus",
]
