"""Contract files: what the shipped ones say, and what is said of a wrong one: line, key path, what to do."""

import json
from pathlib import Path

import jsonschema_rs
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from pipeline.evaluators.registry import OURS
from pipeline.model.contracts import (
    BURN_RATES,
    DAY_NS,
    MINUTE_NS,
    Baseline,
    Contract,
    Direction,
    Severity,
)
from pipeline.model.metrics import Family, Unit
from pipeline.operators.contracts.amounts import bound, duration_ns, shown, shown_duration
from pipeline.operators.contracts.located import MAX_BYTES
from pipeline.operators.contracts.reading import Reading, read
from pipeline.operators.contracts.scope import is_for
from pipeline.operators.contracts.structure import document
from pipeline.topics import schemas_dir, shipped
from schemas.documents import render

SHIPPED = sorted(shipped("contracts").glob("*.yaml"))
LEAST = """name: c
version: 1
routes: support
objectives:
  - {metric: error.ratio, at_most: 2%}
"""


def contract(text: str) -> Contract:
    reading = read(text, "c.yaml", tuple(OURS))
    assert reading.contract is not None, "\n".join(map(str, reading.problems))
    return reading.contract


def objective(text: str) -> str:
    return LEAST.replace("{metric: error.ratio, at_most: 2%}", text)


def shipped_contract(name: str) -> Contract:
    return contract((shipped("contracts") / f"{name}.yaml").read_text())


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.name)
def test_what_is_shipped_is_a_contract(path: Path) -> None:
    reading = read(path.read_text(), path.name, tuple(OURS))
    assert list(map(str, reading.problems + reading.notes)) == []
    validator = jsonschema_rs.validator_for(json.loads((schemas_dir() / "config" / "contract.json").read_text()))
    assert [error.message for error in validator.iter_errors(yaml.safe_load(path.read_text()))] == []


@pytest.mark.parametrize("name", ["README.md", "docs/contracts.md"])
def test_the_contract_of_the_documents_is_one(name: str) -> None:
    text = (Path(__file__).parents[2] / name).read_text().partition("```yaml\nname: ")[2]
    found = contract("name: " + text.partition("```")[0])
    assert (found.name, len(found.objectives), len(found.error_budgets)) == ("support", 5, 1)


def test_the_committed_schema_is_that_of_the_reader() -> None:
    assert (schemas_dir() / "config" / "contract.json").read_text() == render(document()), "run `python -m schemas`"
    jsonschema_rs.meta.validate(document())


def test_the_example_shows_every_key() -> None:
    """Every property of the schema stands in it."""

    def keys(schema: dict[str, object]) -> set[str]:
        below = [schema.get("items"), *(schema.get("properties") or {}).values()]  # type: ignore[attr-defined]
        named = set(schema.get("properties") or ())  # type: ignore[call-overload]
        return named.union(*(keys(one) for one in below if isinstance(one, dict)))

    text = (shipped("contracts") / "example.yaml").read_text()
    assert {key for key in keys(document()) if f"{key}:" not in text} == {"below"}  # of the one measure of which more is better


def test_the_least_contract_has_the_defaults() -> None:
    found = contract(LEAST)
    assert (found.environments, found.routes, found.models, found.releases) == (("*",), ("support",), ("*",), ("*",))
    assert (found.slices, found.regression, found.error_budgets, found.owner) == (((),), None, (), "")
    [one] = found.objectives
    assert (one.id, one.bound, one.window_ns, one.minimum) == ("error.ratio.at_most.5m", 0.02, 5 * MINUTE_NS, 30)
    assert (one.direction, one.severity) == (Direction.AT_MOST, Severity.TICKET)


