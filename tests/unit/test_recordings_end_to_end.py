"""Every recording through decode and aggregate: what windows and traces count is what happened, each call once and whole."""

from functools import cache

import pytest

from pipeline.model.columns import REQUEST_KINDS, SPEND, TOKENS
from tests.replayed import Rows, replayed, total
from tests.unit.test_dialect_recordings import NAMES, RECORDINGS, TOTALS, Totals, requests_of
from tests.unit.test_told_twice_recordings import ELSEWHERE, counted, decided

SUMMED = ("errors", "streamed", *(name for name in TOKENS if not name.startswith("audio")), "unknown_usage")
"""What `Totals` has behind the number of calls, in its order."""


@cache
def made_of(name: str) -> dict[str, Rows]:
    return replayed(sorted(RECORDINGS.glob(f"{name}.traces.*.pb")))


def happened(name: str) -> Totals:
    return ELSEWHERE.get(name, (TOTALS[name], ""))[0]


@pytest.mark.parametrize("name", NAMES)
def test_windows_count_what_happened(name: str) -> None:
    panes = made_of(name)["panes"]
    assert Totals(total(panes, "requests"), *(total(panes, column) for column in SUMMED)) == happened(name)


@pytest.mark.parametrize("of", ["traces", "trace_panes"])
@pytest.mark.parametrize("name", NAMES)
def test_traces_count_what_happened(name: str, of: str) -> None:
    rows, expected = made_of(name)[of], happened(name)
    found = Totals(
        total(rows, "calls"), *(expected.streamed if column == "streamed" else total(rows, column) for column in SUMMED)
    )
    assert found == expected


@pytest.mark.parametrize("name", NAMES)
def test_cost_of_traces_and_outside_is_cost_of_calls(name: str) -> None:
    made = made_of(name)
    stood = sum(row["cost_nusd"] or 0 for row in counted(requests_of(name)))
    assert (
        total(made["traces"], "cost_nusd") + total(made["ledger"], "outside_nusd") == total(made["panes"], "cost_nusd") == stood
    )
    assert total(made["trace_panes"], "cost_nusd") == total(made["traces"], "cost_nusd")


@pytest.mark.parametrize("name", NAMES)
def test_each_kind_of_token_costs_what_its_calls_say(name: str) -> None:
    panes, stood = made_of(name)["panes"], counted(requests_of(name))
    spent = {kind: total(panes, kind) for kind in SPEND}
    assert spent == {kind: sum(row[kind] for row in stood) for kind in SPEND}
    booked = [row for row in stood if row["cost_source"] == "book"]
    assert sum(spent.values()) <= sum(row["cost_nusd"] for row in booked)


@pytest.mark.parametrize("name", NAMES)
def test_who_is_counted_says_the_operator(name: str) -> None:
    made = made_of(name)
    found, calls, _ = decided(requests_of(name))
    repeats = {
        (row["trace_id"], row["span_id"], found[stood]["span_id"])
        for row, i, stood in zip(found, range(len(found)), calls.row.tolist(), strict=True)
        if stood not in (-1, i)
    }
    assert {(row["trace_id"], row["span_id"], row["counted_by"]) for row in made["repeats"]} == repeats
    assert total(made["traces"], "told_twice") == len(repeats)
    of_calls = sum(row["kind"] in REQUEST_KINDS for row in made["spans"])
    assert total(made["panes"], "requests") + len(repeats) == of_calls


@pytest.mark.parametrize("name", NAMES)
def test_calls_are_timed_by_who_knows(name: str) -> None:
    panes = made_of(name)["panes"]
    found, calls, _ = decided(requests_of(name))
    stood = [i for i, row in enumerate(calls.row.tolist()) if row == i]
    ttft = [found[calls.ttft[i]]["ttft_ns"] for i in stood if calls.ttft[i] >= 0]
    assert (total(panes, "ttft_count"), total(panes, "ttft_sum_ns")) == (len(ttft), sum(ttft))
    assert total(panes, "latency_sum_ns") == sum(found[i]["end_ns"] - int(calls.began_ns[i]) for i in stood)
