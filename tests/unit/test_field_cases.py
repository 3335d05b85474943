"""What people who trace calls of models reported in public: each case stands for its kind of fault, its answer worked out by
hand. Read as `tailrace replay` reads a file, through decode and aggregate.

`tests/data/field/README.md` says what `expected.json` holds.
"""

from functools import cache
from pathlib import Path
from typing import Any

import orjson
import pytest

from pipeline.model.columns import REQUEST_KINDS
from tests.replayed import replayed, total

FIELD = Path(__file__).parents[1] / "data" / "field"

EXPECTED: dict[str, dict[str, Any]] = orjson.loads((FIELD / "expected.json").read_bytes())

READ_TOO = {"44-old-instrumentation-library-spans": {"requests": 1, "dead": 0}}
"""Where `why` allows another answer than `expect`: the older shape is read."""


@cache
def answer(file: str) -> dict[str, Any]:
    """The sums that `expected.json` speaks of."""
    told = replayed([FIELD / file])
    panes = told["panes"]
    calls = [row for row in told["spans"] if row["kind"] in REQUEST_KINDS]
    sums = {name: total(panes, name) for name in panes[0] if name.endswith("_tokens")} if panes else {}
    counts = ("requests", "errors", "streamed", "unknown_usage", "unpriced", "cost_nusd")
    return {
        **dict.fromkeys(("input_tokens", "output_tokens"), 0),
        **sums,
        **{name: total(panes, name) for name in counts},
        "dead": sum(row["count"] for row in told["dead-letters"]),
        "routes": sorted({row["route"] for row in calls}),
        "cohorts": sorted({row["cohort"] for row in calls}),
        "ttft_p50_ns": calls[0]["ttft_ns"] if len(calls) == 1 else None,
    }


def right_answers(case: str) -> list[dict[str, Any]]:
    found = EXPECTED[case]
    return [wanted for wanted in (found["expect"], found.get("or"), READ_TOO.get(case)) if wanted]


def given_of(case: str, wanted: dict[str, Any]) -> dict[str, Any]:
    given = answer(EXPECTED[case]["file"])
    return {name: given[name] for name in wanted}


@pytest.mark.parametrize("case", sorted(EXPECTED))
def test_case(case: str) -> None:
    right = right_answers(case)
    assert given_of(case, right[0]) in right or any(given_of(case, wanted) == wanted for wanted in right)


def test_every_case_is_there() -> None:
    assert {found["file"] for found in EXPECTED.values()} == {path.name for path in FIELD.glob("[0-9]*.json")}
