"""What single panels must say of the rows of `tests/board_rows.py`."""

import ast
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from grafana.alerts import BOARD
from grafana.budgets import rung
from grafana.promised import counted
from grafana.sql import MOST_LINES, OTHERS
from pipeline.operators.alerts.drilldown import literal
from pipeline.operators.boards.macros import ALL, TimeRange
from pipeline.operators.ladder import EDGES, bin_at_or_above
from tests.board_rows import DOLLAR, FAR, MS, NOON
from tests.contracts.boards import A_DAY, A_LONG_TIME, TWO_MINUTES, VIEWS, Asked


def test_a_point_that_began_before_the_range_stands_at_its_start(asked: Asked) -> None:
    """Left of the chart nobody would see it."""
    panel = "quality/Mean by evaluator and version"
    times = {row["time"] for row in asked.panel(panel, TimeRange(NOON + 60, NOON + 119, 300))}
    assert len(times) == 1
    assert times.pop().endswith("12:01:00")


@pytest.mark.parametrize(
    ("start", "end", "middle"), [(60, 180, "12:02:00"), (-7200, 7200, "12:00:00"), (-50_000, 50_000, "12:00:00")]
)
def test_the_bar_of_a_day_stands_in_the_middle_of_what_the_range_holds_of_it(
    asked: Asked, start: int, end: int, middle: str
) -> None:
    times = {row["time"] for row in asked.panel("cost/Cost of each day", TimeRange(NOON + start, NOON + end, 86_400))}
    assert len(times) == 1
    assert times.pop().endswith(middle)


# The performance board.


@pytest.mark.parametrize("view", VIEWS)
def test_revisions_replace_and_partitions_add_up(asked: Asked, view: str) -> None:
    assert asked.panel("performance/Requests", A_DAY, view=view) == [{"Requests": 310, "Rate": 310 / 86_400}]
    assert asked.panel("performance/Errors", A_DAY, view=view) == [{"Errors": 14 / 310}]


@pytest.mark.parametrize("board", ["performance", "latency"])
def test_quantiles_are_those_of_the_merged_values(asked: Asked, board: str) -> None:
    (found,) = asked.panel(f"{board}/Latency", release=("r1",))[:1]
    assert found["p50"] == pytest.approx(1000 * MS, rel=0.01)
    assert found["p99"] == pytest.approx(1985 * MS, rel=0.01)


def test_unknown_and_quoted_values_can_be_chosen(asked: Asked) -> None:
    assert asked.panel("performance/Requests", cohort=("(unknown)",))[0]["Requests"] == 10
    assert asked.panel("performance/Requests", route=("it's search",))[0]["Requests"] == 10
    assert asked.panel("performance/Requests", route=("'); SELECT 1 --",))[0]["Requests"] == 0


def test_rates_are_per_second_of_the_point(asked: Asked) -> None:
    first = asked.panel("performance/Tokens per second")[0]
    assert (first["input"], first["output"]) == (2400 / 60, 1200 / 60)
    hour = asked.panel("performance/Tokens per second", A_DAY)[0]
    assert hour["input"] == 3600 / 3600
    cost = {(row["time"], row["Route"]): row["cost"] for row in asked.panel("performance/Cost per hour by route")}
    assert next(iter(cost.values())) == pytest.approx(0.4 * 60)


def test_rates_of_hourly_windows_in_finer_points(asked: Asked) -> None:
    fine = TimeRange(A_DAY.start, A_DAY.end, 60)
    assert asked.panel("performance/Tokens per second", fine, view="performance_hourly")[0]["input"] == 3600 / 3600


def test_money_and_data_quality(asked: Asked) -> None:
    assert asked.panel("performance/Cost")[0]["Cost"] == pytest.approx(0.7)
    assert asked.panel("performance/Cost per request")[0]["Per request"] == pytest.approx(0.7 / 300)
    assert asked.panel("performance/Data quality") == [{"Unknown usage": 4 / 310, "Unpriced": 10 / 310, "Open": 10 / 310}]


@pytest.mark.parametrize("board", ["performance", "cost"])
def test_traces_cost_what_their_panes_say(asked: Asked, board: str) -> None:
    chat: dict[str, Any] = {"route": ("chat",), "release": ("r1",), "model": ("no such model",)}  # a trace is not of a model
    assert asked.panel(f"{board}/Cost per trace", **chat) == [{"Mean": 1.8, "p50": 1.0, "p95": 3.0}]
    assert asked.panel(f"{board}/Cost per trace", route=("it's search",)) == [{"Mean": 5.0, "p50": None, "p95": None}]


