"""For people: which span each call of some traces is counted by, and what decided. See `told_twice.py`."""

from collections import defaultdict
from typing import NamedTuple

import numpy as np

from pipeline.operators.told_columns import COLUMNS, Values, read_told
from pipeline.operators.told_twice import Rule, stands

MEANT = {
    Rule.ALONE: "nobody else tells of it",
    Rule.RESPONSE_ID: "the same response id",
    Rule.PARENT: "one under the other, and they say the same",
    Rule.STEPS: "a wrapper that sums up its steps, or says nothing where they do",
    Rule.RECORD: "a streamed request and the record of what came of it",
    Rule.BESIDE: "tellers of two layers that say the same, one within the other in time",
}
"""What each rule found."""

MOST_NAMED = 5
"""So many of the spans that tell of a call are named."""


class Counted(NamedTuple):
    """by: the span that stands for the call of this one. rule: why another does, "" for itself. why: the same in a sentence."""

    by: str
    rule: str
    why: str


def who_counts(columns: Values) -> dict[tuple[str, str], Counted]:
    """By trace and span id, for every call among rows of `spans`. Of a span that is there twice the first is taken."""
    first = {ids: i for i, ids in reversed(list(enumerate(zip(columns["trace_id"], columns["span_id"], strict=True))))}
    rows = sorted(first.values())
    ids = [(columns["trace_id"][i], columns["span_id"][i]) for i in rows]
    told, order = read_told({name: [columns[name][i] for i in rows] for name in COLUMNS})
    calls = stands(told)
    stood = np.where(calls.row < 0, -1, order[calls.row]).tolist()
    others: dict[int, list[str]] = defaultdict(list)
    for i, stand, rule in zip(order.tolist(), stood, calls.rule.tolist(), strict=True):
        if stand not in (-1, i):
            others[stand].append(f"{ids[i][1]} ({Rule(rule).name.lower()})")
    return {
        ids[i]: _told(ids[stand][1], Rule(rule), sorted(others[i]), itself=stand == i)
        for i, stand, rule in zip(order.tolist(), stood, calls.rule.tolist(), strict=True)
        if stand >= 0
    }


def _told(by: str, rule: Rule, others: list[str], *, itself: bool) -> Counted:
    if not itself:
        return Counted(by, rule.name.lower(), f"by span {by}: {rule.name.lower()}, {MEANT[rule]}")
    if not others:
        return Counted(by, "", f"by itself: {MEANT[Rule.ALONE]}")
    named = ", ".join(others[:MOST_NAMED]) + (f" and {len(others) - MOST_NAMED:,} more" if len(others) > MOST_NAMED else "")
    return Counted(by, "", f"by itself, for {named} too")
