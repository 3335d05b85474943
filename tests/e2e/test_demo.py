"""`tailrace demo` on an empty directory with the engines already fetched: it ends by itself and leaves only data.

Of that data a panel, `tailrace query` and what the generator says it sent tell the same.
"""

import json
import re
import time
from pathlib import Path

import pytest

from pipeline.app.demo import QUERIES
from pipeline.operators.boards.macros import TimeRange
from pipeline.operators.traffic import ROUTES
from pipeline.settings import Settings
from tests.contracts.boards import Asked
from tests.e2e.command import finished, started
from tests.e2e.folder import linked_to_cache, processes_of

pytestmark = [pytest.mark.engines, pytest.mark.timeout(240)]

FEWEST_CALLS = 800
"""Half of what eight seconds should send."""


@pytest.fixture
def local_dir(tmp_path: Path) -> Path:
    return linked_to_cache(tmp_path)


def test_demo(local_dir: Path) -> None:
    demo = started("demo", "--seconds", "8", env={"TAILRACE_LOCAL_DIR": str(local_dir)})
    deadline = time.monotonic() + 60
    while not processes_of(local_dir) - {demo.pid} and demo.poll() is None and time.monotonic() < deadline:
        time.sleep(0.1)
    children = processes_of(local_dir) - {demo.pid}
    code, out, err = finished(demo, 200)
    assert code == 0, err
    assert children, "the engines are processes that this test would see"
    assert processes_of(local_dir) == set()

    told = re.search(r"^([\d,]+) calls sent, ([\d,]+) counted\.", out, re.MULTILINE)
    assert told, out
    assert told[1] == told[2]
    assert int(told[1].replace(",", "")) >= FEWEST_CALLS
    assert "dead letters: 0; too late: 0" in out
    assert out.startswith("performance by route, model and cohort")
    calls, _, rest = out.partition("dollars per trace, by route")
    traces, _, rest = rest.partition("quality by route and cohort")
    quality, promises, _ = rest.partition("promise")
    assert promises, out
    judged = re.search(r"([\d,]+) of ([\d,]+) sampled traces are judged", quality)
    assert judged, out
    assert judged[1] == judged[2] != "0"
    scored = [[cell.strip() for cell in line.split("│")[1:-1]] for line in quality.splitlines() if line.startswith("│")]
    assert {(route, evaluator) for route, evaluator, *_ in scored} == {
        *(("reports", name) for name in ("JSONValidation", "Refusal")),
        *(("search", name) for name in ("CitationPresence", "Refusal", "groundedness_lexical")),
    }
    for _, _, _, n, mean, *_ in scored:
        value, low, high = (float(found) for found in re.findall(r"\d\.\d+", mean))
        assert int(n.replace(",", "")) >= 1
        assert low <= value <= high
    rows = [[cell.strip() for cell in line.split("│")[1:4]] for line in calls.splitlines() if line.startswith("│")]
    assert {route for route, _, _ in rows} == {route.name for route in ROUTES}
    over = re.search(r"([\d,]+) of ([\d,]+) traces are over", traces)
    assert over, out
    assert over[1] == over[2]
    cells = [[cell.strip() for cell in line.split("│")[1:-1]] for line in traces.splitlines() if line.startswith("│")]
    costs = {route: [float(cell.lstrip("$")) for cell in (per_trace, *usd)] for route, _, per_trace, *usd, _, _, _ in cells}
    assert set(costs) == {route.name for route in ROUTES}
    for per_trace, mean, p50, p95 in costs.values():
        assert per_trace >= 1
        assert 0 < p50 <= p95
        assert 0 < mean <= p95
    assert costs["agent"][0] > 2, "an agent asks more than once"
    assert [line for line in out.splitlines() if "tailrace query" in line] == [
        f'  tailrace query "{sql}"' for sql in QUERIES.values()
    ]
    agree(local_dir, int(told[1].replace(",", "")), int(over[2].replace(",", "")))


CALLS = "kind IN ('llm', 'embedding', 'reranker')"


def agree(local_dir: Path, sent: int, traces: int) -> None:
    """Five panels. sent, traces: by the generator, calls and whole traces."""
    now, own = int(time.time()), {"TAILRACE_LOCAL_DIR": str(local_dir)}
    range_of_all = TimeRange(now - 3600, now + 3600, 3600)

    def queried(what: str, source: str) -> float:
        """One number, as `tailrace query` tells it."""
        code, out, err = finished(started("query", f"SELECT {what} AS found FROM {source}", "--json", env=own))
        assert code == 0, err
        return float(json.loads(out)["found"])

    assert finished(started("local", "up", env=own), 100)[0] == 0
    try:
        asked = Asked(Settings.load(local_dir))

        def panel(path: str, name: str) -> float:
            return float(asked.panel(path, range_of_all)[0][name])

        assert panel("performance/Requests", "Requests") == queried("sum(requests)", "performance") == sent
        assert panel("traces/Traces that are over", "Traces") == queried("count()", "traces FINAL") == traces
        spent = queried("sum(cost_nusd) / 1e9", f"spans FINAL WHERE {CALLS}")
        assert panel("cost/Spent", "Spent") == pytest.approx(spent) == queried("sum(cost_nusd) / 1e9", "performance")
        p95 = panel("performance/Latency", "p95")
        assert queried(f"countIf(latency_ns <= {p95}) / count()", f"spans FINAL WHERE {CALLS}") == pytest.approx(0.95, abs=0.005)
        windows = panel("quality/Scores", "Scores")  # of what became known in the last window none tells when the demo ends
        assert 0 < windows == queried("sum(scores)", "score_sums") <= queried("count()", "scores FINAL")
    finally:
        assert finished(started("local", "down", env=own), 100)[0] == 0