def test_the_example_in_base_units() -> None:
    found = shipped_contract("example")
    by_id = {one.id: one for one in found.objectives}
    assert (by_id["slow"].bound, by_id["slow"].minimum, by_id["slow"].severity) == (12e9, 500, Severity.PAGE)
    assert by_id["ttft.p95.at_most.15m"].bound == 1.5e9
    assert by_id["cost_per_call.mean.at_most.1h"].bound == 2e7
    assert (by_id["cost.sum.at_most.1d"].bound, by_id["cost.sum.at_most.1d"].window_ns) == (50e9, DAY_NS)
    assert found.slices == ((), ("cohort",), ("language",), ("cohort", "language"))
    regression = found.regression
    assert regression is not None
    limits = {limit.metric.name: (limit.worse, limit.is_points) for limit in regression.limits}
    said = {"latency.p99": (0.05, False), "ttft.p95": (0.02, False), "error.ratio": (0.005, True)}
    assert limits == said | {"groundedness_lexical.mean": (0.02, False)}
    assert (regression.baseline, regression.confidence) == (Baseline.PREVIOUS_RELEASE, 0.95)
    of_ratio, of_measure, of_objective = found.error_budgets
    assert (of_ratio.burn_rates, of_ratio.period_ns, of_ratio.id) == (BURN_RATES, 30 * DAY_NS, "error.ratio.30d")
    assert (of_measure.beyond, of_measure.target, of_measure.is_bad_above) == (20e9, 0.995, True)
    assert (of_objective.beyond, of_objective.target, of_objective.id) == (12e9, 0.99, "slow-calls")


def test_an_objective_of_more_is_better_gives_a_budget_below_it() -> None:
    text = objective("{metric: tokens_per_second.p50, at_least: 30, id: pace}") + "error_budgets: [{of: pace}]\n"
    [budget] = contract(text).error_budgets
    assert (budget.beyond, budget.target, budget.is_bad_above) == (30.0, 0.5, False)


@pytest.mark.parametrize(
    ("text", "family"),
    [
        ("latency.p99, at_most: 4s", Family.CALLS),
        ("cost_per_trace.p95, at_most: $1", Family.TRACES),
        ("acme.mean, at_least: 0.5", Family.SCORES),
    ],
)
def test_traces_have_no_slices_by_model(text: str, family: Family) -> None:
    found = contract(objective(f"{{metric: {text}}}") + "slices: [model, cohort, [cohort, model]]\n")
    sliced = {Family.TRACES: ((), ("cohort",))}.get(family, ((), ("cohort",), ("model",), ("cohort", "model")))
    assert found.slices_of(found.objectives[0].metric.family) == sliced


