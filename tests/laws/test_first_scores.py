"""Which scores are the first: who continues from `held`, with what was known there, says of later scores what its predecessor
says, also where more is said than is remembered, sources that settle nothing talk for days, and time leaps.
"""

import random

import pytest

from pipeline.operators.first_scores import SILENT_NS, FirstScores

HOUR_NS = 3_600_000_000_000
Said = tuple[str, int, int, tuple[str, ...], int]


def history(rng: random.Random, n: int) -> list[Said]:
    """n scores in the order of a log: source, offset, settled, identity, when appended. `evaluate` settles, others never do."""
    said, now_ns, top = list[Said](), 0, 0
    for _ in range(n):
        now_ns += rng.choice((0, 0, HOUR_NS // 60, HOUR_NS, 7 * HOUR_NS, SILENT_NS + 1) if rng.random() < 0.2 else (0,))
        if rng.random() < 0.5:
            top += rng.random() < 0.7
            offset = max(0, top - rng.randint(0, 6))
            said.append(("evaluate", offset, min(offset, max(0, top - rng.randint(5, 9))), (str(offset),), now_ns))
        else:
            said.append((f"foreign {rng.randint(0, 2)}", rng.choice((0, 0, 3)), 0, (str(rng.randint(0, 12)),), now_ns))
    return said


def verdicts(first: FirstScores, said: list[Said], begin: int) -> list[bool]:
    found = []
    for at, (source, offset, settled, identity, now_ns) in enumerate(said, begin):
        first.passed(now_ns)
        found.append(first.is_first(source, offset, settled, identity, at, now_ns))
    return found


@pytest.mark.parametrize("seed", range(200))
def test_who_continues_says_of_all_that_comes_what_its_predecessor_says(seed: int) -> None:
    rng = random.Random(seed)
    said, most = history(rng, 120), rng.choice((3, 6, 1000))
    plain = verdicts(FirstScores(most_seen=most), said, 0)
    first, stood = FirstScores(most_seen=most), []
    for at, one in enumerate(said):
        stood.append(first.snapshot())
        first.passed(one[-1])
        held = first.held(at)
        begin = rng.randint(max(0, held - 5), held)
        successor = FirstScores(stood[begin], most)
        verdicts(successor, said[begin:at], begin)
        successor.passed(one[-1])
        assert verdicts(successor, said[at:], at) == plain[at:]
        first.is_first(*one[:4], at, one[-1])


def test_whoever_settles_nothing_holds_no_offset_for_ever_and_no_memory_without_end() -> None:
    first = FirstScores(most_seen=1000)
    for n in range(5000):
        first.passed(n * HOUR_NS // 100)
        assert first.is_first("foreign", 0, 0, (str(n), "x" * 1000), n, n * HOUR_NS // 100)
        assert n - first.held(n) <= 1000
    first.passed(50 * HOUR_NS + SILENT_NS)
    assert first.held(5000) == 5000
