"""The file that says which evaluators run: what is read, and what is said of a wrong one."""

import json
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
import yaml

from pipeline.app.evaluators import evaluators
from pipeline.errors import SettingsError
from pipeline.evaluators import BaseEvaluator, JSONValidation, Sample, Score
from pipeline.evaluators.configuration import ConfigurationError, evaluators_in
from pipeline.evaluators.registry import DEFAULTS
from pipeline.settings import Settings
from schemas import evaluators as schema
from schemas.documents import render

EXAMPLE = Path("deploy/evaluators.yaml")
OWN = f"{__name__}:Politeness"


class Politeness(BaseEvaluator):
    """A user's own."""

    rules = "1"

    def __init__(self, word: str = "please", name: str = "politeness") -> None:
        if not word:
            raise ValueError("word is to be a word")
        super().__init__(name=name)
        object.__setattr__(self, "word", word)

    async def verdict(self, sample: Sample) -> Score:
        raise NotImplementedError


class Nameless(Politeness):
    """Its name or version can stand in no row."""

    def __init__(self, name: Any = "nameless", said: Any = "1") -> None:
        super().__init__(name=name)
        object.__setattr__(self, "said", said)

    @property
    def version(self) -> Any:
        return self.said


def none() -> None:
    """Makes no evaluator."""


def read(*entries: Any) -> Any:
    return evaluators_in({"evaluators": list(entries)})


def test_without_a_file_the_default_ones_run() -> None:
    found = evaluators(Settings())
    assert tuple(one.evaluator.name for one in found) == DEFAULTS
    assert all(one.rate is None and not one.routes and not one.cohorts and not one.evaluator.judge for one in found)


def test_an_empty_list_is_none() -> None:
    assert read() == []


def test_the_example_is_read_and_keeps_its_schema(tmp_path: Path) -> None:
    text = EXAMPLE.read_text()
    path = tmp_path / "all.yaml"
    found = evaluators(Settings(evaluators=EXAMPLE))
    assert len(found) == 8
    cited = next(one for one in found if one.evaluator.name == "CitationPresence")
    assert (cited.rate, cited.routes, cited.cohorts) == (0.05, {"docs-qa": 1.0, "support-*": 0.1}, {"trial": 0.2})
    assert isinstance(found[4].evaluator, JSONValidation)
    assert [one.evaluator.name for one in found if one.evaluator.judge] == ["Groundedness", "tone", "brevity"]
    path.write_text(
        text.replace("  # - name: pol", "  - name: pol").replace("  #   type: acme.evals:Pol", f"    type: {__name__}:Pol")
    )
    assert [one.evaluator.name for one in evaluators(Settings(evaluators=path))][-1] == "politeness"
    validator = jsonschema_rs.validator_for(json.loads(schema.FILE.read_text()))
    for shown in (text, path.read_text()):
        assert [error.message for error in validator.iter_errors(yaml.safe_load(shown))] == []


def test_the_committed_schema_is_what_the_evaluators_say() -> None:
    assert schema.FILE.read_text() == render(schema.document()), "run `python -m schemas`"
    jsonschema_rs.meta.validate(schema.document())


def test_one_of_the_users_own_is_named_by_its_place() -> None:
    assert read(OWN)[0].evaluator.name == "politeness"
    own = read({"name": "manners", "type": OWN, "word": "thanks"})[0].evaluator
    assert (own.name, own.word) == ("manners", "thanks")


def offer(path: Path, monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    """An installed package that offers an evaluator."""
    info = path / "acme-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: acme\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[tailrace.evaluators]\nacme_politeness = {value}\n")
    monkeypatch.syspath_prepend(str(path))


def test_installed_packages_offer_their_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    offer(tmp_path, monkeypatch, OWN)
    assert isinstance(read({"name": "acme_politeness", "word": "thanks"})[0].evaluator, Politeness)
    with pytest.raises(ConfigurationError, match="did you mean 'acme_politeness'"):
        read("acme_politenes")


def test_an_offer_that_cannot_be_loaded_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    offer(tmp_path, monkeypatch, "acme.gone:Politeness")
    with pytest.raises(ConfigurationError, match=r"acme_politeness of acme\.gone:Politeness cannot be loaded"):
        read("acme_politeness")