WRONG = [
    # Text.
    ("", 0, "it is empty"),
    ("# nothing\n", 0, "it is empty"),
    ("name: [", 1, "it is no YAML"),
    ("routes: *\n", 1, "stands in quotes"),
    ("name: c\n\tversion: 1\n", 2, "it is no YAML"),
    ("a: &x 1\nb: *x\n", 1, "anchors and aliases"),
    ("a: !!python/object:os.system ls\n", 1, "tags such as"),
    (LEAST + "routes: other\n", 6, "routes: the key is there twice, first in line 3"),
    (LEAST + "---\nname: d\n", 6, "a second document begins"),
    ("x: " + "[" * 100, 1, "nested deeper than 12 levels"),
    ("x: [" + "1," * 20_000 + "]", 1, "more than 10,000 values"),
    ("#" * (10 << 20), 0, "it has more than 65,536 bytes, the most that is read"),
    (b"name: \xff\n", 1, "it is not UTF-8"),
    ("name: \x00\n", 0, "it is no YAML"),
    ('routes: "\\ud83d\\ude00"\n', 1, "routes: half of a character is escaped there"),
    ("? [a]\n: 1\n", 1, "a key is to be a plain text"),
    # Shape.
    ("[]", 1, "a list is not a contract: a mapping with name, version, routes and objectives"),
    (LEAST.replace("name: c\n", ""), 1, "name is missing: it is to be small letters"),
    (LEAST.replace("name: c", "name: Mine & Yours"), 1, 'name: "Mine & Yours" is not small letters'),
    (LEAST.replace("version: 1", "version: 0"), 2, "version: 0 is not a whole number from 1"),
    (LEAST.replace("version: 1", "version: '1'"), 2, 'version: "1" is not a whole number'),
    (LEAST.replace("routes: support", "routes: 7"), 3, 'routes: 7 is not a name, a pattern such as "support-*"'),
    (LEAST.replace("routes: support", "routes: []"), 3, "routes: it has 0 entries; 1 to 50 are allowed"),
    (LEAST + "owners: me\n", 6, "owners: unknown key; did you mean owner?"),
    (LEAST + "zebra: 1\n", 6, "zebra: unknown key; there are name, version"),
    (LEAST + "slices: [country]\n", 6, 'slices[0]: "country" is not one of model, release, cohort, language, or a list'),
    (LEAST + "slices: [cohort, [language, language]]\n", 6, "slices[1]: a list is not one of"),
    (LEAST + "select: {models: x}\n", 6, "select.models: unknown key; did you mean model?"),
    ("name: c\nversion: 1\nroutes: x\nobjectives: []\n", 4, "objectives: it has 0 entries; 1 to 200 are allowed"),
    (objective("latency.p99"), 5, 'objectives[0]: "latency.p99" is not an objective: a mapping'),
    (objective("{at_most: 4s}"), 5, "objectives[0]: metric is missing: it is to be a metric, for instance"),
    (objective("{metric: error.ratio, at_most: 2%, severity: pager}"), 5, "did you mean page?"),
    (objective("{metric: error.ratio, at_most: 2%, minimum: 1.5}"), 5, "minimum: 1.5 is not a whole number from 1"),
    (objective("{metric: error.ratio, at_most: [2%]}"), 5, "at_most: a list is not the ceiling, with its unit"),
    (objective("{metric: error.ratio, at_most: true}"), 5, "at_most: True is not the ceiling"),
    (LEAST + "regression: {baseline: yesterday}\n", 6, 'baseline: "yesterday" is not previous_release or same_hours_before'),
    # Metrics and bounds.
    (objective("{metric: latency.p98, at_most: 4s}"), 5, 'objectives[0].metric: no metric "latency.p98"; nearest: latency.p99'),
    (objective("{metric: weather, at_most: 4s}"), 5, "there are latency, ttft"),
    (objective("{metric: latency.p99, at_most: 4}"), 5, "at_most: 4 has no unit; write for instance 4s or 300ms"),
    (objective("{metric: latency.p99, at_most: $4}"), 5, 'at_most: "$4" is no time; write for instance 4s'),
    (objective("{metric: latency.p99, at_most: -4s}"), 5, '"-4s" is no time'),
    (objective("{metric: latency.p99, at_most: 0.0000000001s}"), 5, "is no whole number of nanoseconds"),
    (objective("{metric: error.ratio, at_most: 0.5}"), 5, "at_most: 0.5 is no share; write it in percent"),
    (objective("{metric: error.ratio, at_most: 120%}"), 5, '"120%" is more than all of them'),
    (objective("{metric: error.ratio, at_most: 100%}"), 5, "holds whatever happens"),
    (objective("{metric: acme.mean, at_least: 0}"), 5, "holds whatever happens"),
    (objective("{metric: acme.mean, at_least: 80}"), 5, "80 is above 1, the best score"),
    (objective("{metric: cost_per_call.mean, at_most: 0.04}"), 5, "0.04 is no amount of money"),
    (objective("{metric: cost_per_call.mean, at_most: 0.04 EUR}"), 5, "write it in US dollars"),
    (objective("{metric: cost_per_call.mean, at_most: $1/day}"), 5, "is money per time, which only cost.sum has"),
    (objective("{metric: cost.sum, at_most: $50}"), 5, "does not say per what; write for instance 50 USD/day"),
    (objective("{metric: cost.sum, at_most: $50/day, window: 1h}"), 5, "window: the window of cost.sum is what its bound is per"),
    (objective("{metric: tokens_per_second.p50, at_least: fast}"), 5, '"fast" is not tokens per second'),
    # Directions.
    (objective("{metric: latency.p99, at_least: 4s}"), 5, "at_least: of latency.p99 less is better, so its bound is a ceiling"),
    (objective("{metric: acme.mean, at_most: 0.8}"), 5, "at_most: of acme.mean more is better, so its bound is a floor"),
    (objective("{metric: error.ratio}"), 5, "it has no bound: add at_most or at_least"),
    (objective("{metric: error.ratio, at_most: 2%, at_least: 1%}"), 5, "at_most and at_least are both there"),
    # Windows.
    (objective("{metric: error.ratio, at_most: 2%, window: 30s}"), 5, "30s is out of range; a window is from 1m to 7d"),
    (objective("{metric: error.ratio, at_most: 2%, window: 8d}"), 5, "8d is out of range"),
    (objective("{metric: error.ratio, at_most: 2%, window: 90s}"), 5, "90s is no whole number of minutes"),
    (objective("{metric: error.ratio, at_most: 2%, window: soon}"), 5, '"soon" is no length of time'),
    # Contradictions.
    (
        LEAST + "  - {metric: error.ratio, at_most: 5%}\n",
        6,
        "objectives[1]: error.ratio.at_most.5m promises error.ratio at_most over 5m already",
    ),
    (
        objective("{metric: refusal.ratio, at_least: 3%}\n  - {metric: refusal.ratio, at_most: 2%, window: 1h}"),
        6,
        "objectives[1].at_most: no value is at most 2% and, as refusal.ratio.at_least.5m says, at least 3%",
    ),
    (
        objective("{metric: error.ratio, at_most: 2%, id: a}\n  - {metric: latency.p99, at_most: 4s, id: a}"),
        6,
        "two objectives are called a",
    ),
    (LEAST + "slices: [cohort, [cohort]]\n", 6, "slices[1]: this slice is there twice"),
    (objective("{metric: cost_per_trace.p95, at_most: $1}") + "select: {model: gpt-5}\n", 5, "select.model cannot choose them"),
    (LEAST + "select: {release: 2.4.0}\nregression: {}\n", 7, "none is before it"),
    # Regression.
    (LEAST + "regression: {limit: 2}\n", 6, "regression.limit: 2 is no limit; write 2% for two percent of the baseline"),
    (LEAST + "regression: {limit: 0%}\n", 6, "0% is out of range; a limit is above 0% and below 100%"),
    (LEAST + "regression: {limits: {latency.p99: 5%}}\n", 6, "regression.limits.latency.p99: latency.p99 is not compared"),
    (LEAST + "regression: {metrics: [latency.p99], limit: 1 point}\n", 6, "latency.p99 is no share, so its limit is relative"),
    (LEAST + "regression: {metrics: [cost.sum]}\n", 6, "regression.metrics[0]: cost.sum cannot become worse"),
    (LEAST + "regression: {metrics: [error.ratio, error.ratio]}\n", 6, "regression.metrics[1]: it is there twice"),
    (LEAST + "regression: {metrics: [error.rate]}\n", 6, 'regression.metrics[0]: no metric "error.rate"; nearest: error.ratio'),
    (LEAST + "regression: {confidence: 40%}\n", 6, "confidence: 40% is out of range; it is above 50% and below 100%"),
    (LEAST + "regression: {false_discovery_rate: 60%}\n", 6, "it is above 0% and below 50%"),
    (objective("{metric: cost.sum, at_most: $1/day}") + "regression: {}\n", 6, "no objective has a metric that can become worse"),
    # Error budgets.
    (LEAST + "error_budgets: [{target: 99%}]\n", 6, "error_budgets[0]: of is missing"),
    (LEAST + "error_budgets: [{of: error.ratio}]\n", 6, "error_budgets[0]: target is missing"),
    (LEAST + "error_budgets: [{of: error.ratio, target: 100%}]\n", 6, "without a bad call allowed there is no budget"),
    (LEAST + "error_budgets: [{of: error.ratio, target: 99.5}]\n", 6, "target: 99.5 is not the share that is to be good"),
    (
        LEAST + "error_budgets: [{of: error.rati, target: 99%}]\n",
        6,
        'no ratio, measure or objective "error.rati"; nearest: error.ratio',
    ),
    (LEAST + "error_budgets: [{of: latency, target: 99%}]\n", 6, "of latency bad is what lies above a bound"),
    (LEAST + "error_budgets: [{of: latency, below: 4s, target: 99%}]\n", 6, "write `above` with one"),
    (LEAST + "error_budgets: [{of: latency, above: 4, target: 99%}]\n", 6, "error_budgets[0].above: 4 has no unit"),
    (LEAST + "error_budgets: [{of: error.ratio, above: 1%, target: 99%}]\n", 6, "only a measure has a bound here"),
    (
        LEAST + "error_budgets: [{of: latency.p99, target: 99%}]\n",
        6,
        "latency.p99 is no share of calls; name the measure latency",
    ),
    (LEAST + "error_budgets: [{of: cost.sum, target: 99%}]\n", 6, "cost.sum is no share of calls; name a ratio"),
    (
        objective("{metric: latency.mean, at_most: 4s, id: m}") + "error_budgets: [{of: m}]\n",
        6,
        "is a mean, which no share of calls breaks",
    ),
    (
        LEAST + "error_budgets: [{of: error.ratio, target: 99%, period: 1h}]\n",
        6,
        "1h is out of range; a period is from 1d to 90d",
    ),
    (
        LEAST + "error_budgets: [{of: error.ratio, target: 99%, burn_rates: [{short: 1h, long: 5m, rate: 2}]}]\n",
        6,
        "error_budgets[0].burn_rates[0]: short is to be shorter than long",
    ),
    (
        LEAST + "error_budgets: [{of: error.ratio, target: 90%, burn_rates: [{short: 5m, long: 1h, rate: 14.4}]}]\n",
        6,
        "with a target of 90% all calls bad burn at 10: take less",
    ),
    (
        LEAST + "error_budgets: [{of: error.ratio, target: 99%}, {of: error.ratio, target: 98%}]\n",
        6,
        "two budgets are called error.ratio.30d",
    ),
]


