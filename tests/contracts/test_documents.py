"""What the documents name exists: tests, files, commands, verbs, settings, topics, reasons, links; examples work.

A document that names something gone is wrong, so it fails here and not with the reader.
"""

import ast
import re
import shlex
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml

from pipeline.cli import app
from pipeline.connectors.clickhouse import query
from pipeline.model.reasons import Reason
from pipeline.operators.dialects.series import SERIES_COLUMNS, read_series
from pipeline.operators.pricing.billing import who_bills
from pipeline.operators.pricing.bundled import BundledBook
from pipeline.operators.pricing.own import OwnBook
from pipeline.operators.pricing.price import STANDARD, Price
from pipeline.settings import Settings
from pipeline.topics import topics

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
TEXTS = {str(path.relative_to(ROOT)): path.read_text() for path in DOCUMENTS}
RUNBOOK, SPANS, GUARANTEES = TEXTS["docs/runbook.md"], TEXTS["docs/spans.md"], TEXTS["docs/guarantees.md"]
MAKEFILE = (ROOT / "Makefile").read_text()

FENCE = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
TEST = re.compile(r"(tests/[\w/]+\.py)::(\w+)")
TOP = {path.name for path in ROOT.iterdir()} - {".local"}
"""What may stand at the beginning of a path of ours. What is made at run time is not there for certain."""

OF_TESTS_AND_LOGS = {"TAILRACE_LOG", "TAILRACE_SIM_RUNS", "TAILRACE_FUZZ_EXAMPLES"}


def fenced(text: str, language: str) -> list[str]:
    """The blocks of code in a language."""
    return [code for said, code in FENCE.findall(text) if said == language]


def inline(text: str) -> list[str]:
    """What stands between single backticks."""
    return re.findall(r"`([^`\n]+)`", FENCE.sub("", text))


def commands(text: str) -> Iterator[list[str]]:
    """Every `tailrace …`, as words: in blocks of shell and inline. Options to shells and make are not ours."""
    lines = [line for block in fenced(text, "sh") for line in block.splitlines()]
    for line in [*lines, *inline(text)]:
        if line.startswith("tailrace ") and "…" not in line:
            yield shlex.split(line, comments=True)[1:]


