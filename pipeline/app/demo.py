"""The demo's traffic and what is read back of it: realistic calls, a release that is slower for one cohort, a table."""

import random
import threading
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import cycle
from typing import Any

from pipeline.app.compose import delivery
from pipeline.app.contracts import apply, read_files
from pipeline.connectors.clickhouse import query
from pipeline.connectors.clock import now_ns, steady
from pipeline.connectors.kafka import sources
from pipeline.model.stream import Message
from pipeline.operators.estimates import Estimate, added, fail_ratio, mean
from pipeline.operators.sampling import is_in, randomness_of, sampling_key
from pipeline.operators.traffic import draw, encode, spans_of, with_steps
from pipeline.settings import SECOND, Settings
from pipeline.topics import shipped

TRACES_PER_SECOND = 175
SLICE_S = 0.2
"""The generator sends in slices of this length."""

TABLE = """
SELECT route, model, cohort, sum(requests) AS n,
       arrayMap(q -> toFloat64(q), quantilesTDigestMerge(0.5, 0.95, 0.99)(latency_digest)) AS latency,
       quantilesTDigestMerge(0.95)(ttft_digest)[1] AS ttft_p95,
       sum(errors) / n AS error_ratio,
       sum(input_tokens) AS input_tokens, sum(output_tokens) AS output_tokens,
       sum(cost_nusd) / 1e9 AS cost_usd,
       quantilesTDigestMergeIf(0.99)(latency_digest, release = '{old}')[1] AS p99_old,
       quantilesTDigestMergeIf(0.99)(latency_digest, release = '{new}')[1] AS p99_new,
       sumIf(requests, release = '{new}') AS n_new
FROM performance
WHERE environment = 'demo' AND window_start >= toDateTime({since}, 'UTC')
GROUP BY route, model, cohort ORDER BY route, model, cohort
"""

VISIBLE = """
SELECT sum(requests) AS n FROM performance WHERE environment = 'demo' AND window_start >= toDateTime({since}, 'UTC')
"""

TRACES = """
SELECT route, traces, calls / asking AS calls_mean, cost_usd[1] AS mean, cost_usd[2] AS p50, cost_usd[3] AS p95, latency_p95_ns,
       unknown, incomplete
FROM
(
    SELECT route, count() AS traces, countIf(t.calls > 0) AS asking, sum(t.calls) AS calls,
           quantile(0.95)(latency_ns) AS latency_p95_ns,
           [sum(cost_nusd) / asking, quantileExactLowIf(0.5)(cost_nusd, t.calls > 0),
            quantileExactHighIf(0.95)(cost_nusd, t.calls > 0)] AS cost,
           arrayMap(nusd -> nusd / 1e9, cost) AS cost_usd,
           countIf(unpriced + unknown_usage > 0) / asking AS unknown, countIf(incomplete) AS incomplete
    FROM traces AS t FINAL
    WHERE environment = 'demo' AND closed_time >= toDateTime({since}, 'UTC')
    GROUP BY route
)
ORDER BY route
"""
"""Of the rows of traces: they are there as soon as a trace is over, its window when the last of it is. What one costs and asks is
over those that call a model.
"""

OVER = """
SELECT count() AS n FROM traces FINAL WHERE environment = 'demo' AND closed_time >= toDateTime({since}, 'UTC')
"""

QUALITY = """
SELECT route, cohort, evaluator, release, {sums}
FROM score_sums
WHERE environment = 'demo' AND window_start >= toDateTime({since}, 'UTC')
GROUP BY route, cohort, evaluator, release HAVING ok > 0
ORDER BY route, evaluator, cohort, release
"""
"""What the scores of the demo add up to."""

JUDGED = """
SELECT uniqExact(trace_id) AS n FROM scores FINAL WHERE environment = 'demo' AND known_time >= toDateTime({since}, 'UTC')
"""

SOON = {
    "TAILRACE_TRACE_SETTLE": "2",
    "TAILRACE_SAMPLE_CEILING": "0.5",
    "TAILRACE_WINDOW": "5",
    "TAILRACE_ALLOWED_LATENESS": "60",
    "TAILRACE_WATCH_HOUR": "5",
    "TAILRACE_SNAPSHOT_EVERY": "1",
}
"""The demo's traces send all they have at once, so nobody has to wait for more. A demo is short: half of its traces are judged
without a model, and what evidence takes for an hour is five seconds, long enough for its calls, which know no sessions."""