def test_traces_are_what_their_panes_say(asked: Asked) -> None:
    chat: dict[str, Any] = {"route": ("chat",), "release": ("r1",), "model": ("no such model",)}
    assert asked.panel("performance/Traces", **chat) == [{"Traces": 100, "With calls": 100}]
    assert asked.panel("performance/Calls per trace", **chat)[0]["Mean"] == 1.6
    assert asked.panel("performance/Trace quality", **chat) == [{"Unknown cost": 0.25, "Incomplete": 0.1}]
    assert asked.panel("performance/Trace latency", release=("r1",))[0]["p95"] == pytest.approx(55 * MS, rel=0.03)
    for title, value in (("Median cost per trace by route", 5.0), ("p95 cost per trace by route", 5.0)):
        assert {row["Route"]: row["cost"] for row in asked.panel(f"performance/{title}")}["it's search"] == value


def test_slices_leave_out_what_a_small_sample_cannot_say(asked: Asked) -> None:
    slowest, _, smallest = asked.panel("performance/Route × model × release × cohort")
    assert [slowest[key] for key in ("Route", "Model", "Release", "Cohort", "n")] == ["chat", "m1", "r1", "free", 200]
    assert slowest["Errors"] == 4 / 200
    assert slowest["Cost per request"] == pytest.approx(0.002)
    assert slowest["TTFT p95"] == pytest.approx(190.5 * MS, rel=0.01)
    assert (smallest["n"], smallest["Cohort"]) == (10, "(unknown)")
    assert smallest["p50"] == 5 * MS
    assert [smallest[key] for key in ("p95", "p99", "TTFT p95", "Cost per request")] == [None] * 4


def test_variables_offer_what_was_served(asked: Asked) -> None:
    assert asked.options("releases", "route") == ["chat", "it's search"]
    assert asked.options("releases", "cohort") == ["(unknown)", "free"]
    assert asked.options("releases", "model", environment=("elsewhere",)) == []
    assert asked.options("releases", "baseline") == ["r1", "r2"]
    assert asked.options("releases", "candidate") == ["r2", "r1"]


# The others.


def test_spending_is_extrapolated_from_the_range(asked: Asked) -> None:
    (found,) = asked.panel("cost/At this rate")
    assert found["per day"] == pytest.approx(0.7 / 119 * 86_400)
    assert found["per month"] == pytest.approx(found["per day"] * 30.436875)
    shares = [row["Share"] for row in asked.panel("cost/Calls by route × model × cohort")]
    assert sum(shares) == pytest.approx(1)


def test_heat_maps_count_every_call_once(asked: Asked) -> None:
    found = asked.panel("latency/Calls by latency")
    counts = [sum(value for key, value in row.items() if key != "time") for row in found]
    assert counts == [200, 110]
    assert (found[1]["50000000"], found[1]["1000000000"]) == (10 + 2, 25)  # 20 ms to 2 s in steps of 20 ms, and ten of 5 ms


def test_behaviour_is_of_what_could_be_told(asked: Asked) -> None:
    assert asked.panel("behaviour/Refusals") == [{"Refusals": 0.1, "Looked at": 200}]
    rows = {(row["Model"], row["Release"]): row for row in asked.panel("behaviour/Route × model × release")}
    assert (rows["m1", "r1"]["Citations"], rows["m1", "r2"]["Schema kept"], rows["m2", "r2"]["Refusals"]) == (0.8, 0.75, None)
    assert rows["m1", "r2"]["Δ Refusals"] == pytest.approx(0.05)


def test_means_and_intervals_are_those_of_the_view(asked: Asked) -> None:
    chosen: dict[str, Any] = {"release": ("r1",), "cohort": ("free",)}
    (found,) = asked.panel("quality/Worst cohorts", TimeRange(TWO_MINUTES.start, TWO_MINUTES.start + 59), **chosen)
    sql = "SELECT * FROM quality_by_cohort WHERE release = 'r1' AND cohort = 'free' AND $__timeFilter(window_start)"
    (view,) = asked.rows("quality", sql, TWO_MINUTES)
    pairs = {
        "n": "ok",
        "Mean": "value_mean",
        "Low": "value_low",
        "High": "value_high",
        "n checked": "checked",
        "Fails": "fail_ratio",
    }
    pairs |= {"Fails low": "fail_low", "Fails high": "fail_high"}
    assert {name: found[name] for name in pairs} == pytest.approx({name: view[column] for name, column in pairs.items()})
    assert (found["n"], found["Mean"]) == (100, pytest.approx(0.74))


