"""`tailrace demo` on an empty directory with the engines already fetched: it ends by itself and leaves only data."""

import re
import time
from pathlib import Path

import pytest

from pipeline.app.demo import QUERIES
from pipeline.operators.traffic import ROUTES
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
    quality, promises, _ = rest.partition("contract demo")
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
