"""Which evaluators there are, by name: those here, those that installed packages offer, and any class by its dotted name."""

from collections.abc import Callable
from difflib import get_close_matches
from importlib import import_module
from importlib.metadata import entry_points
from typing import Any

from pipeline.evaluators.citation_presence import CitationPresence
from pipeline.evaluators.custom_evaluation import CustomEvaluation
from pipeline.evaluators.groundedness_lexical import GroundednessLexical
from pipeline.evaluators.json_validation import JSONValidation
from pipeline.evaluators.judges import AnswerRelevance, FactualAccuracy, Groundedness, HallucinationScore, TaskCompletion
from pipeline.evaluators.protocol import Evaluator
from pipeline.evaluators.refusal import Refusal

GROUP = "tailrace.evaluators"
"""Entry points in which packages offer evaluators of their own."""

Maker = Callable[..., Evaluator]

OURS: dict[str, Maker] = {
    "groundedness_lexical": GroundednessLexical,
    "JSONValidation": JSONValidation,
    "Refusal": Refusal,
    "CitationPresence": CitationPresence,
    "TaskCompletion": TaskCompletion,
    "Groundedness": Groundedness,
    "FactualAccuracy": FactualAccuracy,
    "HallucinationScore": HallucinationScore,
    "AnswerRelevance": AnswerRelevance,
    "CustomEvaluation": CustomEvaluation,
}

DEFAULTS = ("groundedness_lexical", "JSONValidation", "Refusal", "CitationPresence")
"""What runs where nobody says what should."""


def maker(name: str) -> Maker:
    """What makes an evaluator of this name. Raises LookupError in words that say what there is."""
    if name in OURS:
        return OURS[name]
    if ":" in name:
        return _dotted(name)
    offered = {point.name: point for point in entry_points(group=GROUP)}
    if name not in offered:
        known = [*OURS, *offered]
        lower = {one.lower(): one for one in known}
        near = get_close_matches(name.lower(), lower, 1)
        meant = f"; did you mean {lower[near[0]]!r}?" if near else f"; there are {', '.join(known)}"
        raise LookupError(f"no evaluator {name!r}{meant} One of your own is named `package.module:Class`")
    try:
        return _callable(offered[name].load(), name)
    except (ImportError, AttributeError) as error:
        raise LookupError(f"{name} of {offered[name].value} cannot be loaded: {error}") from error


def _dotted(name: str) -> Maker:
    module, _, path = name.partition(":")
    try:
        found: Any = import_module(module)
        for part in path.split("."):
            found = getattr(found, part)
    except (ImportError, AttributeError, ValueError) as error:
        raise LookupError(f"{name} cannot be loaded: {error}") from error
    return _callable(found, name)


def _callable(found: Any, name: str) -> Maker:
    if callable(found):
        return found  # type: ignore[no-any-return]
    raise LookupError(f"{name} is no class or function that makes an evaluator")
