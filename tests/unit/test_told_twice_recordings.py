"""Of every recording, the calls that count sum to what happened, now for those told twice as well."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.connectors.files import read_requests
from pipeline.operators.decode.spans import Decoder
from pipeline.operators.told_columns import COLUMNS, read_told
from pipeline.operators.told_twice import Calls, Ints, stands
from tests.otlp import DAY_NS, DECODER, decoder, record, rows
from tests.unit.test_dialect_recordings import BY_SPAN, NAMES, TOTALS, Totals, requests_of, totals

FIELD = Path(__file__).parents[1] / "data" / "field"

ELSEWHERE: dict[str, tuple[Totals, str]] = {
    "litellm_otel_v2": (TOTALS["litellm_otel_v2"]._replace(requests=17, unknown=2), BY_SPAN["litellm_otel_v2"][1]),
    "litellm_proxy_v1": (
        Totals(9, 1, 2, 406, 133, 192, 0, 25, 0),
        "a reply from the proxy's cache is a request that cost nothing; the provider was not asked",
    ),
    "oinfjs_anthropic": (
        Totals(6, 1, 3, 285, 95, 160, 0, 0, 0),
        "one stream is told in two traces, by one of them without an id",
    ),
    "oinfjs_langchain_openai_both": (Totals(24, 1, 6, 1026, 342, 576, 0, 90, 5), "every call is told in two traces, without ids"),
    "openlitjs_openai": BY_SPAN["openlitjs_openai"],
    "tl_langchain_and_openai": (Totals(13, 1, 0, 530, 185, 0, 0, 0, 1), "six calls are told in two traces, by one without an id"),
    "tl_openai": BY_SPAN["tl_openai"],
}
"""Where the spans of one trace do not tell, and why."""


def decided(values: list[bytes], decoder: Decoder = DECODER) -> tuple[list[dict[str, Any]], Calls, Ints]:
    """Decoded rows as `read_told` orders them, and what counts."""
    found = rows(decoder.decode([record(value, i) for i, value in enumerate(values)]))
    told, order = read_told({name: [row[name] for row in found] for name in COLUMNS})
    return [found[i] for i in order.tolist()], stands(told), order


def counted(values: list[bytes], decoder: Decoder = DECODER) -> list[dict[str, Any]]:
    """A row per call: who stands for it, with the tokens and the times of those that know them."""
    found, calls, _ = decided(values, decoder)
    result = []
    for i in np.flatnonzero(calls.row == np.arange(len(found))).tolist():
        usage, stream = found[calls.usage[i]], True if calls.stream[i] else found[i]["stream"]
        tokens = {name: usage[name] for name in usage if name.endswith("_tokens")}
        ttft = found[calls.ttft[i]]["ttft_ns"] if calls.ttft[i] >= 0 else None
        result.append(found[i] | tokens | {"stream": stream, "ttft_ns": ttft})
    return result


@pytest.mark.parametrize("name", NAMES)
def test_what_counts_of_a_recording(name: str) -> None:
    expected, _ = ELSEWHERE.get(name, (TOTALS[name], ""))
    assert totals(counted(requests_of(name))) == expected


def test_told_twice_is_understood_but_where_it_is_said() -> None:
    assert not [name for name, (found, _) in ELSEWHERE.items() if found == TOTALS[name]]
    assert set(BY_SPAN) - set(ELSEWHERE) == {
        *("agents_oi_both", "langfuse5", "mixed_oilc_olmoai", "oi_both", "olm_anthropic", "olm_both"),
        *("pydantic_openai_only", "pydantic_plain"),
    }


def test_without_the_reply_from_its_cache_the_proxy_tells_what_the_provider_did() -> None:
    """But for the parts of one stream's usage, which the proxy alone knows and writes as Python would."""
    calls = [row for row in counted(requests_of("litellm_proxy_v1")) if row["cost_source"] != "cached"]
    assert totals(calls) == TOTALS["litellm_proxy_v1"]._replace(cache_read=160, reasoning=20)


def counted_of_case(case: str) -> list[dict[str, Any]]:
    """What counts of a file of `tests/data/field`, whose spans are older than the recordings."""
    values = [request.value or b"" for request in read_requests([FIELD / f"{case}.json"])]
    return counted(values, decoder(horizon_ns=1000 * DAY_NS))


@pytest.mark.parametrize(
    ("case", "tokens", "cost"),
    [("06-nested-langchain-anthropic", (3000, 200, 2500), 5_250_000), ("08-twice-under-two-span-ids", (400, 100, None), 120_000)],
)
def test_what_people_reported(case: str, tokens: tuple[int | None, ...], cost: int) -> None:
    (call,) = counted_of_case(case)
    assert (call["input_tokens"], call["output_tokens"], call["cache_read_tokens"]) == tokens
    assert call["cost_nusd"] == cost


@pytest.mark.parametrize("case", ["09-agent-wrapper-declared", "10-agent-wrapper-undeclared"])
def test_agents_over_calls_leave_two(case: str) -> None:
    calls = counted_of_case(case)
    assert (len(calls), sum(call["input_tokens"] for call in calls)) == (2, 300)


def test_a_stream_lasts_from_its_request_to_its_record() -> None:
    """300 ms, of which the request's span shows 2 and the record none."""
    found, calls, _ = decided(requests_of("pydantic_openai_only"))
    lasting = [found[i]["end_ns"] - int(calls.began_ns[i]) for i in range(len(found)) if calls.stream[i] and calls.row[i] == i]
    assert len(lasting) == 5
    assert all(290e6 < ns < 390e6 for ns in lasting)


def test_each_call_is_timed_by_who_knows() -> None:
    calls = counted(requests_of("agents_oi_both"))
    assert sorted(round(call["ttft_ns"] / 1e6) for call in calls if call["ttft_ns"]) == [152, 155]
