"""The registry of metrics: what each is made of is in the panes of its family, and a name that is none has a near one."""

import pytest

from pipeline.model.columns import PANES, TRACE_PANES
from pipeline.model.metrics import EVALUATOR, METRICS, QUANTILES, Better, Family, Kind, Metric, Unit, metric, nearest
from pipeline.model.score_columns import SCORE_PANES

COLUMNS = {
    family: {column.name for column in columns}
    for family, columns in ((Family.CALLS, PANES), (Family.TRACES, TRACE_PANES), (Family.SCORES, SCORE_PANES))
}
EVERY = [*METRICS.values(), *(found for name in ("acme.mean", "acme.fail") if (found := metric(name)) is not None)]


def by_name(one: Metric) -> str:
    return one.name


@pytest.mark.parametrize("one", EVERY, ids=by_name)
def test_what_it_is_made_of_is_in_its_panes(one: Metric) -> None:
    measure = one.measure
    of_measure = (measure.count, measure.total, measure.squares, measure.digest) if measure else ()
    named = {name for name in (one.events, one.of, one.n, *one.unknown, *of_measure) if name}
    assert named
    assert named <= COLUMNS[one.family]


@pytest.mark.parametrize("one", EVERY, ids=by_name)
def test_it_can_be_made(one: Metric) -> None:
    """Of a ratio there are events and what they are of, of a quantile digest or ladder, of a mean a sum or a digest."""
    has_digest = one.measure is not None and one.measure.digest != ""
    match one.kind:
        case Kind.RATIO:
            assert one.events
            assert one.of
            assert one.unit is Unit.SHARE
        case Kind.QUANTILE:
            assert has_digest or (one.measure is not None and one.measure.ladder)
            assert one.quantile in QUANTILES.values()
        case Kind.MEAN:
            assert (one.events and one.of) or has_digest
        case Kind.SUM:
            assert one.events
            assert not one.can_regress


def test_names_people_rely_on() -> None:
    said = "latency.p95 ttft.p99.9 tokens_per_second.p50 cost_per_call.mean cost_per_call.p99 cost_per_trace.p95"
    said += " trace_latency.p99 error.ratio"
    said += " refusal.ratio citation.ratio schema_valid.ratio groundedness_lexical.mean Refusal.fail cost.sum"
    found = {name: metric(name) for name in said.split()}
    assert [name for name, one in found.items() if one is None or one.name != name] == []
    better = {name: one.better for name, one in found.items() if one is not None}
    assert [name for name, one in better.items() if one is Better.EITHER] == ["refusal.ratio"]
    high = "tokens_per_second.p50 citation.ratio schema_valid.ratio groundedness_lexical.mean"
    assert [name for name, one in better.items() if one is Better.HIGH] == high.split()


@pytest.mark.parametrize(
    "name",
    ["latency.p98", "latency.fail", "cost_per_call.p98", "cost.mean", "error.rate", "acme.p95", "acme", ".mean", "a b.mean", ""],
)
def test_what_is_no_metric(name: str) -> None:
    assert metric(name) is None


@pytest.mark.parametrize(
    ("wrote", "meant"),
    [
        ("latency.p98", "latency.p99"),
        ("latency.p999", "latency.p99.9"),
        ("errors.ratio", "error.ratio"),
        ("error_ratio", "error.ratio"),
        ("Error.Ratio", "error.ratio"),
        ("cost_per_call.p98", "cost_per_call.p99"),
        ("Acme.avg", "acme.mean"),
        ("weather", ""),
    ],
)
def test_the_nearest_is_suggested(wrote: str, meant: str) -> None:
    assert nearest(wrote, ["acme"]) == meant


def test_an_evaluator_may_be_called_as_its_author_likes() -> None:
    assert EVALUATOR.fullmatch("größe-2")
    assert metric("größe-2.mean") is not None