OPEN = " UNION ALL ".join(
    f"SELECT count() AS n FROM {table} FINAL"  # noqa: S608 - names of ours
    " WHERE environment = 'demo' AND window_start >= toDateTime({since}, 'UTC') AND firing = 'early'"
    for table in ("panes", "trace_panes", "score_panes")
)

QUERIES = {
    "the release, cohort by cohort": (
        "SELECT release, cohort, language, sum(requests) AS n,"
        " round(quantilesTDigestMerge(0.99)(latency_digest)[1] / 1e6) AS p99_ms"
        " FROM performance WHERE route = 'support' GROUP BY ALL ORDER BY cohort, language, release"
    ),
    "what each route costs": (
        "SELECT route, model, sum(requests) AS n, round(sum(cost_nusd) / 1e9, 2) AS usd,"
        " round(1e6 * usd / n) AS usd_per_million_calls FROM performance GROUP BY ALL ORDER BY usd DESC"
    ),
    "what a trace costs": (
        "SELECT route, count() AS traces, sum(t.calls) AS calls, round(avg(cost_nusd) / 1e9, 5) AS usd_mean,"
        " round(quantile(0.95)(cost_nusd) / 1e9, 5) AS usd_p95 FROM traces AS t FINAL WHERE t.calls > 0"
        " GROUP BY route ORDER BY usd_mean DESC"
    ),
    "whose answers follow their documents": (
        "SELECT cohort, release, effective_n AS n, round(value_mean, 3) AS mean,"
        " round(value_low, 3) AS low, round(value_high, 3) AS high"
        " FROM quality_by_cohort_hourly WHERE route = 'search' AND evaluator = 'groundedness_lexical' ORDER BY cohort, release"
    ),
    "does it all add up": (
        "SELECT stage, sum(spans) AS spans, sum(rows) AS rows, sum(dead) AS dead, sum(counted) AS counted,"
        " sum(duplicate) AS duplicate, sum(too_late) AS too_late FROM ledger FINAL GROUP BY stage"
    ),
}
"""Ready queries by what they answer."""

CONTRACTS = ("demo", "demo-search")
"""What the demo promises, by name."""


@dataclass(slots=True)
class Sent:
    """What the generator has sent by when, for freshness."""

    calls: int = 0
    traces: int = 0
    spans: int = 0
    sampled: int = 0
    times: list[float] = field(default_factory=list)
    totals: list[int] = field(default_factory=list)


