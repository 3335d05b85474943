"""The views of scores on a real ClickHouse: the same numbers as in Python, resent rows, revisions, roll-ups, ranges."""

import random
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest
from clickhouse_connect.driver.client import Client

from pipeline.connectors.clickhouse import connect, insert_blocks
from pipeline.model.columns import SERIES
from pipeline.model.score_columns import SCORE_SERIES
from pipeline.operators.estimates import added, fail_ratio, mean, steadied
from pipeline.settings import Settings
from tests.judged_population import NOTHING
from tests.laws.scores_world import measures
from tests.scores import score, score_pane, score_panes, skipped

QUALITY = ("quality_by_cohort", "quality_by_cohort_hourly", "quality_by_cohort_daily")
SUMS = ("score_sums", "score_sums_hourly", "score_sums_daily")
UNMERGED = tuple(f"rows_of_{view}" for view in SUMS)
CONTROL = {"evaluator": "groundedness_lexical"}

Rows = list[dict[str, Any]]


@pytest.fixture
def store(with_schema: Settings) -> Iterator[Client]:
    """A database with the schema applied."""
    with connect(with_schema) as client:
        yield client


@pytest.fixture
def put(store: Client) -> Callable[..., None]:
    """Insert panes of scores."""

    def insert(*rows: dict[str, Any]) -> None:
        assert insert_blocks(store, "score_panes", [score_panes(*rows)]) == {}

    return insert


def refresh(client: Client) -> None:
    """Redo the roll-ups, in the order they depend on one another."""
    for name in ("score_panes_hourly", "score_panes_daily"):
        client.command(f"SYSTEM REFRESH VIEW {name}_refresh")
        client.command(f"SYSTEM WAIT VIEW {name}_refresh")


def rows(client: Client, sql: str) -> Sequence[Sequence[Any]]:
    return client.query(sql).result_rows


def judged(rng: random.Random, n: int, begin: int = 0, **changes: Any) -> Rows:
    """Scores of a judge on some traces, and of the control on all of them, by shares of several sizes."""
    found = []
    for trace in range(begin, begin + n):
        x = rng.random() if rng.random() < 0.7 else 1.0
        y = min(1.0, max(0.0, x + rng.gauss(0, 0.1)))
        given = {"control": x, "control_probability": 0.2} | changes
        found.append(score(trace, value=x, passed=x > 0.4, inclusion_probability=0.2, **CONTROL, **given))
        if rng.random() < 0.4:
            share = rng.choice((0.05, 0.1, 0.3))
            found.append(score(trace, value=y, passed=y > 0.5, inclusion_probability=share, **given))
    return found


def by_series(scores: Rows, minute: int, **changes: Any) -> Rows:
    """A pane for each series of the scores."""
    keys = {tuple(row[name] for name in SCORE_SERIES) for row in scores}
    parted = [[row for row in scores if tuple(row[name] for name in SCORE_SERIES) == key] for key in sorted(keys)]
    return [score_pane(part, minute, **changes) for part in parted]


def close(found: dict[str, Any], panes: Rows, controls: Rows, others: Rows) -> None:
    """Whether a row of a view says what Python says of the same sums."""
    sums, control, rest = (added([NOTHING, *(measures(p) for p in some)]) for some in (panes, controls, others))
    value, fails, steady = mean(sums), fail_ratio(sums), steadied(sums, control, rest)
    expected = {
        **{f"value_{name}": getattr(value, name, None) for name in ("mean", "low", "high")},
        **{name: getattr(fails, of, None) for name, of in (("fail_ratio", "mean"), ("fail_low", "low"), ("fail_high", "high"))},
        **{f"steadied_{name}": getattr(steady, name, None) for name in ("mean", "low", "high")},
        "variance_ratio": getattr(steady, "variance_ratio", None),
        "effective_n": getattr(value, "effective", None),
        "fail_effective_n": getattr(fails, "effective", None),
    }
    told = {name: value for name, value in expected.items() if value is not None}
    assert {name for name in expected if found[name] is not None} == set(told)
    assert {name: found[name] for name in told} == pytest.approx(told, rel=1e-9, abs=1e-9)


def same(pane: dict[str, Any], row: dict[str, Any]) -> bool:
    """Whether they are of one series of traces."""
    return all(pane[name] == row[name] for name in SERIES)


def test_sql_and_python_say_the_same(store: Client, put: Callable[..., None]) -> None:
    """Windows with many, few, equal and no scores, in two partitions, of two cohorts; the control of the same window."""
    rng = random.Random(1)
    windows = [
        judged(rng, 200) + judged(rng, 60, 500, cohort="pro"),
        judged(rng, 3000),
        judged(rng, 3) + judged(rng, 90, 100, cohort="pro"),
        judged(rng, 60, control=0.5),
        [score(n, value=1.0, control=None) for n in range(4)],
        [score(1, value=0.0, passed=False)],
        [skipped(n) for n in range(3)],
        [score(n, passed=None, inclusion_probability=0.5 + n / 100) for n in range(30)],
        [score(n, value=0.3, inclusion_probability=1e-6, **CONTROL) for n in range(30)],
    ]
    panes = [pane for minute, scores in enumerate(windows) for pane in by_series(scores, minute)]
    more = by_series(judged(rng, 80, 1000), 0, source="tailrace.scores.v1:1:test")
    put(*panes, *more)
    told = 0
    for row in store.query("SELECT * FROM quality_by_cohort").named_results():
        start = int(row["window_start"].timestamp()) * 10**9
        here = [pane for pane in (*panes, *more) if pane["window_start_ns"] == start]
        evaluator = [pane for pane in here if pane["evaluator"] == row["evaluator"]]
        mine, rest = [pane for pane in evaluator if same(pane, row)], [pane for pane in evaluator if not same(pane, row)]
        close(row, mine, [pane for pane in here if pane["evaluator"] == "groundedness_lexical" and same(pane, row)], rest)
        told += row["variance_ratio"] is not None
        assert row["scores"] == sum(pane["scores"] for pane in mine)
    assert told >= 4