@pytest.mark.parametrize(("text", "line", "says"), WRONG, ids=[says[:60] for _, _, says in WRONG])
def test_what_is_wrong_is_said_at_its_line(text: str | bytes, line: int, says: str) -> None:
    reading = read(text, "c.yaml", ("acme",))
    assert reading.contract is None
    [problem] = reading.problems
    assert says in str(problem)
    assert problem.line == line
    assert str(problem).startswith(f"c.yaml:{line} " if problem.path else f"c.yaml:{line}: " if line else "c.yaml: ")
    assert "\n" not in str(problem)
    assert len(str(problem)) < 900


def test_all_mistakes_are_told_at_once_in_the_order_of_the_file() -> None:
    text = """name: c
version: 1
routes: x
objectives:
  - metric: latency.p99
    at_most: 4
    window: 10s
  - metric: eror.ratio
    at_most: 2%
regression:
  limit: 5
error_budgets:
  - of: nothing
"""
    reading = read(text, "c.yaml")
    assert [problem.line for problem in reading.problems] == [6, 7, 8, 11, 13]


def test_of_very_many_mistakes_the_first_are_told() -> None:
    problems = read(LEAST + "".join(f"key{n}: 1\n" for n in range(90)), "c.yaml").problems
    assert [problem.line for problem in problems] == [*range(6, 56), 0]
    assert str(problems[-1]) == "c.yaml: and 40 more"


