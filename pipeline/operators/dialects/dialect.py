"""What a dialect is: a table of where its instrumentors write what, with no code."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from pipeline.operators.dialects.paths import Path

ANY = "*"
"""Among the words of a kind: whatever stands there."""

SAYS_NOTHING = ""
"""The kind of a word that leaves the question to others."""


@dataclass(frozen=True, slots=True)
class Dialect:
    """One vocabulary.

    kind: where it says what a span is; kinds: its words for that, in lower case, and the kind each means. A word that is
        not there says nothing, so other vocabularies are heard.
    span_names: names of spans, in lower case up to the first blank, that say what a span is, in the scopes that begin so.
    scopes: beginnings of the names of the instrumentation scopes that speak only this dialect.
    fields: per field the paths, most believed first.
    beside: per part (cache, reasoning) the paths of whole or part whose writers keep it out of the whole.
    beside_scopes: per part the scopes that do so whatever the path.
    own_sums: of the paths of `beside` those whose writers' total is their own sum of the wholes and tells nothing of the parts.
        So it is in `beside_scopes`.
    estimates: scopes where a prompt with an answer of no tokens is a guess at usage that never came.
    """

    name: str
    kind: tuple[Path, ...] = ()
    kinds: Mapping[str, str] = field(default_factory=dict)
    span_names: Mapping[str, str] = field(default_factory=dict)
    scopes: tuple[str, ...] = ()
    fields: Mapping[str, tuple[Path, ...]] = field(default_factory=dict)
    beside: Mapping[str, tuple[Path, ...]] = field(default_factory=dict)
    beside_scopes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    own_sums: frozenset[Path] = frozenset()
    estimates: tuple[str, ...] = ()
