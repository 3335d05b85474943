"""Grafana's alert rules on the real store: each fires on rows that are bad for long enough, and on no others.

A rule is evaluated as Grafana does it: the query as a table of numbers, whose texts are labels; the last value that is one; a
threshold; then pending until it has lasted. No rows are no data. Source: grafana/grafana, `pkg/expr` and
`pkg/services/ngalert/state`.
"""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from grafana import alerting
from pipeline.operators.boards.macros import TimeRange
from tests.board_rows import NOON, UNJUDGED, WORST_NS
from tests.contracts.boards import Asked

ROOT = Path(__file__).resolve().parents[2]
FILE: dict[str, Any] = yaml.safe_load(alerting.RULES_FILE.read_text())
RULES: dict[str, dict[str, Any]] = {rule["uid"]: rule for group in FILE["groups"] for rule in group["rules"]}
WORST = WORST_NS // 10**9
MINUTE = 60
QUIET = NOON - 86_400
OF_STATUS = ("tailrace-freshness", "tailrace-sink-lag", "tailrace-watch-lag", "tailrace-lost")
Labels = tuple[tuple[str, str], ...]


def over(asked: Asked, rule: dict[str, Any], at: int) -> dict[Labels, bool]:
    """By labels: whether the condition holds at a time; nothing if there is no data."""
    query, reduce, threshold = rule["data"]
    assert (rule["condition"], reduce["model"]["expression"], threshold["model"]["expression"]) == ("C", "A", "B")
    assert (reduce["model"]["reducer"], reduce["model"]["settings"]) == ("last", {"mode": "dropNN"})
    (evaluator,) = [one["evaluator"] for one in threshold["model"]["conditions"]]
    assert evaluator["type"] == "gt"
    ago = query["relativeTimeRange"]
    rows = asked.rows("contract", query["model"]["rawSql"], TimeRange(at - ago["from"], at - ago["to"]))
    found: dict[Labels, bool] = {}
    for row in rows:
        (value,) = [value for value in row.values() if not isinstance(value, str)]
        labels = tuple((name, text) for name, text in row.items() if isinstance(text, str))
        assert labels not in found, "labels tell the rows apart"
        if value is not None:
            found[labels] = value > evaluator["params"][0]
    return found


def fires_after(asked: Asked, rule: dict[str, Any], since: int, minutes: int) -> int | None:
    """How many seconds after `since` something fires, evaluated every minute; None if nothing does."""
    lasting, pending = int(rule["for"].removesuffix("s")), dict[Labels, int]()
    for at in range(since, since + minutes * MINUTE + 1, MINUTE):
        found = over(asked, rule, at)
        if not found and rule["noDataState"] == "Alerting":
            found = {(): True}
        pending = {labels: pending.get(labels, at) for labels, holds in found.items() if holds}
        if any(at - began >= lasting for began in pending.values()):
            return at - since
    return None


@pytest.mark.parametrize("uid", OF_STATUS)
def test_rules_of_the_pipeline_fire_when_it_has_lasted(asked: Asked, uid: str) -> None:
    assert fires_after(asked, RULES[uid], WORST, 15) == int(RULES[uid]["for"].removesuffix("s"))


@pytest.mark.parametrize("uid", OF_STATUS)
def test_rules_of_the_pipeline_are_quiet_without_rows(asked: Asked, uid: str) -> None:
    assert fires_after(asked, RULES[uid], QUIET, 15) is None


@pytest.mark.parametrize("uid", ["tailrace-freshness", "tailrace-sink-lag", "tailrace-watch-lag"])
def test_rules_of_the_pipeline_are_quiet_when_all_is_well(asked: Asked, uid: str) -> None:
    assert set(over(asked, RULES[uid], NOON + MINUTE).values()) == {False}


def test_a_firing_page_and_ticket_fire_at_once_with_route_and_owner(asked: Asked) -> None:
    for uid, n in (("tailrace-page", 1), ("tailrace-ticket", 1)):
        assert fires_after(asked, RULES[uid], NOON - MINUTE, 1) is None
        found = [dict(labels) for labels, holds in over(asked, RULES[uid], NOON + 5 * MINUTE).items() if holds]
        assert len(found) == n
        assert (found[0]["contract"], found[0]["route"], found[0]["owner"]) == ("chat", "chat", "team-support")


def test_what_is_not_judged_has_a_rule_of_its_own(asked: Asked) -> None:
    since = NOON + UNJUDGED * MINUTE
    assert not any(over(asked, RULES["tailrace-unjudged"], since - MINUTE).values())
    found = [dict(labels) for labels, holds in over(asked, RULES["tailrace-unjudged"], since + MINUTE).items() if holds]
    assert sorted(one["kind"] for one in found) == ["no_data", "pipeline"]
    before, after = ({*over(asked, RULES["tailrace-ticket"], since + n * MINUTE)} for n in (-1, 1))
    assert before == after, "no promise is broken by them"


def test_no_new_pane_fires_when_none_comes(asked: Asked) -> None:
    now = asked.rows("contract", "SELECT toUnixTimestamp(now()) AS now", TimeRange(0, 1))[0]["now"]
    rule = RULES["tailrace-no-new-pane"]
    assert set(over(asked, rule, now).values()) == {False}
    assert set(over(asked, rule, now + 20 * MINUTE).values()) == {True}
    assert over(asked, rule, now + 3 * 60 * MINUTE) == {}
    assert fires_after(asked, rule, now + 3 * 60 * MINUTE, 10) == 5 * MINUTE, "no data for an hour is the same"


@pytest.mark.parametrize("uid", RULES)
def test_rules_know_no_variables_and_only_macros_of_the_back_end(uid: str) -> None:
    sql = RULES[uid]["data"][0]["model"]["rawSql"]
    assert set(re.findall(r"\$\{?\w+", sql)) <= {"$__timeFilter", "$__fromTime", "$__toTime"}


@pytest.mark.parametrize("uid", RULES)
def test_rules_stand_in_the_runbook_and_lead_to_a_board(uid: str) -> None:
    assert RULES[uid]["title"] in (ROOT / "docs" / "runbook.md").read_text()
    boards = {path.stem for path in (ROOT / "grafana" / "dashboards").glob("*.json")}
    assert RULES[uid]["annotations"]["board"].removeprefix("/d/tailrace-") in boards


def test_rules_ask_the_source_that_is_provisioned() -> None:
    provisioned = yaml.safe_load((ROOT / "grafana/provisioning/datasources/clickhouse.yaml").read_text())
    (source,) = provisioned["datasources"]
    assert {rule["data"][0]["datasourceUid"] for rule in RULES.values()} == {source["uid"]}
    assert source["jsonData"]["username"] == "grafana", "the user that can only read"


@pytest.mark.parametrize("name", ["webhook", "email"])
def test_contact_points_take_addresses_from_the_environment_and_are_off(name: str) -> None:
    path = ROOT / "grafana" / "notify" / f"{name}.yaml"
    file = yaml.safe_load(path.read_text())
    (point,), (policy,) = file["contactPoints"], file["policies"]
    assert {policy["receiver"], *(route["receiver"] for route in policy["routes"])} == {point["name"]}
    assert all(
        value.startswith("$GRAFANA_") for key, value in point["receivers"][0]["settings"].items() if key in ("url", "addresses")
    )
    assert not (ROOT / "grafana/provisioning/alerting" / path.name).exists()


def test_committed_rules_are_what_the_code_says() -> None:
    assert alerting.RULES_FILE.read_text() == alerting.render(), "run `python -m grafana`"
