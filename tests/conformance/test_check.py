"""`tailrace check` on the real store says what watch alerts of on the same rows."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import orjson
import pytest
from typer.testing import CliRunner

from pipeline.app import check as checking
from pipeline.app.checked import meant, summary
from pipeline.cli import app
from pipeline.connectors import stored_panes
from pipeline.connectors.clickhouse import apply_schema, connect, insert_blocks, query
from pipeline.errors import EngineError, SchemaError, SettingsError
from pipeline.settings import Settings
from tests.e2e.command import started
from tests.e2e.stages import environment
from tests.panes import MINUTE_NS, NOON_NS, panes
from tests.unit import test_watch_same_hours as same_hours
from tests.unit.test_watch import ERRORS, REGRESSIONS
from tests.watched import Log, alerts, folded, readable, stage, traffic

SPAN = (NOON_NS, NOON_NS + 2000 * MINUTE_NS)

pytestmark = pytest.mark.engines

REGRESSED = REGRESSIONS.replace("severity: info", "severity: ticket")


def rows() -> list[list[dict[str, Any]]]:
    """Release 2 has more errors in one cohort; release 3 begins later and is worse still. Two sources."""
    made = []
    for minute, window in enumerate([*traffic(7, 700, 700, 0.08), *traffic(9, 300, 700, 0.08, begin=700)]):
        release = "1" if minute < 700 else "2"
        made.append([row | {"release": release, "source": f"spans:{i}:e"} for row in window for i in (0, 1)])
    last = traffic(11, 60, 1000, 0.5, begin=1000)
    return made + [[row | {"release": "3", "source": f"spans:{i}:e"} for row in window for i in (0, 1)] for window in last]


def test_what_is_usual_is_learnt_from_before_the_range(with_schema: Settings) -> None:
    settings = with_schema.model_copy(update={"watch_hour": 600.0})
    windows = list(same_hours.days(same_hours.BEGINS + 150, range(same_hours.BEGINS, 9999)))
    flat = [row | {"firing": "final", "release": "1"} for window in windows for row in window]
    with connect(settings) as client:
        assert insert_blocks(client, "panes", [panes(*flat)]) == {}
    contract = readable("usual", same_hours.CONTRACT)
    assert contract is not None
    from_ns, to_ns = (NOON_NS + at * MINUTE_NS for at in (same_hours.BEGINS - 100, len(windows)))
    (one,) = [one for one in alerts(folded(stage(), same_hours.log_of(windows))) if one["slice"]]
    for span, release, seen in (((from_ns, to_ns), "", 250), ((None, to_ns), "1", len(windows))):
        done = checking.check(settings, contract, span, release, 100, lambda _: None)
        assert (done.windows, done.standing.exit_code(strict=False)) == (seen, 1)
        (found,) = [one.alert for one in done.standing.findings if one.verdict == "broken" and one.alert.slice]
        assert (dict(found.slice), found.n, found.at_ns) == (one["slice"], one["n"], one["at_ns"])
        assert found.baseline_estimate == pytest.approx(one["baseline_estimate"])
    later = checking.check(settings, contract, (NOON_NS + 60 * MINUTE_NS, from_ns), "", 100, lambda _: None)
    assert later.standing.exit_code(strict=False) == 0


def watched(text: str, windows: list[list[dict[str, Any]]]) -> list[dict[str, Any]]:
    log = Log()
    log.contracts(contract=text)
    for minute, window in enumerate(windows):
        log.window(minute, window, sources=2)
    return alerts(folded(stage(), log))


def test_check_says_what_watch_alerted_of(with_schema: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    settings = with_schema.model_copy(update={"watch_hour": 600.0})
    windows = rows()
    early = [row | {"firing": "early", "errors": row["requests"], "revision": 0} for window in windows[:50] for row in window]
    still_open = [row | {"firing": "early", "window_start_ns": SPAN[1] - MINUTE_NS} for row in windows[0]]
    with connect(settings) as client:
        flat = [row | {"firing": "final"} for window in windows for row in window]
        for some in (early, flat, [row | {"window_end_ns": SPAN[1]} for row in still_open]):
            assert insert_blocks(client, "panes", [panes(*some)]) == {}
    monkeypatch.setattr(stored_panes, "ROWS", 700)  # several reads

    contract = readable("errors", ERRORS)
    assert contract is not None
    done = checking.check(settings, contract, SPAN, "", 100, lambda _: None)
    said = meant(done, done.standing.exit_code(strict=False))
    told = {json.dumps(one["slice"]): one for one in reversed(watched(ERRORS, windows)) if one["state"] == "firing"}
    broken = {json.dumps(one["slice"]): one for one in said["findings"] if one["verdict"] == "broken"}
    assert broken.keys() == told.keys() != set()
    for where, one in broken.items():
        for name in ("n", "estimate", "low", "high", "bound", "log_e_value", "needed", "hypotheses", "at_ns"):
            assert one[name] == pytest.approx(told[where][name], rel=1e-12), name
    assert (said["exit_code"], said["windows"], said["open_windows"]) == (1, len(windows), 1)
    assert "Outcome: breaks" in summary(done, 1)

    contract = readable("regressions", REGRESSED)
    assert contract is not None
    of_two = checking.check(settings, contract, (None, SPAN[1]), "2", 100, lambda _: None)
    before = [one for one in watched(REGRESSED, windows[:1000]) if one["state"] == "firing" and one["kind"] == "regression"]
    found = [one.alert for one in of_two.standing.findings if one.verdict == "broken"]
    assert {tuple(one["slice"].items()) for one in before} == {one.slice for one in found} != set()
    for one in found:
        (same,) = [alert for alert in before if tuple(alert["slice"].items()) == one.slice]
        assert (one.release, one.previous_release, one.n, one.at_ns) == ("2", "1", same["n"], same["at_ns"])
        assert (one.baseline_estimate, one.detectable) == pytest.approx((same["baseline_estimate"], same["detectable"]))
    of_one = checking.check(settings, contract, (None, SPAN[1]), "1", 100, lambda _: None)
    assert of_one.standing.exit_code(strict=False) == 2, "there is none before it"

    with pytest.raises(SettingsError, match="there are 3, 2, 1"):
        checking.check(settings, contract, SPAN, "2'; DROP TABLE panes --", 100, lambda _: None)
    with pytest.raises(SettingsError, match="no panes are stored between 2023-11-14"):
        checking.check(settings, contract, (None, NOON_NS), "", 100, lambda _: None)
    elsewhere = readable("elsewhere", ERRORS.replace("routes: chat", "routes: other"))
    assert elsewhere is not None
    with pytest.raises(SettingsError, match="nothing that errors speaks of is stored"):
        checking.check(settings, elsewhere, SPAN, "", 100, lambda _: None)

    monkeypatch.setenv("TAILRACE_CLICKHOUSE_DSN", settings.clickhouse_dsn.get_secret_value())
    monkeypatch.setenv("TAILRACE_WATCH_HOUR", "600")
    span = ["--from", "2023-11-15T12:00", "--to", "2023-11-16T06:00"]
    for text, expected in (
        (ERRORS, 1),
        (ERRORS.replace("4%", "60%"), 0),
        (ERRORS.replace("minimum: 100", "minimum: 10000000"), 2),
    ):
        path = tmp_path / "errors.yaml"
        path.write_text(text)
        ran = CliRunner().invoke(app, ["check", str(path), *span, "--json"])
        assert ran.exit_code == expected, ran.output
        assert orjson.loads(ran.stdout)["exit_code"] == expected
        for more in ([], ["--json"]):
            assert unread(settings, "check", str(path), *span, *more) == expected, "whoever reads the first line and goes"
    path.write_text(ERRORS)
    ran = CliRunner().invoke(app, ["check", str(path), *span])
    print(ran.output)
    assert "broken" in ran.output


def unread(settings: Settings, *arguments: str) -> int:
    """The exit code of a command whose output and complaints nobody reads."""
    process = started(*arguments, settings=settings)
    for pipe in (process.stdout, process.stderr):
        assert pipe is not None
        pipe.close()
    return process.wait(60)


def test_a_mistake_of_ours_is_no_broken_promise() -> None:
    mistaken = "from pipeline.app import check; from pipeline.cli import main; check.contract_named = None; main()"
    ended = subprocess.run([sys.executable, "-c", mistaken, "check", "any"], capture_output=True, check=False)
    assert ended.returncode == 70
    assert b"TypeError" in ended.stderr


def test_only_a_broken_promise_says_what_a_broken_promise_says(fresh_prefix: Settings, tmp_path: Path) -> None:
    """Exit code 1. What else may go wrong: no schema, a migration is missing, the store refuses a query."""
    path = tmp_path / "errors.yaml"
    path.write_text(ERRORS)

    def outcome() -> Exception | None:
        asked = ["check", str(path), "--from", "2023-11-15", "--to", "2023-11-16"]
        return CliRunner().invoke(app, asked, env=environment(fresh_prefix)).exception  # type: ignore[return-value]

    assert isinstance(none := outcome(), SchemaError)
    assert str(none) == "the store has no schema: run `tailrace schema apply`"
    with pytest.raises(SchemaError, match="has no schema"):
        query(fresh_prefix, "SELECT * FROM latest_alerts")
    apply_schema(fresh_prefix)
    assert isinstance(outcome(), SettingsError), "nothing is stored"
    with connect(fresh_prefix) as client:
        client.command("RENAME TABLE panes TO elsewhere")
        assert isinstance(outcome(), EngineError)
        client.command("ALTER TABLE applied_migrations DELETE WHERE name LIKE '0055%' SETTINGS mutations_sync = 2")
    assert isinstance(lacking := outcome(), SchemaError)
    assert "0055_standings: run `tailrace schema apply`" in str(lacking)