def test_an_evaluator_nobody_knows_is_noted_and_no_mistake() -> None:
    reading = read(objective("{metric: groundednes_lexical.mean, at_least: 0.8}"), "c.yaml", tuple(OURS))
    assert reading.contract is not None
    [note] = reading.notes
    assert "is groundedness_lexical meant?" in note.says


def test_default_burn_rates_that_cannot_be_reached_are_noted() -> None:
    reading = read(LEAST + "error_budgets: [{of: error.ratio, target: 90%}]\n", "c.yaml")
    assert reading.contract is not None
    assert [note.says for note in reading.notes] == [
        "a burn rate of 14.4 cannot be reached: all calls bad are 10 times the budget"
    ]


def test_plain_words_stay_words() -> None:
    """`no` is a route, a language is not false, and 5:30 is no number of base 60."""
    found = contract(LEAST.replace("routes: support", "routes: [no, 'on', 5:30, 1_000]"))
    assert found.routes == ("1_000", "5:30", "no", "on")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (LEAST, "# a comment\n" + LEAST.replace("routes: support", "routes: [support]")),
        (LEAST, LEAST + "slices: []\nenvironment: '*'\n"),
        (LEAST, objective("{at_most: '2%', metric: error.ratio, window: 300s, minimum: 30, severity: ticket}")),
        (LEAST + "owner: a\ndescription: x\n", LEAST + "description: y\nowner: a\n"),
        (LEAST + "slices: [[language, cohort]]\n", LEAST + "slices: [[cohort, language]]\n"),
        (LEAST + "slices: [cohort, language]\n", LEAST + "slices: [language, cohort]\n"),
        (
            objective("{metric: error.ratio, at_most: 2%}\n  - {metric: latency.p99, at_most: 4s}"),
            objective("{metric: latency.p99, at_most: 4s}\n  - {metric: error.ratio, at_most: 2%}"),
        ),
        (LEAST + "regression: {}\n", LEAST + "regression: {limit: 2%, metrics: [error.ratio], confidence: 95%}\n"),
    ],
)
def test_what_means_the_same_has_one_hash(one: str, other: str) -> None:
    assert contract(one).hash == contract(other).hash


