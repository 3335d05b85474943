"""Which tokens lie inside others: every rule by hand, alone and together."""

from typing import Any

import numpy as np
import pytest

from pipeline.model.columns import TOKENS
from pipeline.operators.decode.usage import CONTRADICTION, DOUBTFUL, PARTS, UNEXPLAINED, Custom, reconciled
from tests.otlp import spoken

SHORT = {
    "i": "input_tokens",
    "o": "output_tokens",
    "t": "total_tokens",
    "r": "cache_read_tokens",
    "w": "cache_write_tokens",
    "z": "reasoning_tokens",
    "ai": "audio_input_tokens",
    "ao": "audio_output_tokens",
}


def reconcile(said: dict[str, int], beside: str = "", sure: str = "") -> tuple[int, int, str]:
    """Prompt, answer and rule of one call. beside, sure: parts whose custom is so."""
    counts = {name: np.array([-1]) for name in (*TOKENS, "total_tokens")} | {SHORT[k]: np.array([v]) for k, v in said.items()}
    customs = {part: Custom(np.array([part in (beside, sure)]), np.array([part == sure])) for part in PARTS}
    found = reconciled(counts, customs)
    return int(found.tokens["input_tokens"][0]), int(found.tokens["output_tokens"][0]), str(found.rule[0])


@pytest.mark.parametrize(
    ("said", "custom", "expected"),
    [
        ({"i": 57, "o": 19}, {}, (57, 19, "")),
        ({"i": 57, "o": 19, "t": 99}, {}, (57, 19, "")),  # nothing has to be decided
        ({"i": 57, "o": 19, "r": 32}, {}, (57, 19, "cache inside: custom")),
        ({"i": 57, "o": 19, "r": 32}, {"beside": "cache"}, (89, 19, "cache beside: custom")),
        ({"i": 9, "o": 130, "r": 12000}, {}, (12009, 130, "cache beside: larger")),
        ({"i": 40, "o": 10, "r": 30, "w": 20}, {}, (90, 10, "cache beside: larger")),  # together larger than the whole
        ({"i": 57, "o": 19, "r": 32, "t": 76}, {"beside": "cache"}, (57, 19, "cache inside: total")),
        ({"i": 57, "o": 19, "r": 32, "t": 76}, {"sure": "cache"}, (89, 19, "cache beside: custom")),  # its own sum
        ({"i": 57, "o": 19, "r": 32, "t": 108}, {}, (89, 19, "cache beside: total")),
        ({"i": 25, "o": 19, "r": 32, "t": 44}, {}, (57, 19, "cache beside: larger")),  # a total of the wholes alone
        ({"i": 40, "o": 200, "z": 500}, {}, (40, 700, "reasoning beside: larger")),
        ({"i": 40, "o": 200, "z": 50, "t": 290}, {}, (40, 250, "reasoning beside: total")),
        ({"i": 40, "o": 200, "z": 50, "t": 240}, {}, (40, 200, "reasoning inside: total")),
        (
            {"i": 25, "o": 14, "r": 32, "z": 5, "t": 76},
            {},
            (57, 19, "cache beside: total; reasoning beside: total"),
        ),
        (
            {"i": 100, "o": 50, "r": 32, "z": 5, "t": 182},
            {},
            (132, 50, "cache beside: total; reasoning inside: total"),
        ),
        # The same number twice: the total fits two readings, so it decides neither.
        (
            {"i": 100, "o": 50, "r": 20, "z": 20, "t": 170},
            {},
            (100, 50, "cache inside: custom; reasoning inside: custom"),
        ),
        ({"o": 50, "r": 20}, {}, (-1, 50, "")),
        ({"i": 7, "r": 3, "t": 7}, {}, (7, -1, "cache inside: total")),
        ({"i": 100, "o": 50, "r": 20, "t": 999}, {}, (100, 50, UNEXPLAINED)),
        ({"i": 20, "o": 50, "ai": 30}, {}, (20, 50, CONTRADICTION)),
        ({"i": 20, "o": 50, "ao": 60}, {}, (20, 50, CONTRADICTION)),
        ({"i": 20, "o": 500, "ao": 400}, {}, (20, 500, "")),
    ],
    ids=str,
)
def test_rules(said: dict[str, int], custom: dict[str, str], expected: tuple[int, int, str]) -> None:
    assert reconcile(said, **custom) == expected


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        ({"gen_ai.usage.input_tokens": "57.0", "gen_ai.usage.output_tokens": 19.0}, (57, 19)),
        ({"gen_ai.usage.input_tokens": float("nan"), "gen_ai.usage.output_tokens": -3}, (None, None)),
        ({"gen_ai.usage.input_tokens": 0, "gen_ai.usage.output_tokens": 0, "gen_ai.usage.total_tokens": 0}, (None, None)),
        ({"gen_ai.usage.input_tokens": "57 tokens", "gen_ai.usage.prompt_tokens": 57}, (57, None)),
    ],
    ids=str,
)
def test_numbers(attributes: dict[str, Any], expected: tuple[int | None, int | None]) -> None:
    row = spoken({"gen_ai.operation.name": "chat", "gen_ai.request.model": "gpt-4o-mini"} | attributes)
    assert (row["input_tokens"], row["output_tokens"]) == expected


def test_what_was_written_is_told_by_how_long_it_is_kept_alone() -> None:
    ages = {f"anthropic.usage.cache_creation.ephemeral_{age}_input_tokens": n for age, n in (("5m", 200), ("1h", 300))}
    row = spoken({"gen_ai.operation.name": "chat", "gen_ai.usage.input_tokens": 1000, "gen_ai.usage.output_tokens": 50} | ages)
    assert (row["cache_write_tokens"], row["cache_write_1h_tokens"], row["input_tokens"]) == (500, 300, 1000)


def test_what_does_not_add_up_is_counted_with_its_record() -> None:
    row = spoken(
        {"gen_ai.operation.name": "chat", "gen_ai.usage.input_tokens": 100, "gen_ai.usage.output_tokens": 50}
        | {"gen_ai.usage.cache_read_tokens": 20, "gen_ai.usage.total_tokens": 999}
    )
    assert row["usage_rule"] in DOUBTFUL
    assert row["account"].contradictions == 1
