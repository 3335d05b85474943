"""Where the series of a call is looked for: environment, route, release, cohort, language. `model` is a field.

The defaults work on spans nobody prepared. A series file replaces any column, with a list of paths or with more:

route:
  from: [http.route, "name:~^POST (.+)$", resource:service.name]
  lookup: {/v1/chat: chat, "/users/*": users}
  otherwise: rest
language:
  from: [tailrace.language]
  detect: true
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

from pipeline.model.columns import SERIES
from pipeline.operators.dialects.paths import Path, paths

MAX_LOOKUP = 10_000
"""Entries of one column's lookup."""

MAX_GLOBS = 100
"""Of these so many may be patterns, which are tried one after the other."""

SHAPE = "a column of the series file is a list of paths, or has `from` (paths) and any of `lookup`, `otherwise`, `detect`"


@dataclass(frozen=True, slots=True)
class SeriesColumn:
    """How a column of the series comes about.

    paths: where it is looked for, most believed first. lookup: what a value becomes; globs: the same by pattern, the first that
        matches. otherwise: what any other value becomes; None: it stays. detect: of a call that tells no language, is it guessed
        from what the user wrote?
    """

    paths: tuple[Path, ...]
    lookup: Mapping[str, str] = field(default_factory=dict)
    globs: tuple[tuple[str, str], ...] = ()
    otherwise: str | None = None
    detect: bool = False

    def __call__(self, value: str) -> str:
        """What a value that was found becomes."""
        if not (self.lookup or self.globs):
            return value
        found = self.lookup.get(value)
        if found is None:
            found = next((becomes for glob, becomes in self.globs if fnmatchcase(value, glob)), None)
        if found is None:
            found = value if self.otherwise is None else self.otherwise
        return found


def _column(*texts: str) -> SeriesColumn:
    return SeriesColumn(paths(*texts))


SERIES_COLUMNS: dict[str, SeriesColumn] = {
    "environment": _column(
        "tailrace.environment",
        "langfuse.environment",
        "resource:tailrace.environment",
        "resource:deployment.environment.name",
        "resource:deployment.environment",
    ),
    "route": _column(
        "tailrace.route",
        "metadata#route",
        "metadata.route",
        "route",
        "ai.telemetry.functionId",
        "langfuse.trace.metadata.route",
        "langfuse.observation.metadata.route",
        "traceloop.association.properties.route",
        "gen_ai.agent.name",
        "traceloop.workflow.name",
        "resource:tailrace.route",
        "resource:service.name",
    ),
    "release": _column(
        "tailrace.release",
        "metadata#release",
        "langfuse.release",
        "resource:tailrace.release",
        "resource:service.version",
    ),
    "cohort": _column(
        "tailrace.cohort",
        "metadata#cohort",
        "metadata.cohort",
        "cohort",
        "user.tier",
        "ai.telemetry.metadata.cohort",
        "langfuse.trace.metadata.cohort",
        "langfuse.observation.metadata.cohort",
        "traceloop.association.properties.cohort",
        "resource:tailrace.cohort",
    ),
    "language": _column(
        "tailrace.language",
        "metadata#language",
        "metadata.language",
        "language",
        "ai.telemetry.metadata.language",
        "langfuse.trace.metadata.language",
        "langfuse.observation.metadata.language",
        "traceloop.association.properties.language",
        "resource:tailrace.language",
    ),
}
"""Defaults; `TAILRACE_SERIES_FILE` replaces any of them."""


def read_series(raw: Any) -> dict[str, SeriesColumn]:
    """The series columns with the user's own over the defaults. Raises ValueError naming the column and what is wrong."""
    if not isinstance(raw, dict):
        raise ValueError(f"not a series file: {SHAPE}")  # noqa: TRY004 - the file is wrong, not the caller
    unknown = set(raw) - (set(SERIES) - {"model"})
    if unknown:
        raise ValueError(f"unknown series column {', '.join(sorted(map(str, unknown)))}; known: {', '.join(SERIES_COLUMNS)}")
    return SERIES_COLUMNS | {name: _read_column(name, said) for name, said in raw.items()}


def _read_column(name: str, said: Any) -> SeriesColumn:
    """One column of the file; `from` may be left out: then the defaults stay."""
    said = {"from": said} if isinstance(said, list) else said
    if not isinstance(said, dict) or set(said) - {"from", "lookup", "otherwise", "detect"}:
        raise ValueError(f"{name}: {SHAPE}")
    places, lookup, otherwise, detect = (said.get(key) for key in ("from", "lookup", "otherwise", "detect"))
    if not isinstance(places, list | None) or not isinstance(lookup, dict | None) or not isinstance(detect, bool | None):
        raise ValueError(f"{name}: {SHAPE}")  # noqa: TRY004
    if detect and name != "language":
        raise ValueError(f"{name}: only `language` can be detected")
    try:
        found = SERIES_COLUMNS[name].paths if places is None else paths(*map(str, places))
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from None
    if any(path.is_time_of_event or path.unit for path in found):
        raise ValueError(f"{name}: a time has no name for a series")
    table = {str(key): str(value) for key, value in (lookup or {}).items()}
    globs = tuple((key, value) for key, value in table.items() if any(sign in key for sign in "*?["))
    if len(table) > MAX_LOOKUP or len(globs) > MAX_GLOBS:
        raise ValueError(f"{name}: a lookup has {MAX_LOOKUP:,} entries at most, of which {MAX_GLOBS} may be patterns")
    exact = {key: value for key, value in table.items() if key not in dict(globs)}
    return SeriesColumn(found, exact, globs, None if otherwise is None else str(otherwise), bool(detect))