def test_worst_cohorts_come_first_and_versions_stay_apart(asked: Asked) -> None:
    rows = asked.panel("quality/Worst cohorts", A_DAY, evaluator=("judge",))
    assert [(row["Cohort"], row["Version"], row["n"]) for row in rows] == [
        ("free", "1", 200),
        ("free", "2", 50),
        ("pro", "1", 100),
    ]
    assert rows[0]["Δ mean"] == pytest.approx(0.66 - (0.66 * 200 + 0.86 * 100) / 300)
    versions = asked.panel("quality/Versions of evaluators", A_DAY, evaluator=("judge",))
    assert [(row["Version"], row["n"]) for row in versions] == [("1", 300), ("2", 50)]
    assert asked.panel("quality/Without a value")[0]["over budget"] == pytest.approx(3 / 309)


def test_releases_are_compared_where_both_served(asked: Asked) -> None:
    (found,) = asked.panel("releases/Candidate against baseline", release=("r1",))
    assert [found[key] for key in ("Route", "Cohort", "n baseline", "n candidate")] == ["chat", "free", 200, 100]
    assert found["Δ errors"] == pytest.approx(0.10 - 0.02)
    assert found["Δ cost"] == pytest.approx(0.5)
    assert found["Δ p99"] == pytest.approx(0, abs=0.01)


def test_releases_are_compared_on_the_other_axes(asked: Asked) -> None:
    (traces,) = asked.panel("releases/Whole traces")
    assert (traces["cost baseline"], traces["cost candidate"]) == (1.8, 2.0)
    assert (traces["Δ cost"], traces["Δ failed"]) == pytest.approx((2 / 1.8 - 1, 0.1))
    (shows,) = asked.panel("releases/What answers show")
    assert (shows["refusals baseline"], shows["Δ refusals"]) == pytest.approx((0.05, 0.10))
    (scores,) = asked.panel("releases/Scores")
    assert (scores["Cohort"], scores["Δ mean"], scores["n candidate"]) == ("free", pytest.approx(0.58 - 0.74), 100)
    evidence, _ = asked.panel("releases/Evidence", A_DAY)
    assert "error.ratio is 3.12%, before 2%; allowed is at most 2.04%" in evidence["Says"]
    assert (evidence["Slice"], evidence["Owner"]) == ("cohort de", "team-support")


def test_evidence_of_comparisons_is_what_watch_told_of_these_two(asked: Asked) -> None:
    now, before, never = asked.panel("releases/What contracts compare", A_DAY)
    told = ("State", "Route", "Metric", "Allowed", "Firing", "Strongest", "Odds", "Needed")
    assert [now[name] for name in told] == ["worse", "chat", "error.ratio", "2 %", 1, "cohort de", "8103 : 1", "2981 : 1"]
    assert (before["State"], before["Metric"], before["Firing"]) == ("was worse", "latency.p99", 0)
    assert (before["Allowed"], before["Odds"]) == ("10 %", "> 1,000,000 : 1")
    assert (never["State"], never["Metric"], never["Allowed"]) == ("no alarm", "judge.mean", "5 points")
    assert (never["Odds"], never["n candidate"], never["Told"]) == (None, None, None)
    others = asked.panel("releases/What contracts compare", A_DAY, baseline="r2", candidate="r1")
    assert {row["State"] for row in others} == {"no alarm"}
    assert asked.panel("releases/What contracts compare", A_DAY, baseline="r0") == []


def test_traces_are_listed_worst_first_with_a_link(asked: Asked) -> None:
    slowest, second = asked.panel("traces/Slowest")[:2]
    assert (slowest["Latency"], second["Latency"]) == (90_000 * MS, 6_000 * MS)
    assert slowest["Spans"] == f"/d/tailrace-traces?var-trace={100:032x}&from={NOON * 1000}&to={(NOON + 119) * 1000}"
    own = asked.panel("traces/Failed", trace_url="https://viewer.example/?t={trace_id}&a='b")
    assert [row["Spans"] for row in own] == [f"https://viewer.example/?t={100:032x}&a='b"]
    assert asked.panel("traces/Dearest trace") == [{"Dearest": 3.0}]


