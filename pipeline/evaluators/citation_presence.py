"""Does an answer that is to cite do so: a mark, a link, a source. Whether it cites rightly is another question. No model.

Value 1: it cites; 0: not. It is to cite where decode says so, where documents were retrieved, or always, as an option. Else
`skipped`. The rules are those that decode has for every response.
"""

from dataclasses import dataclass, replace
from typing import Any, ClassVar

from pipeline.evaluators.base import BaseEvaluator, decided, skipped
from pipeline.model.samples import Sample
from pipeline.model.scores import Score
from pipeline.operators.behaviour.citation import reads_as_citing


@dataclass(frozen=True, kw_only=True)
class CitationPresence(BaseEvaluator):
    """`CitationPresence`. always: every answer is to cite."""

    name: str = "CitationPresence"
    always: bool = False

    rules: ClassVar[str] = "1"
    needs: ClassVar[frozenset[str]] = frozenset({"output"})

    async def verdict(self, sample: Sample) -> Score:
        """Cites or does not, as decode has found or else by its rules."""
        cites = sample.citation
        if cites is None and (self.always or sample.context):
            cites = reads_as_citing(sample.output)
        return skipped("nothing says that the answer should cite") if cites is None else decided(cites, "cites", "does not cite")

    def evaluate(self, **given: Any) -> Score:
        """As the others; who asks directly means that the answer should cite."""
        return super().evaluate(**given) if self.always else replace(self, always=True).evaluate(**given)
