"""Patterns of contracts as the store reads them find what `fnmatchcase` finds."""

import re
from fnmatch import fnmatchcase

from hypothesis import given
from hypothesis import strategies as st

from pipeline.operators.contracts.meaning import pattern_as_regex

LETTERS = st.text("ab-.*?[]!^\\é\n", max_size=8)


@given(LETTERS, LETTERS)
def test_a_pattern_finds_the_same_names_in_the_store(pattern: str, name: str) -> None:
    assert bool(re.fullmatch(pattern_as_regex(pattern)[1:-1], name)) == fnmatchcase(name, pattern)


def test_globs_are_expressions() -> None:
    assert pattern_as_regex("support-*") == r"^(?s:support\-.*)$"
    assert pattern_as_regex("[z-a]") == r"^(?s:[^\s\S])$"