def test_the_link_of_a_trace_shows_its_spans(asked: Asked) -> None:
    slowest = asked.panel("traces/Slowest")[0]
    address = parse_qs(urlsplit(slowest["Spans"]).query)
    root, call, again = asked.panel("traces/Spans of one trace", trace=address["var-trace"][0])
    assert (root["After"], call["After"], again["After"]) == (0, 100 * MS, 200 * MS)
    assert (call["Parent"], call["Cost"], call["Counted"]) == (root["Span"], 4500 / 1e9, "")
    assert (again["Status"], again["Error"], again["Counted"]) == ("error", "Timeout", f"told by {call['Span']}")
    assert [row["Span"] for row in asked.panel("traces/Spans of one trace", trace=f"{5:032x}")] == [f"{4:016x}"]
    assert asked.panel("traces/Spans of one trace", trace="no such trace") == []
    assert asked.panel("traces/Spans of one trace") == [root, call, again]  # without one, of the slowest


def test_operations_add_up(asked: Asked) -> None:
    assert asked.panel("operations/Messages to read") == [
        {"decode": 100, "aggregate": 5, "evaluate": 1, "scores": 2, "watch": 3, "sink": 50}
    ]
    assert asked.panel("operations/Not counted") == [{"Duplicate": 0.05, "Too late": 21 / 980, "Ahead of clock": 10 / 980}]
    assert asked.panel("operations/Lost to retention") == [{"Lost": 4}]
    assert asked.panel("operations/Freshness") == [{"Freshness": 40e9}]
    letters = asked.panel("operations/Dead letters")
    assert [(row["Reason"], row["Spans"]) for row in letters] == [("malformed_json", 15), ("bad_trace_id", 5)]
    values = {row["Component"]: row for row in asked.panel("operations/Values of each component")}
    assert (values["release"]["Values"], values["language"]["Unknown"]) == (2, 1)
    money = asked.panel("operations/Judges' money of the day")
    assert [row["value"] for row in money] == [pytest.approx(2 * DOLLAR / 1e9)]


def test_promises_stand_as_their_windows_and_alerts_say(asked: Asked) -> None:
    found = {(row["Route"], row["Objective"]): row for row in asked.panel("contract/Objectives one by one", A_DAY)}
    slow, errors = found["chat", "slow"], found["chat", "error.ratio.at_most.5m"]
    assert (slow["Status"], slow["Target"], slow["n"]) == ("broken", "≤ 1.67 min", 300)  # 100 s
    assert slow["Estimate"] == "1.985 s" or slow["Estimate"].startswith("1.9")
    assert (errors["Status"], errors["Estimate"], errors["Target"]) == ("crossed", "4.667 %", "≤ 2 %")
    assert found["chat", "newest"]["n"] == 100  # one of the minutes that the five of `slow` are the sum of
    assert found["it's search", "slow"]["Status"] == "no data"
    cost = found["chat", "cost_per_trace.p95.at_most.15m"]
    assert (cost["Status"], cost["n"], cost["Estimate"]) == ("kept", 150, "3 USD")
    dear = found["chat", "cost_per_call.p95.at_most.5m"]
    assert (dear["Status"], dear["n"], dear["Estimate"]) == ("kept", 300, "0.00301 USD")
    score = found["chat", "judge.mean.at_least.1h"]
    assert (score["n"], score["Versions"]) == (350, "1, 2")  # which watch judges together
    pace = found["chat", "pace"]
    assert (pace["Status"], pace["n"], pace["Estimate"], pace["Versions"]) == ("kept", 300, "50 tokens/s", "")
    budgets = {row["Budget"]: row for row in asked.panel("contract/Error budgets", A_DAY) if row["Route"] == "chat"}
    edge = EDGES[bin_at_or_above(1500 * MS)]
    slow = sum(ms * MS > edge for ms in [*range(10, 2001, 10), *range(20, 2001, 20)])
    for name, n, bad, allowed in (
        ("error.ratio.30d", 300, 14, 0.1),
        ("late", 300, slow, 0.5),
        ("dear", 150, 40, 0.2),
        ("pricey", 300, 100, 0.5),
        ("pace", 300, 300, 0.5),
        ("judge.fail.30d", 350, 65, 0.3),
    ):
        one = budgets[name]
        assert (one["n"], one["Bad"], one["Left"]) == pytest.approx((n, bad / n, 1 - bad / n / allowed)), name
    firing = asked.panel("contract/Broken now", A_DAY)
    assert [row["Severity"] for row in firing] == ["page", "page", "ticket"]
    assert [*firing[0]] == ["State", "Severity", "Says", "Since", "Owner", "Slice", "Rule", "Board"]


