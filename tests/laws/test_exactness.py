"""Exact counts from an at-least-once world: with every rule no history breaks them, without any one some do."""

import os
from dataclasses import replace

import pytest

from tests.laws.exactness import Rules, run

RUNS = int(os.environ.get("TAILRACE_SIM_RUNS", "60"))


@pytest.mark.parametrize("zombies", [False, True], ids=["crashes", "zombies"])
def test_no_history_breaks_the_counts(zombies: bool) -> None:
    broken = {seed: wrong for seed in range(RUNS) if (wrong := run(seed, Rules(), zombies=zombies))}
    print(f"broken histories with {'zombies' if zombies else 'crashes'}: {len(broken)} of {RUNS}")
    assert broken == {}


@pytest.mark.parametrize(
    "left_out", ["revision", "progress_is_read", "largest_progress", "watermark_is_kept", "verdicts_are_keyed"]
)
def test_every_rule_is_needed(left_out: str) -> None:
    rules = replace(Rules(), **{left_out: False})
    assert any(run(seed, rules, zombies=True, crashes=10) for seed in range(400)), f"{left_out} could be left out"


def test_commits_need_no_fence() -> None:
    """A zombie's commit is justified by what it has confirmed, so counts do not rest on the broker refusing it."""
    rules = Rules(commits_are_fenced=False)
    assert not any(run(seed, rules, zombies=True) for seed in range(RUNS))