MEANINGS = [
    LEAST,
    LEAST.replace("version: 1", "version: 2"),
    LEAST.replace("2%", "3%"),
    LEAST.replace("routes: support", "routes: search"),
    LEAST + "owner: me\n",
    LEAST + "environment: prod\n",
    LEAST + "slices: [cohort]\n",
    LEAST + "regression: {}\n",
    LEAST + "regression: {limit: 2 points}\n",
    LEAST + "select: {model: a}\n",
    LEAST + "select: {release: a}\n",
    LEAST + "error_budgets: [{of: error.ratio, target: 99%}]\n",
    objective("{metric: error.ratio, at_most: 2%, minimum: 31}"),
    objective("{metric: error.ratio, at_most: 2%, severity: info}"),
    objective("{metric: error.ratio, at_most: 2%, window: 6m}"),
]


def test_what_means_something_else_has_another_hash() -> None:
    hashes = [contract(text).hash for text in MEANINGS]
    assert len(set(hashes)) == len(hashes)


AMOUNTS = st.one_of(
    st.tuples(st.just(Unit.NS), st.integers(0, 10**15)),
    st.tuples(st.just(Unit.NUSD), st.integers(0, 10**15)),
    st.tuples(st.just(Unit.SHARE), st.integers(0, 10**6).map(lambda n: n / 10**6)),
    st.tuples(st.just(Unit.SCORE), st.integers(0, 10**6).map(lambda n: n / 10**6)),
    st.tuples(st.just(Unit.TOKENS_PER_SECOND), st.integers(0, 10**6).map(lambda n: n / 1000)),
)


@given(AMOUNTS)
def test_an_amount_that_is_shown_reads_as_itself(amount: tuple[Unit, float]) -> None:
    unit, value = amount
    assert bound(shown(value, unit), unit) == value


@given(st.integers(1, 10**17))
def test_a_length_of_time_that_is_shown_reads_as_itself(ns: int) -> None:
    assert duration_ns(shown_duration(ns)) == ns


@pytest.mark.parametrize(
    ("said", "unit", "base"),
    [
        ("4s", Unit.NS, 4e9),
        ("4.5 s", Unit.NS, 4.5e9),
        ("300ms", Unit.NS, 3e8),
        ("2m", Unit.NS, 1.2e11),
        ("$0.04", Unit.NUSD, 4e7),
        ("0.04 USD", Unit.NUSD, 4e7),
        ("2%", Unit.SHARE, 0.02),
        (".5%", Unit.SHARE, 0.005),
        (0.8, Unit.SCORE, 0.8),
        ("80%", Unit.SCORE, 0.8),
        (50, Unit.TOKENS_PER_SECOND, 50.0),
        ("50 tokens/s", Unit.TOKENS_PER_SECOND, 50.0),
    ],
)
def test_amounts(said: object, unit: Unit, base: float) -> None:
    assert bound(said, unit) == base


def test_whose_calls_it_is_about() -> None:
    found = shipped_contract("example")
    assert is_for(found, "prod", "support-chat", "gpt-5-mini", "2.4.0")
    assert is_for(found, "prod", "helpdesk", "claude-sonnet-4-5", "2.10")
    for other in ({"environment": "staging"}, {"route": "search"}, {"model": "gemini"}, {"release": "3.0.0"}):
        said = {"environment": "prod", "route": "support-chat", "model": "gpt-5-mini", "release": "2.4.0"} | other
        assert not is_for(found, **said)


def test_what_the_cardinality_limit_put_together_is_nobodys() -> None:
    everything = contract(LEAST.replace("routes: support", 'routes: "*"'))
    assert is_for(everything, "", "")
    assert not is_for(everything, "__other__", "__other__", "__other__", "__other__")


@given(st.text(max_size=300) | st.binary(max_size=300))
def test_whatever_the_text_it_is_read_or_said_why(text: str | bytes) -> None:
    reading = read(text)
    assert isinstance(reading, Reading)
    assert (reading.contract is None) == bool(reading.problems)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda below: st.lists(below, max_size=3) | st.dictionaries(st.text(max_size=6), below, max_size=3),
    max_leaves=8,
)


@given(st.sampled_from(sorted(document()["properties"])), VALUES)
def test_whatever_stands_at_a_key_it_is_read_or_said_why(key: str, value: object) -> None:
    said = yaml.safe_load(LEAST) | {key: value}
    reading = read(json.dumps(said))
    assert (reading.contract is None) == bool(reading.problems)


def test_the_largest_file_is_read() -> None:
    text = LEAST + "#" * (MAX_BYTES - len(LEAST))
    assert contract(text).hash == contract(LEAST).hash
