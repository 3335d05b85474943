"""Exact counts from an at-least-once world: with every rule no history breaks them, without any one some do.

A history has sources with clocks hours ahead and behind, outages of decode and of single members, backlogs read in any
order, settings that change, topics made anew, crashes of decode and aggregate, and zombies. What is checked: panes and
verdicts, rows and panes of traces, and who repeats a call are those of one plain pass over the logs, the cost of calls is that
of traces and of what came too late for them, no honest span is too late, every window closes, no trace that never falls
silent holds the committed offset for ever, and no row comes behind a frontier that says it is there.
"""

import os
from dataclasses import replace
from typing import Any

import pytest

from pipeline.operators import traces
from tests.laws import decode_world
from tests.laws.exactness import Rules, run

RUNS = int(os.environ.get("TAILRACE_SIM_RUNS", "60"))
ENOUGH = 400
"""Histories among which a missing rule must show."""

SHOWN_BY = {"largest_progress": 206, "claims_wait_for_rows": 115, "watermark_is_kept": 33, "unending_are_told": 34}
"""The first history that broke when it was left out: tried first, since each costs half a second. If that one does not break
any more, all are tried.
"""


@pytest.mark.parametrize("zombies", [False, True], ids=["crashes", "zombies"])
def test_no_history_breaks_the_counts(zombies: bool) -> None:
    broken = {seed: wrong for seed in range(RUNS) if (wrong := run(seed, Rules(), zombies=zombies))}
    print(f"broken histories with {'zombies' if zombies else 'crashes'}: {len(broken)} of {RUNS}")
    assert broken == {}


def breaking(left_out: str, rules: Rules, **chances: Any) -> int | None:
    """A history that breaks under these rules."""
    order = (SHOWN_BY.get(left_out, 0), *range(ENOUGH))
    found = next((seed for seed in order if run(seed, rules, **chances)), None)
    print(f"without {left_out}: history {found} breaks")
    return found


@pytest.mark.parametrize(
    "left_out",
    [
        "revision",
        "progress_is_read",
        "largest_progress",
        "watermark_is_kept",
        "clock_is_kept",
        "verdicts_are_keyed",
        "settings_stand_in_the_log",
        "begins_where_it_was",
        "logs_have_identity",
        "unending_are_told",
        "frontiers_come_after",
    ],
)
def test_every_rule_is_needed(left_out: str) -> None:
    rules = replace(Rules(), **{left_out: False})
    assert breaking(left_out, rules, zombies=True) is not None, f"{left_out} could be left out"


@pytest.mark.parametrize("left_out", decode_world.Rules.__dataclass_fields__)
def test_every_rule_of_decode_is_needed(left_out: str) -> None:
    rules = Rules(decode=replace(decode_world.Rules(), **{left_out: False}))
    assert breaking(left_out, rules, zombies=False, crashes=0) is not None, f"{left_out} could be left out"


def test_who_lets_nothing_go_holds_an_offset_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    """And nothing else is wrong then."""
    monkeypatch.setattr(traces, "MOST_UNENDING", 0)
    found = [wrong for seed in range(ENOUGH // 10) if (wrong := run(seed, Rules(), zombies=True))]
    print(f"without letting go: {len(found)} of {ENOUGH // 10} histories break")
    assert {tuple(wrong) for wrong in found} == {("an offset held for ever",)}


def test_commits_need_no_fence() -> None:
    """A zombie's commit is justified by what it has confirmed, so counts do not rest on the broker refusing it."""
    rules = Rules(commits_are_fenced=False)
    assert not any(run(seed, rules, zombies=True) for seed in range(RUNS))