WRONG = [
    (["Refusals"], "evaluator 1 (Refusals): no evaluator 'Refusals'; did you mean 'Refusal'?"),
    (["jsonvalidation"], "did you mean 'JSONValidation'?"),
    (["zzz"], "there are groundedness_lexical, JSONValidation"),
    ([{"name": "groundedness_lexical", "treshold": 0.4}], "unknown key 'treshold'; did you mean 'threshold'?"),
    ([{"name": "Refusal", "rates": 0.4}], "unknown key 'rates'; did you mean 'rate'?"),
    ([{"name": "groundedness_lexical", "threshold": "high"}], "threshold: Expected `float`, got `str`"),
    (["Refusal", {"name": "CitationPresence", "rate": 2}], "evaluator 2 (CitationPresence): rate is to be a share from 0 to 1"),
    ([{"name": "Refusal", "rate": True}], "rate is to be a share"),
    ([{"name": "Refusal", "routes": ["a"]}], "routes is to be a mapping"),
    ([{"name": "Refusal", "cohorts": {"a": "b"}}], "cohorts.a is to be a share"),
    ([{"type": "Refusal"}], "evaluator 1: it is to be a name, or a mapping with the key `name`"),
    ([3], "evaluator 1: it is to be a name"),
    ([{"name": "a", "type": 3}], "type is to be the name"),
    (["Refusal", "Refusal"], "two evaluators are called 'Refusal'"),
    ([{"name": "JSONValidation", "schema": {"type": "x"}}], "schema cannot be used"),
    (["acme.evals:Tone"], "acme.evals:Tone cannot be loaded: No module named 'acme'"),
    ([f"{__name__}:Gone"], "cannot be loaded"),
    ([f"{__name__}:EXAMPLE"], "is no class or function"),
    ([f"{__name__}:none"], "it is no evaluator: it has no `name`"),
    ([{"name": OWN, "word": ""}], "word is to be a word"),
    *[
        ([{"name": "own", "type": f"{__name__}:Nameless", "said": said}], "its `version` is to be a text of 1 to 200 characters")
        for said in (7, None, "", "x" * 201, "\ud800")
    ],
    ([{"name": "x" * 201, "type": OWN}], "its `name` is to be a text of 1 to 200 characters"),
    ([{"name": OWN, "wort": ""}], "unknown key 'wort'; did you mean 'word'?"),
    (["Refusal"] * 201, "it has 201 evaluators; 200 are allowed"),
]


@pytest.mark.parametrize(("entries", "message"), WRONG, ids=[message[:40] for _, message in WRONG])
def test_what_is_wrong_is_named_with_what_would_be_right(entries: list[Any], message: str) -> None:
    with pytest.raises(ConfigurationError) as raised:
        read(*entries)
    assert message in str(raised.value)
    assert "\n" not in str(raised.value)


OF_THE_FILE_ALONE = (
    "no evaluator",
    "two evaluators",
    "cannot",
    "is no",
    "it has no",
    "word",
    "wort",
    "there are",
    "is to be a text of",
)


def test_the_schema_refuses_what_the_loader_does() -> None:
    validator = jsonschema_rs.validator_for(schema.document())
    known = [entries for entries, message in WRONG if not any(text in message for text in OF_THE_FILE_ALONE)]
    assert len(known) > 10
    for entries in known:
        if entries != ["jsonvalidation"]:
            assert not validator.is_valid({"evaluators": entries}), entries


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "cannot be read: No such file"),
        ("evaluators: [", "is no YAML"),
        ("", "it is to be a mapping with the one key `evaluators`"),
        ("evaluators: {}\n", "it is to be a mapping with the one key `evaluators`"),
        ("evaluator: []\n", "it is to be a mapping with the one key `evaluators`"),
        ("evaluators: [Refusals]\n", "evaluator 1 (Refusals): no evaluator 'Refusals'"),
        ("#" * (1 << 20 | 1), "is larger than"),
    ],
)
def test_a_wrong_file_is_named(text: str | None, message: str, tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    if text is not None:
        path.write_text(text)
    with pytest.raises(SettingsError) as raised:
        evaluators(Settings(evaluators=path))
    assert f"TAILRACE_EVALUATORS: {path}" in str(raised.value)
    assert message in str(raised.value)
