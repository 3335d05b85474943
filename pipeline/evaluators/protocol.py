"""What an evaluator is: a name, a version, what it needs, and a verdict on a sample.

An evaluator knows neither Kafka nor traces. It never raises for what a sample holds: that is a `Score` with a status. One that
does raise, or hangs, is caught by whoever runs it, and the score says so.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from pipeline.model.samples import Sample
from pipeline.model.scores import Score


class Evaluator(Protocol):
    """One rule by which answers are judged.

    name: as people write it in configuration and see it in tables, e.g. `Groundedness`. version: changes whenever a verdict
    may: prompt, threshold, rule, model of the judge; a new version starts a new series.
    needs: fields of `Sample` that must not be empty; without one of them the score is `skipped`.
    judge: whether it asks a model. One that does not is quick, and runs on every sample that has what it needs.
    """

    @property
    def name(self) -> str: ...
    @property
    def version(self) -> str: ...
    @property
    def needs(self) -> frozenset[str]: ...
    @property
    def judge(self) -> bool: ...

    async def judged(self, sample: Sample) -> Score:
        """The verdict on a sample that has all it needs."""
        ...


@dataclass(frozen=True, slots=True)
class Configured:
    """An evaluator and on how many traces it runs.

    rate: share of traces in [0, 1], None for the stage's own. routes, cohorts: the same by pattern (`*`, `?`) of the route or
    cohort, in the order of the file.
    """

    evaluator: Evaluator
    rate: float | None = None
    routes: Mapping[str, float] = field(default_factory=dict)
    cohorts: Mapping[str, float] = field(default_factory=dict)
