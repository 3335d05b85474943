"""What a stage asks the world and hears later: judgements of samples, which take seconds and money. Frozen values.

A stage stays pure: it says in its effects what is to be asked, and is told the answers, in whatever order they come.
"""

from dataclasses import dataclass

from pipeline.model.samples import Sample
from pipeline.model.scores import Score


@dataclass(frozen=True, slots=True)
class Ask:
    """A trace to be judged by some of the configured evaluators.

    position: offset of the message that closed the trace. evaluators: their indices, in order.
    """

    position: int
    trace_id: str
    sample: Sample
    evaluators: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Answered:
    """What came of it: a score of each evaluator that was asked."""

    ask: Ask
    scores: tuple[Score, ...]
