"""`tailrace report` over the real store: its numbers are those of the rows."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from pipeline.cli import app
from pipeline.connectors.clickhouse import connect, insert_blocks
from pipeline.model.contract_columns import CONTRACTS
from pipeline.operators.alerts.cloud_event import encode
from pipeline.operators.alerts.told import told
from pipeline.operators.blocks import encode_rows
from pipeline.settings import Settings
from tests.alerts import OBJECTIVE, PANES
from tests.panes import NOON_NS, digest, pane, panes, trace_pane, trace_panes
from tests.scores import score, score_pane, score_panes
from tests.unit.test_report import seen

pytestmark = pytest.mark.engines

SPAN = ["--from", "2023-11-15T12:00", "--to", "2023-11-15T12:10"]
MS = 1_000_000
SLOW, FAST = [20 * MS * i for i in range(1, 201)], [10 * MS * i for i in range(1, 201)]
CONTRACT = """
name: chat
version: 1
owner: team chat
environment: prod
routes: ["*"]
slices: [cohort]
objectives:
  - {metric: error.ratio, at_most: 5%, window: 5m, minimum: 100}
"""
ROUTE = "chat <b>[1]*"


@pytest.fixture
def store(with_schema: Settings, monkeypatch: pytest.MonkeyPatch) -> Settings:
    rows = [
        pane(
            m,
            values,
            cohort=cohort,
            release=release,
            errors=errors,
            cost_nusd=str(len(values) * 10**9),
            firing="final",
            route=ROUTE,
        )
        for m in range(8)
        for cohort, values, errors in (("free", FAST, 2), ("pro", SLOW, 100))
        for release in ("r1",)
    ]
    scores = [score(i, route=ROUTE, environment="prod", cohort="pro", value=0.25) for i in range(40)]
    applied = {"name": "chat", "version": 1, "hash": "h", "owner": "team chat", "text": CONTRACT, "applied_ns": NOON_NS}
    alert = told(OBJECTIVE, PANES, 7, "")
    with connect(with_schema) as client:
        assert insert_blocks(client, "panes", [panes(*rows, pane(0, FAST, route="other", firing="final"))]) == {}
        assert insert_blocks(client, "trace_panes", [trace_panes(trace_pane(0, [10**9] * 60, route=ROUTE))]) == {}
        assert insert_blocks(client, "score_panes", [score_panes(score_pane(scores, 1))]) == {}
        assert (
            insert_blocks(
                client, "contracts", [encode_rows(CONTRACTS, [applied | {"applied_by": "", "removed": False, "meaning": ""}])]
            )
            == {}
        )
        assert insert_blocks(client, "alerts", [encode(alert)]) == {}
    monkeypatch.setenv("TAILRACE_CLICKHOUSE_DSN", with_schema.clickhouse_dsn.get_secret_value())
    return with_schema


def test_a_report_says_what_the_rows_say(store: Settings, tmp_path: Path) -> None:
    path = tmp_path / "chat.html"
    ran = CliRunner().invoke(app, ["report", "--route", ROUTE, *SPAN, "--out", str(path)])
    assert ran.exit_code == 0, ran.output
    page = seen(path.read_text())
    texts = [" ".join(text.split()) for text in page.texts if text.strip()]
    assert texts.count("3,200") >= 1
    assert f"{ROUTE} in prod" in texts
    assert "3,200 calls; errors 25.5% (24% – 27%); $3200; refusals –" in texts
    assert any(text.startswith("chat 1, 2023-11-15 12:00") for text in texts), "the contract, as check says it"
    assert any("error.ratio.at_most.5m" in text for text in texts)
    assert next(texts[i + 2] for i, text in enumerate(texts) if text == "pro") == "1,600"
    assert any(text.startswith("0.25") for text in texts), "what was judged"
    assert "r1" in texts
    assert {"p50", "p95", "p99"} <= set(texts)
    assert digest(FAST)
    medians = [float(text[:-1]) for text in texts if text.endswith("s") and text[:-1].replace(".", "").isdigit()]
    assert any(m == pytest.approx(2.0, rel=0.05) for m in medians), "half of the slow calls took two seconds"


def test_what_cannot_be_reported_is_said(store: Settings, tmp_path: Path) -> None:
    def said(*arguments: str) -> str:
        ran = CliRunner().invoke(app, ["report", *arguments, "--out", str(tmp_path / "r.html")])
        assert ran.exit_code == 1
        return str(ran.exception)

    assert "did you mean other?" in said("--route", "othre", *SPAN)
    assert "--from is not before --to" in said("--route", "other", "--from", "2023-11-15", "--to", "2023-11-14")
    assert "no call of route other in prod'; DROP TABLE panes -- is stored" in said(
        "--route", "other", "--environment", "prod'; DROP TABLE panes --", *SPAN
    )
    assert not (tmp_path / "r.html").exists()
