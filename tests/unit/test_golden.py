"""Every dialect's calls, written by hand from its vocabulary, and what each must decode to, written by hand too.

`tests/data/golden/NAME.json` is a request of spans of two seconds; `NAME.expected.json` says per span what its row holds. Numbers
it does not speak of are null, texts are whatever they are.
"""

from pathlib import Path
from typing import Any

import orjson
import pytest

from pipeline.operators.dialects.vocabulary import DIALECTS
from tests.otlp import DAY_NS, decoder, keeps_law_a, record, rows

GOLDEN = Path(__file__).parents[1] / "data" / "golden"
NAMES = sorted(path.name.removesuffix(".expected.json") for path in GOLDEN.glob("*.expected.json"))

CALL_OF = {
    **dict.fromkeys(("input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens", "reasoning_tokens")),
    **dict.fromkeys(("audio_input_tokens", "audio_output_tokens", "stream", "ttft_ns", "span_cost_nusd")),
    "status": "unset",
    "error_type": "",
}
"""What a call that is told nothing of holds."""

CALLS = ("llm", "embedding", "reranker")

DECODER = decoder(horizon_ns=10_000 * DAY_NS)


def expected_of(name: str) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = orjson.loads((GOLDEN / f"{name}.expected.json").read_bytes())
    return found


CASES = [(name, what) for name in NAMES for what in expected_of(name)]


def row_of(name: str, span_id: str) -> dict[str, Any]:
    found = DECODER.decode([record((GOLDEN / f"{name}.json").read_bytes())])
    assert not found.dead
    assert keeps_law_a(found)
    return next(row for row in rows(found) if row["span_id"] == span_id)


@pytest.mark.parametrize(("name", "what"), CASES, ids=str)
def test_a_call(name: str, what: str) -> None:
    told = expected_of(name)[what]
    expected = (CALL_OF if told["kind"] in CALLS else {}) | told
    row = row_of(name, told["span_id"])
    assert {column: row[column] for column in expected} == expected


def test_every_dialect_has_its_file() -> None:
    assert {dialect.name for dialect in DIALECTS} - {"alike"} | {"mixed"} == set(NAMES), "alike has no words of its own"