def test_a_filter_does_not_take_the_control_away(store: Client, put: Callable[..., None]) -> None:
    put(*by_series(judged(random.Random(2), 3000), 0))
    whole = rows(store, "SELECT evaluator, steadied_mean FROM quality_by_cohort ORDER BY evaluator")
    alone = rows(store, "SELECT evaluator, steadied_mean FROM quality_by_cohort WHERE evaluator = 'judge'")
    assert [row for row in whole if row[0] == "judge"] == alone
    assert alone[0][1] is not None


def test_a_range_adds_sums_and_not_means(store: Client, put: Callable[..., None]) -> None:
    """Over windows, models and languages; by route, release and cohort."""
    rng = random.Random(3)
    panes = [
        pane
        for minute in range(4)
        for model in ("m1", "m2")
        for pane in by_series(judged(rng, 20 * (minute + 1), 1000 * minute, model=model, cohort="pro"), minute)
    ]
    free = by_series(judged(rng, 150, cohort="free"), 1)
    put(*panes, *free)
    refresh(store)
    for suffix in ("", "_hourly", "_daily"):
        sql = f"SELECT * FROM quality_between{suffix}(since = '2023-11-15 00:00:00', until = '2023-11-16 00:00:00')"
        found = [row for row in store.query(sql).named_results() if row["cohort"] == "pro"]
        assert len(found) == 2
        for row in found:
            mine = [pane for pane in panes if pane["evaluator"] == row["evaluator"]]
            rest = [pane for pane in free if pane["evaluator"] == row["evaluator"]]
            close(row, mine, [pane for pane in panes if pane["evaluator"] == "groundedness_lexical"], rest)
    late = "SELECT sum(scores) FROM quality_between(since = '2023-11-15 12:03:00', until = '2023-11-15 12:04:00')"
    assert rows(store, late) == [(sum(pane["scores"] for pane in panes[-4:]),)]


def test_revisions_replace_and_are_not_added_up(store: Client, put: Callable[..., None]) -> None:
    for revision, n in ((1, 10), (2, 20), (3, 30)):
        put(score_pane([score(i) for i in range(n)], revision=revision, firing="final" if n == 30 else "early"))
        refresh(store)
        opened = n if n < 30 else 0
        for view in SUMS:
            assert rows(store, f"SELECT scores, open_scores, weight FROM {view}") == [(n, opened, n * 10_000)], view
        for view in UNMERGED:
            asked = f"SELECT sum(scores), sum(open_scores), sum(weight) FROM {view}"
            assert rows(store, asked) == [(n, opened, n * 10_000)], view
    put(score_pane([score(i) for i in range(5)], revision=2))
    refresh(store)
    for view in QUALITY:
        assert rows(store, f"SELECT ok FROM {view}") == [(30,)], view


def test_an_hour_keeps_what_has_expired(store: Client, put: Callable[..., None]) -> None:
    """Half an hour's panes expire before the other half comes, resent ones among it; the last is not final yet."""
    put(*[score_pane([score(n)], n) for n in range(30)])
    refresh(store)
    store.command("ALTER TABLE score_panes DELETE WHERE 1 SETTINGS mutations_sync = 1")
    again = [score_pane([score(n)], n) for n in range(27, 30)]
    put(*again, *[score_pane([score(n), score(100 + n)], n, firing="early" if n == 59 else "final") for n in range(30, 60)])
    refresh(store)
    for view in SUMS[1:]:
        assert rows(store, f"SELECT scores, open_scores, ok FROM {view}") == [(90, 2, 90)], view
    for view in UNMERGED[1:]:
        assert rows(store, f"SELECT sum(scores), sum(open_scores), sum(ok) FROM {view}") == [(90, 2, 90)], view
    put(score_pane([score(59), score(159), score(259)], 59, revision=2))
    refresh(store)
    for view in SUMS[1:]:
        assert rows(store, f"SELECT scores, open_scores FROM {view}") == [(91, 0)], view


def test_the_fail_ratio_is_there_where_something_was_checked(store: Client, put: Callable[..., None]) -> None:
    put(
        score_pane([score(n, passed=n > 2) for n in range(10)]),
        score_pane([score(n, passed=None, scorer="people") for n in range(3)]),
    )
    refresh(store)
    for view in ("eval_fail_ratio", "eval_fail_ratio_hourly", "eval_fail_ratio_daily"):
        (row,) = store.query(f"SELECT * FROM {view}").named_results()
        assert (row["checked"], row["fails"], row["fail_ratio"], row["effective_n"], row["scorer"]) == (
            10,
            3,
            0.3,
            10,
            "evaluate",
        )
        assert 0.05 < row["fail_low"] < 0.3 < row["fail_high"] < 0.7


def test_sums_of_hours_do_not_wrap(store: Client, put: Callable[..., None]) -> None:
    put(
        *[score_pane([score(n, value=1.0, inclusion_probability=1e-6)] * 1000, n, value_weight_sq=str(10**36)) for n in range(60)]
    )
    refresh(store)
    for view in (*SUMS, *UNMERGED):
        assert rows(store, f"SELECT sum(value_weight_sq) FROM {view}") == [(60 * 10**36,)], view
