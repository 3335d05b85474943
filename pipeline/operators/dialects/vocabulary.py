"""All dialects as one: per field the paths in the order in which they are believed.

Real spans mix dialects, so a field is resolved across all of them: the first path that holds a usable value wins, in
the order of `DIALECTS` and, inside a dialect, of its table. A span's kind is resolved the same way in the order of
`KIND_ORDER`: what an instrumentor says of the span before the operation's name.
"""

from typing import Any

from pipeline.model.columns import SERIES
from pipeline.operators.dialects import openinference, otel_genai, traceai
from pipeline.operators.dialects.paths import Path, paths

DIALECTS = (otel_genai, openinference, traceai)
KIND_ORDER = (openinference, traceai, otel_genai)

STRING_FIELDS = (
    "provider",
    "operation",
    "model",
    "session_id",
    "user_id",
    "error_type",
    "finish_reason",
    "response_id",
    "service_tier",
)

CLASSES = frozenset({"operation", "error_type", "finish_reason", "service_tier"})
IDS = frozenset({"session_id", "response_id"})
"""Which of them hold words for classes, and which ids. There instrumentors put text of users when a call goes wrong; the others
are names that developers give.
"""

SERIES_PATHS: dict[str, tuple[Path, ...]] = {
    "environment": paths(
        "tailrace.environment",
        "resource:tailrace.environment",
        "resource:deployment.environment.name",
        "resource:deployment.environment",
    ),
    "route": paths(
        "tailrace.route",
        "metadata#route",
        "route",
        "gen_ai.agent.name",
        "traceloop.workflow.name",
        "resource:tailrace.route",
        "resource:service.name",
    ),
    "release": paths("tailrace.release", "metadata#release", "resource:tailrace.release", "resource:service.version"),
    "cohort": paths("tailrace.cohort", "metadata#cohort", "cohort", "user.tier", "resource:tailrace.cohort"),
    "language": paths("tailrace.language", "metadata#language", "language", "resource:tailrace.language"),
}
"""Defaults that work on spans nobody prepared; `TAILRACE_SERIES_FILE` replaces any of them. `model` is a field."""

REQUEST_EVIDENCE = paths("gen_ai.request.model", "llm.model_name", "llm.request.type")
"""A span without a kind that carries one of these is a model call of an older instrumentation."""


def field_paths(field: str) -> tuple[Path, ...]:
    """The paths of a field over all dialects, most believed first, each once."""
    found = (path for dialect in DIALECTS for path in dialect.FIELDS.get(field, ()))
    return tuple(dict.fromkeys(found))


def fields() -> tuple[str, ...]:
    """Every field some dialect names."""
    return tuple(dict.fromkeys(field for dialect in DIALECTS for field in dialect.FIELDS))


def read_series(raw: Any) -> dict[str, tuple[Path, ...]]:
    """The series paths with the user's own over the defaults. Raises ValueError for an unknown column or a bad path."""
    if not isinstance(raw, dict) or not all(isinstance(texts, list) for texts in raw.values()):
        raise ValueError("a series file is a list of paths for each column")
    unknown = set(raw) - (set(SERIES) - {"model"})
    if unknown:
        raise ValueError(f"unknown series column {', '.join(sorted(unknown))}; known: {', '.join(SERIES_PATHS)}")
    return SERIES_PATHS | {column: paths(*map(str, texts)) for column, texts in raw.items()}