class Generator(threading.Thread):
    """Sends traffic in real time until its seconds are over; the new release rolls out from 45 % of them on.

    since_s: start of the first window that holds a call sent; an agent's first calls ended before its last.
    """

    def __init__(self, settings: Settings, seconds: float) -> None:
        super().__init__(name="traffic", daemon=True)
        self._settings, self.seconds, self._rng = settings, seconds, random.Random(now_ns())  # noqa: S311
        self._deliver = delivery(settings)
        self._key, self._ceiling = sampling_key(settings.sample_key.get_secret_value()), settings.sample_ceiling
        self.sent, self.stop = Sent(), threading.Event()
        self.since_s = now_ns() // SECOND // 60 * 60

    def run(self) -> None:
        """Slice by slice, each when its time has come."""
        begin, partitions = steady(), cycle(sorted(sources(self._settings, "otlp_spans")))
        while not self.stop.is_set() and (at := steady() - begin) < self.seconds:
            rollout = min(1.0, max(0.0, (at / self.seconds - 0.45) * 10)) * 0.85
            now = now_ns()
            lasts = [
                draw(self._rng, now - self._rng.randrange(int(SLICE_S * SECOND)), rollout)
                for _ in range(int(TRACES_PER_SECOND * SLICE_S))
            ]
            calls = [call for last in lasts for call in with_steps(self._rng, last)]
            self._deliver([Message(self._settings.topic("otlp_spans"), next(partitions), encode(calls))])
            self.since_s = min(self.since_s, min(call.end_ns for call in calls) // SECOND // 60 * 60)
            self.sent.calls += len(calls)
            self.sent.traces += len(lasts)
            self.sent.sampled += sum(bool(is_in(randomness_of(c.trace_id.hex(), self._key), self._ceiling)) for c in lasts)
            self.sent.spans += spans_of(calls)
            self.sent.times.append(steady())
            self.sent.totals.append(self.sent.calls)
            self.stop.wait(max(0.0, begin + at + SLICE_S - steady()))


@dataclass(slots=True)
class Freshness:
    """How old a call is when a pane shows it: from what was sent by when and what was visible by when."""

    sent: Sent
    ages: list[tuple[int, float]] = field(default_factory=list)
    visible: int = 0

    def saw(self, visible: int, at: float) -> None:
        """`visible` calls are in panes at time `at`."""
        while self.visible < visible:
            i = bisect_right(self.sent.totals, self.visible)
            if i == len(self.sent.totals):
                break
            upto = min(visible, self.sent.totals[i])
            self.ages.append((upto - self.visible, at - self.sent.times[i]))
            self.visible = upto

    def quantile(self, q: float) -> float:
        """Seconds within which a share `q` of the visible calls became visible; nan before the first."""
        rank = q * sum(n for n, _ in self.ages)
        for n, age in sorted(self.ages, key=lambda seen: seen[1]):
            rank -= n
            if rank <= 0:
                return age
        return float("nan")


def visible_calls(settings: Settings, since_s: int) -> int:
    """Calls of the demo in visible panes."""
    _, rows = query(settings, VISIBLE.format(since=since_s))
    return int(rows[0][0] or 0)


def traces_over(settings: Settings, since_s: int) -> int:
    """Traces of the demo that are over and stored."""
    _, rows = query(settings, OVER.format(since=since_s))
    return int(rows[0][0])


def traces_judged(settings: Settings, since_s: int) -> int:
    """Traces of the demo that have scores."""
    _, rows = query(settings, JUDGED.format(since=since_s))
    return int(rows[0][0])


def open_panes(settings: Settings, since_s: int) -> int:
    """Panes of windows that are not whole yet."""
    _, rows = query(settings, OPEN.format(since=since_s))
    return sum(int(n) for (n,) in rows)


def promise(settings: Settings) -> None:
    """Apply the demo's contracts."""
    files = [shipped("contracts") / f"{name}.yaml" for name in CONTRACTS]
    apply(settings, read_files(settings, files), "demo")


@dataclass(frozen=True, slots=True)
class Quality:
    """How good the answers of a route and cohort were by one evaluator: over all releases, and by release."""

    route: str
    cohort: str
    evaluator: str
    all_of: Estimate
    fails: Estimate | None
    by_release: dict[str, Estimate]


def quality_table(settings: Settings, since_s: int) -> Iterator[Quality]:
    """A row per route, evaluator and cohort."""
    names, rows = query(settings, QUALITY.format(since=since_s, sums=", ".join(f"sum({name}) AS {name}" for name in SUMS)))
    found: dict[tuple[str, str, str], dict[str, dict[str, int]]] = defaultdict(dict)
    for row in rows:
        told = dict(zip(names, row, strict=True))
        found[told["route"], told["cohort"], told["evaluator"]][told["release"]] = {name: int(told[name]) for name in SUMS}
    for (route, cohort, evaluator), releases in found.items():
        sums = added(list(releases.values()))
        by_release = {release: estimate for release, one in releases.items() if (estimate := mean(one)) is not None}
        if (all_of := mean(sums)) is not None:
            yield Quality(route, cohort, evaluator, all_of, fail_ratio(sums), by_release)


SUMS = (
    *("ok", "weight", "weight_sq", "value_sum", "value_weight_sq", "shifted_weight_sq"),
    *("checked_weight", "checked_weight_sq", "fails_weight", "fails_weight_sq"),
)
"""What the estimates are made of."""


def trace_table(settings: Settings, since_s: int) -> Iterator[dict[str, Any]]:
    """A row per route: what its traces cost."""
    names, rows = query(settings, TRACES.format(since=since_s))
    for row in rows:
        yield dict(zip(names, row, strict=True))


def performance_table(settings: Settings, since_s: int, releases: tuple[str, str]) -> Iterator[dict[str, Any]]:
    """A row per route, model and cohort."""
    names, rows = query(settings, TABLE.format(since=since_s, old=releases[0], new=releases[1]))
    for row in rows:
        yield dict(zip(names, row, strict=True))
