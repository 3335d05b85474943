"""What is asked of a judge and what it says: nouns, and the protocol a judge fulfils.

A judge is whoever answers a `Question` with a `Verdict`: the connector of an OpenAI-compatible endpoint, or a user's own. It
never raises for what an answer holds or a server does: that is a verdict with a status.
"""

from dataclasses import dataclass
from typing import Protocol

from pipeline.model.scores import ScoreStatus


@dataclass(frozen=True, slots=True)
class Question:
    """What a judge is to say about one answer.

    system: the rules, in words of ours or the user's. evidence: the fields that are judged, by name; hostile text.
    labels: the words it may choose from; () if it is to give a number on `scale`, lowest and highest. temperature: as models
    take it; 0 for the likeliest answer.
    """

    system: str
    evidence: tuple[tuple[str, str], ...]
    labels: tuple[str, ...] = ()
    scale: tuple[float, float] = (0.0, 1.0)
    temperature: float = 0.0


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a judge said. label or score is set where the status is `ok`; reason says in words of ours why it is not.

    input_tokens, output_tokens, cost_nusd: of all tries; the cost is None where the model has no price or an answer told no
    tokens. unsure_nusd: what tries may have cost at most that nobody heard the end of, or that told no tokens. model: who
    answered, as it calls itself; "" for the one that was asked.
    """

    status: ScoreStatus
    label: str = ""
    score: float | None = None
    explanation: str = ""
    reason: str = ""
    input_tokens: int = 0
    output_tokens: int = 0
    cost_nusd: int | None = None
    unsure_nusd: int = 0
    model: str = ""


class Judge(Protocol):
    """Somebody who answers questions."""

    @property
    def model(self) -> str:
        """The name of who judges; stored with every score."""
        ...

    @property
    def longest(self) -> float:
        """Seconds that an answer may take, all tries included, once it is this call's turn."""
        ...

    async def ask(self, question: Question) -> Verdict:
        """What it says. Returns within the time and the tries its settings allow."""
        ...

    def most_nusd(self, question: Question) -> int | None:
        """What asking may cost at most, all tries included, in nano-USD; None if its model has no price."""
        ...
