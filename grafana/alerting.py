"""Grafana's own alert rules, as code: they tell that watch told something, and that the pipeline itself stands still.

A rule never judges a promise: watch does, with evidence; a threshold of Grafana's beside it would ring for noise. So rules read
`latest_alerts`, and of the pipeline what it says of itself. Each is a query (A), its last value (B) and a threshold (C),
held for a time.
Rules know no variables of boards, and of the plugin's macros only those of its back end.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from grafana.sql import DATASOURCE_TYPE, PLUGIN_VERSION

RULES_FILE = Path(__file__).parent / "provisioning" / "alerting" / "rules.yaml"
DATASOURCE = "tailrace-clickhouse"
MINUTE = 60

FIRING = """SELECT contract, owner, environment, route, toFloat64(count()) AS firing
FROM latest_alerts
WHERE state = 'firing' AND severity = '{severity}' AND kind IN ('objective', 'regression', 'burn_rate') AND $__timeFilter(at)
GROUP BY contract, owner, environment, route"""
UNJUDGED = """SELECT kind, contract, environment, route, toFloat64(count()) AS firing
FROM latest_alerts
WHERE state = 'firing' AND kind IN ('no_data', 'pipeline') AND $__timeFilter(at)
GROUP BY kind, contract, environment, route"""
LAST_SAID = """SELECT stage, {value} AS {name}
FROM (SELECT stage, source, argMax(value, time_ns) AS v FROM status
WHERE $__timeFilter(time) AND metric = '{metric}' AND value >= 0{also}
GROUP BY stage, source)
GROUP BY stage"""


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule. look_back_s: what its query sees. above: the value from which it is pending. for_s: so long until it fires.

    on_no_data: what an answer without rows means, OK or Alerting.
    """

    uid: str
    title: str
    summary: str
    sql: str
    above: float
    severity: str
    look_back_s: int = 10 * MINUTE
    for_s: int = 0
    on_no_data: str = "OK"
    board: str = "tailrace-operations"


RULES: tuple[Rule, ...] = (
    Rule(
        "tailrace-page",
        "A promise is broken: page",
        "{{ $values.B.Value }} alerts of severity page fire for {{ $labels.route }}, contract {{ $labels.contract }}",
        FIRING.format(severity="page"),
        0,
        "page",
        look_back_s=400 * 86_400,
        board="tailrace-contract",
    ),
    Rule(
        "tailrace-ticket",
        "A promise is broken: ticket",
        "{{ $values.B.Value }} alerts of severity ticket fire for {{ $labels.route }}, contract {{ $labels.contract }}",
        FIRING.format(severity="ticket"),
        0,
        "ticket",
        look_back_s=400 * 86_400,
        board="tailrace-contract",
    ),
    Rule(
        "tailrace-unjudged",
        "watch misses data, or cannot judge",
        "{{ $values.B.Value }} alerts of kind {{ $labels.kind }} fire {{ $labels.route }}; `tailrace alerts` says of what",
        UNJUDGED,
        0,
        "ticket",
        look_back_s=400 * 86_400,
        board="tailrace-contract",
    ),
    Rule(
        "tailrace-no-new-pane",
        "No new window in ClickHouse",
        "the newest pane was written {{ $values.B.Value }} seconds ago",
        "SELECT toFloat64($__toTime - max(inserted_at)) AS age_s FROM panes WHERE inserted_at >= $__fromTime HAVING count() > 0",
        10 * MINUTE,
        "page",
        look_back_s=60 * MINUTE,
        for_s=5 * MINUTE,
        on_no_data="Alerting",
    ),
    Rule(
        "tailrace-freshness",
        "What is stored is old",
        "the newest span in ClickHouse is {{ $values.B.Value }} seconds old",
        LAST_SAID.format(value="max(v) / 1e9", name="age_s", metric="freshness_ns", also=""),
        10 * MINUTE,
        "ticket",
        for_s=5 * MINUTE,
    ),
    Rule(
        "tailrace-sink-lag",
        "The sink lags",
        "the sink has {{ $values.B.Value }} messages to read",
        LAST_SAID.format(value="sum(v)", name="messages", metric="lag", also=" AND stage = 'sink'"),
        10_000,
        "ticket",
        for_s=10 * MINUTE,
    ),
    Rule(
        "tailrace-watch-lag",
        "watch lags: promises are judged late",
        "watch has {{ $values.B.Value }} messages to read",
        LAST_SAID.format(value="sum(v)", name="messages", metric="lag", also=" AND stage = 'watch'"),
        10_000,
        "page",
        for_s=10 * MINUTE,
    ),
    Rule(
        "tailrace-lost",
        "Retention was faster than a stage",
        "{{ $values.B.Value }} records were lost before {{ $labels.stage }} had read them",
        "SELECT stage, sum(value) AS records FROM status FINAL WHERE $__timeFilter(time) AND metric = "
        "'lost_to_retention' GROUP BY stage",
        0,
        "page",
        look_back_s=60 * MINUTE,
    ),
)


def _expression(ref: str, **model: object) -> dict[str, Any]:
    source = {"type": "__expr__", "uid": "__expr__"}
    return {"refId": ref, "datasourceUid": "__expr__", "model": {"refId": ref, "datasource": source, **model}}


def _data(rule: Rule) -> Sequence[Mapping[str, Any]]:
    asked = {
        "refId": "A",
        "datasource": {"type": DATASOURCE_TYPE, "uid": DATASOURCE},
        "editorType": "sql",
        "format": 1,
        "queryType": "table",
        "pluginVersion": PLUGIN_VERSION,
        "meta": {},
        "intervalMs": 60_000,
        "maxDataPoints": 43_200,
        "rawSql": rule.sql,
    }
    above = {"evaluator": {"type": "gt", "params": [rule.above]}}
    query = {
        "refId": "A",
        "queryType": "table",
        "relativeTimeRange": {"from": rule.look_back_s, "to": 0},
        "datasourceUid": DATASOURCE,
        "model": asked,
    }
    return [
        query,
        _expression("B", type="reduce", expression="A", reducer="last", settings={"mode": "dropNN"}),
        _expression("C", type="threshold", expression="B", conditions=[above]),
    ]


def rules() -> dict[str, Any]:
    """The file Grafana provisions. Source: grafana.com/docs/grafana/latest/alerting, Use configuration files to provision."""
    told = [
        {
            "uid": rule.uid,
            "title": rule.title,
            "condition": "C",
            "for": f"{rule.for_s}s",
            "noDataState": rule.on_no_data,
            "execErrState": "Error",
            "labels": {"severity": rule.severity, "service": "tailrace"},
            "annotations": {
                "summary": rule.summary,
                "runbook": "docs/runbook.md, A rule of Grafana's fires",
                "board": f"/d/{rule.board}",
            },
            "data": _data(rule),
        }
        for rule in RULES
    ]
    group = {"orgId": 1, "name": "tailrace", "folder": "Tailrace", "interval": "60s", "rules": told}
    return {"apiVersion": 1, "groups": [group]}


def render() -> str:
    """As YAML, with a line for whoever opens it."""
    return "# Written by `python -m grafana` from grafana/alerting.py.\n" + yaml.safe_dump(rules(), sort_keys=False, width=130)
