"""Contracts on real Kafka and ClickHouse: put in force, stored with every version, taken out again."""

from pathlib import Path

import pytest

from pipeline.app import contracts
from pipeline.connectors.clickhouse import query
from pipeline.connectors.contracts_in_force import contracts_in_force
from pipeline.errors import SettingsError
from pipeline.operators.contracts.wording import differences
from pipeline.settings import Settings
from tests.conformance.test_store_sink import settings, sinking

__all__ = ["settings"]

TEXT = """# what we promise
name: support
version: 1
routes: support
objectives:
  - {metric: error.ratio, at_most: 2%}
"""


def apply(settings: Settings, path: Path, text: str) -> list[tuple[str, int]]:
    path.write_text(text)
    files = contracts.read_files(settings, [path])
    assert [str(problem) for file in files for problem in file.reading.problems] == []
    outcomes = contracts.apply(settings, files, "test")
    assert contracts.stands(settings, [one.applied for one in outcomes]) == ""
    return [(one.did, one.before) for one in outcomes]


def test_a_contract_is_put_in_force_changed_and_taken_out(settings: Settings, tmp_path: Path) -> None:
    path = tmp_path / "support.yaml"
    assert contracts_in_force(settings) == {}
    with sinking(settings):
        assert apply(settings, path, TEXT) == [("applied", 0)]
        assert apply(settings, path, "# another comment\n" + TEXT) == [("unchanged", 1)]
        with pytest.raises(SettingsError, match="means something else; raise `version`"):
            apply(settings, path, TEXT.replace("2%", "3%"))
        assert apply(settings, path, TEXT.replace("2%", "3%").replace("version: 1", "version: 2")) == [("applied", 1)]
        assert apply(settings, path, TEXT.replace("name: support", "name: search")) == [("applied", 0)]
        there = contracts_in_force(settings)
        assert {name: one.version for name, one in there.items()} == {"support": 2, "search": 1}
        assert there["support"].text == path.read_text().replace("name: search", "name: support").replace("2%", "3%").replace(
            "version: 1", "version: 2"
        )
        assert differences(*contracts.two(settings, "support", [])) == [
            ("version", "1", "2"),
            (
                "objective error.ratio.at_most.5m",
                "error.ratio at most 2% over 5m, n from 30, ticket",
                "error.ratio at most 3% over 5m, n from 30, ticket",
            ),
        ]
        assert differences(*contracts.two(settings, "support", ["1", "1"])) == []
        gone = contracts.remove(settings, "support", "test")
        assert contracts.stands(settings, [gone]) == ""
        changed = differences(*contracts.two(settings, "support", []))
        assert apply(settings, path, TEXT.replace("2%", "3%").replace("version: 1", "version: 2")) == [("applied", 0)]
        assert differences(*contracts.two(settings, "support", [])) == changed != [], "what is put back is no other version"
        gone = contracts.remove(settings, "support", "test")
        assert contracts.stands(settings, [gone]) == ""
    assert [*contracts_in_force(settings)] == ["search"]
    assert query(settings, "SELECT name, version FROM contracts_in_force")[1] == [["search", 1]]
    told = [(one.version, one.removed, one.applied_by) for one in contracts.history(settings, "support")][2:]
    assert told == [(2, True, "test"), (2, False, "test"), (1, False, "test")]
    with pytest.raises(SettingsError, match=r"no contract 'support' is in force; there are search"):
        contracts.remove(settings, "support", "test")


def test_what_no_sink_stores_is_said(settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contracts, "STANDS_WITHIN", 1.0)
    path = tmp_path / "support.yaml"
    path.write_text(TEXT)
    outcomes = contracts.apply(settings, contracts.read_files(settings, [path]), "")
    assert "does one run?" in contracts.stands(settings, [one.applied for one in outcomes])
    assert [*contracts_in_force(settings)] == ["support"]