@pytest.mark.parametrize(
    ("name", "shown"), [("", "(unknown)"), ("a,b", "a%2Cb"), ("100%", "100%25"), ("it's $x & y=z", "it's %24x & y=z")]
)
@pytest.mark.parametrize(
    ("kind", "metric", "board", "more"),
    [
        ("objective", "latency.p99", "performance", {}),
        ("regression", "cost_per_trace.mean", "performance", {}),
        ("objective", "judge.mean", "quality", {"var-evaluator": "judge"}),
    ],
)
def test_an_alert_leads_to_the_board_with_its_slice(
    asked: Asked, kind: str, metric: str, board: str, more: dict[str, str], name: str, shown: str
) -> None:
    """As the board's own variables offer these names, from an hour before it began."""
    text = literal(name).replace("$", "\\x24")
    alert = (
        f"SELECT '{kind}' AS kind, '{metric}' AS metric, 'prod' AS environment, {text} AS route, "
        f"map('cohort', {text}, 'no component', 'y') AS slice, toInt64({NOON} * 1000000000) AS first_seen_ns"
    )
    (row,) = asked.rows("contract", f"SELECT {BOARD} AS Board FROM ({alert})", A_DAY)
    found = urlsplit(row["Board"])
    assert found.path == f"/d/tailrace-{board}"
    said = {key: value for key, (value,) in parse_qs(found.query).items()}
    since = {"from": str(1000 * (NOON - 3600)), "to": str(1000 * A_DAY.end)}
    assert said == since | {"var-environment": "prod", "var-route": shown, "var-cohort": shown} | more


def test_what_promises_ask_of_the_store_is_told_in_numbers(asked: Asked) -> None:
    """Of each table the newest window, which digests are needed, and the windows: what nobody promises is not read."""
    (told,) = asked.options("contract", "promised", A_DAY)
    newest, digests, windows = ast.literal_eval(told)
    assert newest == [NOON + 60, NOON + 60, NOON + 120, NOON, NOON, NOON]
    assert digests == [[1, 0, 1, 1], [1, 0], [], [0, 0, 0, 0], [0, 0], []]
    assert windows == [[-300, -60, 0], [-900, 0], [-3600, 0], [-86400, 0], [0], [0]]
    assert counted().sql.count("if(asked.digests[1][3], arraySum(tps_bin_counts), 0)") == 1, "what speeds are told by"


@pytest.mark.parametrize("route", ["chat", ALL])
def test_an_estimate_ends_with_the_newest_window_of_all_routes(asked: Asked, route: str) -> None:
    for minutes, n in ((2, 100), (20, 100), (FAR + 2, 0)):  # others began again so much later
        over = TimeRange(NOON, NOON + 60 * minutes - 1)
        found = asked.panel("contract/Objectives one by one", over, route=route)
        assert [row["n"] for row in found if (row["Route"], row["Objective"]) == ("chat", "newest")] == [n], minutes


def test_a_budget_takes_the_bin_that_watch_takes(asked: Asked) -> None:
    """The store finds a bound's place on the ladder by a formula, watch in the ladder itself."""
    values = [1, 99, 100, 101, 102, *(edge + by for edge in EDGES[::7].tolist() for by in (-1, 0, 1)), 1_500_000_001]
    values = [value for value in values if value < 10**12]  # beyond, a logarithm does not tell neighbours apart
    sql = f"SELECT {rung('value', 1)} AS rung FROM (SELECT arrayJoin({values}) AS value)"
    assert [row["rung"] for row in asked.rows("contract", sql, A_DAY)] == [bin_at_or_above(value) for value in values]


def test_a_stack_is_as_high_as_the_whole_however_many_routes_there_are(asked: Asked) -> None:
    days = asked.panel("cost/Cost of each day", A_LONG_TIME, view="performance_daily")
    (spent,) = asked.panel("cost/Spent", A_LONG_TIME, view="performance_daily")
    routes = {row["Route"] for row in days}
    assert len(routes) == MOST_LINES + 1
    assert OTHERS in routes
    assert sum(row["cost"] for row in days) == pytest.approx(spent["Spent"])


def test_money_is_told_apart_by_kind_of_token_and_adds_up(asked: Asked) -> None:
    points = asked.panel("cost/Cost per hour by kind of token", A_DAY)
    whole = sum(row["cost"] for row in asked.panel("cost/Cost per hour by route", A_DAY))
    kinds = {name: sum(row[name] for row in points) for name in points[0] if name != "time"}
    assert kinds["input"] == pytest.approx(whole / 2)
    assert (kinds["output"], kinds["other"]) == pytest.approx((whole / 4, whole / 4))
    assert (kinds["cached input"], kinds["reasoning"]) == (0, 0)
