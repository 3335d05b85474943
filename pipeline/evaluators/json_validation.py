"""Is an answer the JSON that was asked for, and does it keep its schema. No model.

Value 1: it is and does; 0: not. The schema is the request's; where that names none, the one given as option; where there is
none, any JSON will do. Nobody asked for JSON, the answer calls tools, the schema cannot be used: `skipped`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import orjson

from pipeline.evaluators.base import BaseEvaluator, decided, skipped
from pipeline.model.samples import Sample
from pipeline.model.scores import Score
from pipeline.operators.behaviour.schemas import compiled_schema, keeps


@dataclass(frozen=True, kw_only=True)
class JSONValidation(BaseEvaluator):
    """`JSONValidation`. schema: what answers keep whose request names no schema of its own; then all answers are to be JSON."""

    name: str = "JSONValidation"
    schema: Mapping[str, Any] | None = None

    rules: ClassVar[str] = "1"
    needs: ClassVar[frozenset[str]] = frozenset({"output"})
    direct: ClassVar[Mapping[str, Any]] = {"wants_json": True}

    def __post_init__(self) -> None:
        """Raises ValueError for a schema that cannot be used."""
        if self.schema is not None and compiled_schema(orjson.dumps(self.schema)) is None:
            raise ValueError("schema cannot be used: it is none, is too large, or refers to something outside")

    async def verdict(self, sample: Sample) -> Score:
        """Valid or invalid, or why nobody can say. What decode said of the whole answer counts first: a sample may be cut."""
        if sample.schema_valid is not None:
            return decided(sample.schema_valid, "valid", "invalid")
        if sample.incomplete:
            return skipped("the answer may have been cut")
        raw = sample.schema
        if raw is None and self.schema is not None:
            raw = orjson.dumps(self.schema)
        if raw is None and not sample.wants_json:
            return skipped("nobody asked for JSON")
        schema = None if raw is None else compiled_schema(raw)
        if raw is not None and schema is None:
            return skipped("the schema cannot be used: it is none, is too large, or refers to something outside")
        verdict = keeps(sample.output, schema)
        if verdict is None:
            return skipped("the answer is too deep or too large for its schema to be checked")
        return decided(verdict, "valid", "invalid")
