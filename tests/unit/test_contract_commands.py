"""`tailrace contract validate` and what show and diff say, without engines."""

import json
from pathlib import Path

import msgspec
import pytest
from typer.testing import CliRunner

from pipeline.app import contracts
from pipeline.cli import app
from pipeline.connectors.contracts_in_force import in_force, message
from pipeline.errors import SettingsError
from pipeline.model.contract_columns import Applied
from pipeline.operators.contracts.reading import read
from pipeline.operators.contracts.wording import differences, worded
from pipeline.settings import Settings
from pipeline.topics import shipped, topics

EXAMPLE = shipped("contracts") / "example.yaml"


def example(*changes: tuple[str, str]) -> str:
    text = EXAMPLE.read_text()
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    return text


def test_validate_says_what_is_wrong_and_exits_with_2(tmp_path: Path) -> None:
    path = tmp_path / "support.yaml"
    path.write_text(example(("latency.p99        #", "latency.p98        #")))
    done = CliRunner().invoke(app, ["contract", "validate", str(EXAMPLE), str(path)])
    assert done.exit_code == 2
    said = done.output.replace("\n", " ")
    assert f'{path}:22 objectives[0].metric: no metric "latency.p98"; nearest: latency.p99' in said
    assert f"{EXAMPLE}: support 3, 12 objectives" in said
    as_json = CliRunner().invoke(app, ["contract", "validate", str(path), "--json"])
    assert [one["line"] for one in json.loads(as_json.stdout)][:1] == [22]


def test_validate_of_good_files_exits_with_0() -> None:
    assert CliRunner().invoke(app, ["contract", "validate", str(EXAMPLE)]).exit_code == 0


def test_a_name_is_one_file(tmp_path: Path) -> None:
    path = tmp_path / "again.yaml"
    path.write_text(EXAMPLE.read_text())
    _, again = contracts.read_files(Settings(), [EXAMPLE, path])
    assert again.reading.contract is None
    assert "has a contract of this name too" in str(again.reading.problems[0])


def test_the_last_message_of_a_name_counts() -> None:
    def said(name: str, version: int, removed: bool = False) -> bytes:
        return message(Settings(), Applied(name, version, "0" * 32, "", "text", version, "", removed)).value

    log = [said("a", 1), said("b", 1), said("a", 2), said("b", 2, removed=True), said("c", 1, removed=True)]
    assert {name: one.version for name, one in in_force(log).items()} == {"a": 2}
    assert [*in_force([*log, said("b", 3)])] == ["a", "b"]


def in_all(number: int, text: str = "name: a") -> dict[str, Applied]:
    return {f"c{i}": Applied(f"c{i}", 1, "0" * 32, "us", text, 1, "me") for i in range(number)}


def test_contracts_are_bounded_together_by_number_and_by_length() -> None:
    contracts.refuse_too_many(in_all(2), in_all(3), 3)
    with pytest.raises(SettingsError, match=r"^4 contracts would be in force, and 3 may be \(TAILRACE_MAX_CONTRACTS\); nothing"):
        contracts.refuse_too_many(in_all(3), in_all(4), 3)
    contracts.refuse_too_many(in_all(5), in_all(5), 3)
    contracts.refuse_too_many(in_all(5), in_all(4), 3)
    long = 65_536 * "a"
    contracts.refuse_too_many({}, in_all(64, long), 1000)
    with pytest.raises(SettingsError, match=r"would have 4,259,840 bytes together, and 4,194,304 is the most"):
        contracts.refuse_too_many(in_all(64, long), in_all(65, long), 1000)
    with pytest.raises(SettingsError, match=r"would have 4,194,368 bytes together"):
        contracts.refuse_too_many(in_all(64, long), in_all(64, f"{long}b"), 1000)


def test_contracts_at_the_bound_fit_into_a_message_of_panes() -> None:
    """Quotes are twice as long in JSON."""
    texts = {one.name: one.text for one in in_all(64, contracts.MOST_BYTES // 64 * '"').values()}
    assert contracts.MOST_BYTES < len(msgspec.json.encode(texts)) < int(topics()["panes"].config["max.message.bytes"])


def test_a_difference_is_told_part_by_part() -> None:
    old, new = (
        read(text).contract
        for text in (
            example(),
            example(
                ("at_most: 12s", "at_most: 10s"),
                ("version: 3", "version: 4"),
                ("error.ratio: 0.5 points", "error.ratio: 1 point"),
            ),
        )
    )
    assert old is not None
    assert new is not None
    assert differences(old, new) == [
        ("version", "3", "4"),
        (
            "objective slow",
            "latency.p99 at most 12s over 5m, n from 500, page",
            "latency.p99 at most 10s over 5m, n from 500, page",
        ),
        ("regression error.ratio", "0.5 points worse", "1 points worse"),
        (
            "budget slow-calls",
            worded(old)["budget slow-calls"],
            worded(old)["budget slow-calls"].replace("above 12s", "above 10s"),
        ),
    ]
    assert differences(new, new) == []


def test_order_is_no_difference() -> None:
    lines = ["  - {metric: error.ratio, at_most: 2%, severity: page}\n", "  - {metric: ttft.p95, at_most: 1500ms, window: 15m}\n"]
    old = read(example()).contract
    new = read(example((lines[0], ""), (lines[1], lines[0] + lines[1]))).contract
    assert old is not None
    assert new is not None
    assert old.objectives != new.objectives
    assert differences(old, new) == []
    assert old.hash == new.hash
