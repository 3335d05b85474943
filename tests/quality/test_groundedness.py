"""How well words tell whether an answer is supported: BEGIN (Dziri et al. 2022), answers of dialogue systems labelled by people.

The answers are not ours to carry: `GROUNDEDNESS_LABELS` names their file, by default beside the repository. The formula is fixed
and knows nothing of them.
"""

import asyncio
import os
from pathlib import Path

import numpy as np
import orjson
import pytest

from pipeline.evaluators import GroundednessLexical
from pipeline.model.samples import Sample

LABELS = Path(os.environ.get("GROUNDEDNESS_LABELS", Path(__file__).parents[3] / "shared/data/groundedness/begin_dev.jsonl"))

WITH_EMBEDDINGS = 0.917
"""AUROC that coverage with the similarity of static embeddings is known to reach. Why they are not taken: ADR 0022."""

PARTS = {"all": ("cmu", "wow"), "films (cmu)": ("cmu",), "encyclopedia (wow)": ("wow",)}


def auroc(positive: list[bool], values: list[float]) -> float:
    """The share of pairs of a positive and a negative in which the positive has the larger value; ties are half."""
    truth, value = np.array(positive), np.array(values)
    pairs = value[truth][:, None] - value[~truth][None, :]
    return float(((pairs > 0) + 0.5 * (pairs == 0)).mean())


def test_auroc() -> None:
    assert auroc([True, True, False], [1, 0.5, 0.5]) == 0.75


def test_words_tell_what_is_supported() -> None:
    if not LABELS.is_file():
        pytest.skip(f"labelled answers are not here: {LABELS} (GROUNDEDNESS_LABELS names another file)")
    rows = [orjson.loads(line) for line in LABELS.read_bytes().splitlines()]
    evaluator = GroundednessLexical()

    async def judge_all() -> list[float | None]:
        samples = [Sample(input=r["message"], output=r["response"], context=(r["knowledge"],)) for r in rows]
        return [(await evaluator.judged(sample)).value for sample in samples]

    values = asyncio.run(judge_all())
    print(f"\n{'groundedness_lexical ' + evaluator.version:<26}{'answers':>8}{'AUROC':>8}{'passed':>8}{'right':>8}")
    for name, sources in PARTS.items():
        picked = [
            (row["begin_label"] == "Fully attributable", value)
            for row, value in zip(rows, values, strict=True)
            if row["data_source"] in sources and value is not None
        ]
        truth, found = [label for label, _ in picked], [value for _, value in picked]
        passed = [value >= evaluator.threshold for value in found]
        right = sum(a == b for a, b in zip(truth, passed, strict=True)) / len(truth)
        print(f"{name:<26}{len(picked):>8}{auroc(truth, found):>8.3f}{sum(passed) / len(passed):>8.3f}{right:>8.3f}")
        if name == "all":
            assert auroc(truth, found) >= WITH_EMBEDDINGS
    print(f"to be reached: {WITH_EMBEDDINGS}")
    assert sum(value is None for value in values) <= len(rows) // 100
