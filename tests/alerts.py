"""Alerts of every kind, for tests: as watch decides them, before `told` makes them whole."""

from dataclasses import replace

from pipeline.model.alerts import TIMES, Alert, AlertKind, AlertState, Extent, Tier
from pipeline.model.contracts import HOUR_NS, MINUTE_NS
from pipeline.model.stream import Source

PANES = Source("tailrace.panes.v1", 2, "kq1")
AT_NS = 1_790_000_040 * 10**9

OBJECTIVE = Alert(
    kind=AlertKind.OBJECTIVE,
    state=AlertState.FIRING,
    tier=Tier.ESTABLISHED,
    severity="page",
    rule="latency.p99.at_most.5m",
    at_ns=AT_NS,
    first_seen_ns=AT_NS - 2 * MINUTE_NS,
    fired_ns=AT_NS,
    contract="support",
    contract_version=3,
    contract_hash="48ab63fd1199b0979c4cd9ef4be71fe3",
    owner="team-support",
    environment="production",
    route="support",
    slice=(("cohort", "de"),),
    metric="latency.p99",
    unit="ns",
    window_ns=5 * MINUTE_NS,
    n=1234,
    estimate=5.2349e9,
    low=4.61e9,
    high=6.0e9,
    bound=4e9,
    direction="at_most",
)
REGRESSION = replace(
    OBJECTIVE,
    kind=AlertKind.REGRESSION,
    rule="latency.p99",
    metric="error.ratio",
    unit="share",
    window_ns=0,
    estimate=0.0312,
    low=0.026,
    high=0.037,
    bound=0.0204,
    baseline="previous_release",
    baseline_n=120_000,
    baseline_estimate=0.02,
    release="v2",
    previous_release="v1",
    extent=Extent.ONLY_HERE,
)
BURN_RATE = replace(
    OBJECTIVE,
    kind=AlertKind.BURN_RATE,
    rule="availability",
    metric="error.ratio",
    unit=TIMES,
    window_ns=HOUR_NS,
    short_window_ns=5 * MINUTE_NS,
    estimate=20.04,
    low=None,
    high=None,
    bound=14.4,
)
NO_DATA = replace(
    OBJECTIVE,
    kind=AlertKind.NO_DATA,
    severity="ticket",
    rule="no_data",
    metric="",
    unit="",
    window_ns=23 * MINUTE_NS,
    first_seen_ns=AT_NS - 23 * MINUTE_NS,
    n=0,
    estimate=None,
    low=None,
    high=None,
    bound=None,
    direction="",
    log_e_value=17.2,
    needed=16.4,
    hypotheses=6,
    detail="before, calls came in 55 windows of 60 minutes",
)
PIPELINE = Alert(
    kind=AlertKind.PIPELINE,
    state=AlertState.FIRING,
    tier=Tier.ESTABLISHED,
    severity="ticket",
    rule="sources_left_out calls tailrace.spans.v1:3",
    at_ns=AT_NS,
    first_seen_ns=AT_NS,
    fired_ns=AT_NS,
    detail="calls tailrace.spans.v1:3 has said nothing for 1h: windows are judged without what it holds",
)
EVERY = {alert.kind.value: alert for alert in (OBJECTIVE, REGRESSION, BURN_RATE, NO_DATA, PIPELINE)}