def anchor(heading: str) -> str:
    """The fragment that a heading gets."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


@pytest.mark.parametrize("name", TEXTS)
def test_named_test_exists(name: str) -> None:
    for file, test in TEST.findall(TEXTS[name]):
        tree = ast.parse((ROOT / file).read_text())
        assert test in {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}, f"{file}::{test}"


@pytest.mark.parametrize("name", TEXTS)
def test_named_file_exists(name: str) -> None:
    for text in inline(TEXTS[name]):
        path = text.partition("::")[0]
        if path.partition("/")[0] in TOP and re.fullmatch(r"[\w./-]+", path):
            assert (ROOT / path).exists(), path


@pytest.mark.parametrize("name", TEXTS)
def test_link_leads_somewhere(name: str) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", TEXTS[name]):
        if target.startswith("https://"):
            continue
        file, _, fragment = target.partition("#")
        path = (ROOT / name).parent / file if file else ROOT / name
        assert path.exists(), target
        headings = re.findall(r"^#+ (.+)$", path.read_text(), re.MULTILINE) if fragment else []
        assert not fragment or fragment in map(anchor, headings), target


@pytest.mark.parametrize("name", TEXTS)
def test_named_command_exists(name: str) -> None:
    for words in commands(TEXTS[name]):
        options, rest = {"--help"}, list(words)
        command: Any = typer.main.get_command(app)
        while command is not None:
            options |= {option for param in command.params for option in param.opts}
            below = getattr(command, "commands", {})
            assert not below or not rest or rest[0] in below or rest[0] in options, words
            command = below.get(rest.pop(0)) if rest else None
        assert {word for word in words if word.startswith("--")} <= options, words


@pytest.mark.parametrize("name", TEXTS)
def test_named_verb_exists(name: str) -> None:
    verbs = set(re.findall(r"^([a-z]+):.*##", MAKEFILE, re.MULTILINE))
    said = [line for block in fenced(TEXTS[name], "sh") for line in block.splitlines()] + inline(TEXTS[name])
    for line in said:
        if found := re.match(r"make ([a-z]+)\b", line):
            assert found[1] in verbs, line


@pytest.mark.parametrize("name", TEXTS)
def test_named_setting_exists(name: str) -> None:
    known = {f"TAILRACE_{field.upper()}" for field in Settings.model_fields} | OF_TESTS_AND_LOGS
    assert set(re.findall(r"TAILRACE_[A-Z_]+", TEXTS[name])) <= known


@pytest.mark.parametrize("name", TEXTS)
def test_named_topic_exists(name: str) -> None:
    settings = Settings()
    known = {settings.topic(key) for key in topics()}
    assert set(re.findall(r"tailrace\.[a-z-]+\.v\d+", TEXTS[name])) <= known


def test_defaults_in_the_documents_are_the_settings() -> None:
    rows = re.findall(r"^\| `TAILRACE_([A-Z_]+)` \| ([\d.]+) \|", TEXTS["docs/settings.md"], re.MULTILINE)
    assert rows
    assert all(Settings.model_fields[name.lower()].default == float(value) for name, value in rows)


def test_every_reason_has_its_heading_and_query() -> None:
    section = RUNBOOK.partition("\n## Reasons\n")[2]
    parts = re.split(r"^### (.+)$", section, flags=re.MULTILINE)
    said = dict(zip(parts[1::2], parts[2::2], strict=True))
    assert list(said) == [reason.value for reason in Reason]
    assert all(fenced(text, "sql") for text in said.values())


def test_every_guarantee_names_a_test() -> None:
    table = GUARANTEES.partition("\n## Guarantees\n")[2].partition("\n## ")[0]
    rows = [line for line in table.splitlines() if line.startswith("|")][2:]
    assert rows
    assert all(TEST.search(row) for row in rows)


def test_exporter_is_that_of_the_collector_we_ship() -> None:
    examples = map(yaml.safe_load, fenced(TEXTS["README.md"], "yaml"))
    shown = next(raw for raw in examples if "exporters" in raw)["exporters"]["kafka"]
    shipped = yaml.safe_load((ROOT / "deploy/otel/collector.yaml").read_text())["exporters"]["kafka"]
    assert {key: shipped[key] for key in shown if key != "brokers"} == {key: shown[key] for key in shown if key != "brokers"}


def test_series_and_price_files_are_accepted() -> None:
    series = next(raw for raw in map(yaml.safe_load, fenced(SPANS, "yaml")) if "route" in raw)
    (prices,) = map(yaml.safe_load, fenced(TEXTS["docs/measures.md"], "yaml"))
    assert read_series(series).keys() == SERIES_COLUMNS.keys()
    book = OwnBook.over(BundledBook(), prices)
    bill = who_bills("openai", ("gpt-4o-mini-2024-07-18",), "", book.knows)
    price = book.price(bill, STANDARD, 1_790_000_000_000_000_000)
    assert isinstance(price, Price)
    assert price.tiers[0].input == 120_000


def test_default_paths_in_the_documents_are_those_of_the_code() -> None:
    said = {row[0]: re.findall(r"`([^`]+)`", row[1]) for row in re.findall(r"^\| (\w+) \| (`.+`) \|$", SPANS, re.MULTILINE)}
    assert read_series({column: said[column] for column in SERIES_COLUMNS}) == SERIES_COLUMNS


def test_every_library_has_its_reason_and_licence() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    listed = [*project["project"]["dependencies"], *project["dependency-groups"]["dev"]]
    wanted = {found[0] for text in listed if (found := re.match(r"[\w.-]+", text))}
    rows = re.findall(r"^\| ([\w., -]+) \| .+ \| [^|]+ \|$", TEXTS["docs/adr/0003-libraries.md"], re.MULTILINE)
    assert wanted <= {name for row in rows for name in row.split(", ")}


def test_decisions_are_numbered_without_a_gap() -> None:
    numbers = [int(name.removeprefix("docs/adr/")[:4]) for name in TEXTS if name.startswith("docs/adr/")]
    assert numbers == list(range(1, len(numbers) + 1))


def test_every_query_runs(with_schema: Settings) -> None:
    blocks = [block for text in TEXTS.values() for block in fenced(text, "sql")]
    asked = [words[1] for text in TEXTS.values() for words in commands(text) if words[0] == "query" and len(words) > 1]
    assert len(blocks) > len(Reason)
    for sql in [*blocks, *asked]:
        names, _ = query(with_schema, sql)
        assert names, sql
