"""The file that says which evaluators run, on which share of traces, with which options. Read here, once, with clear errors.

    evaluators:
      - name: Groundedness          # as tables show it
        rate: 0.02                  # share of traces; none: the stage's own
        routes: {"support-*": 0.1}  # the same per route, patterns allowed
        threshold: 0.7              # everything else is an option of the evaluator
      - name: polite
        type: acme.evals:Politeness # where it is no name of an evaluator: which it is

`schemas/config/evaluators.json` is its JSON Schema.
"""

import inspect
from dataclasses import is_dataclass
from difflib import get_close_matches
from typing import Any, get_type_hints

import msgspec

from pipeline.evaluators.judging import Judge
from pipeline.evaluators.protocol import Configured, Evaluator
from pipeline.evaluators.registry import DEFAULTS, Maker, maker

OF_THE_STAGE = ("name", "type", "rate", "routes", "cohorts")
"""Keys of an entry that are no options of its evaluator."""

ASKED = "asks"
"""The option by which an evaluator gets the judge; not for files."""

MOST = 200
"""Evaluators of one file."""

LONGEST_NAME = 200
"""Characters of a name or a version."""


class ConfigurationError(ValueError):
    """What is wrong with the file: the entry, the key, and what would be right."""


def evaluators_in(document: Any, judge: Judge | None = None) -> list[Configured]:
    """The evaluators of a file's parsed YAML, None for no file: the DEFAULTS. Raises ConfigurationError, one line.

    judge: who is asked by those that ask; without one their scores are `skipped`.
    """
    if document is None:
        document = {"evaluators": list(DEFAULTS)}
    if not isinstance(document, dict) or set(document) != {"evaluators"} or not isinstance(document["evaluators"], list):
        raise ConfigurationError("it is to be a mapping with the one key `evaluators`, a list")
    entries = document["evaluators"]
    if len(entries) > MOST:
        raise ConfigurationError(f"it has {len(entries)} evaluators; {MOST} are allowed")
    found: list[Configured] = []
    for at, entry in enumerate(entries, 1):
        raw = {"name": entry} if isinstance(entry, str) else entry
        if not isinstance(raw, dict) or not isinstance(raw.get("name"), str) or not raw["name"]:
            raise ConfigurationError(f"evaluator {at}: it is to be a name, or a mapping with the key `name`, not {entry!r:.80}")
        try:
            found.append(_configured(raw, judge))
        except (ConfigurationError, LookupError) as error:
            raise ConfigurationError(f"evaluator {at} ({raw['name']:.80}): {error}") from error
    names = [one.evaluator.name for one in found]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise ConfigurationError(f"two evaluators are called {twice!r}; name one otherwise, with its `type` beside it")
    return found


def _configured(raw: dict[str, Any], judge: Judge | None) -> Configured:
    kind = raw.get("type", raw["name"])
    if not isinstance(kind, str):
        raise ConfigurationError(f"type is to be the name of an evaluator or `package.module:Class`, not {kind!r:.80}")
    options = {key: value for key, value in raw.items() if key not in OF_THE_STAGE}
    if "type" in raw:
        options["name"] = raw["name"]
    evaluator = _made(maker(kind), options, judge)
    rate = None if raw.get("rate") is None else _share("rate", raw["rate"])
    return Configured(evaluator, rate, _shares("routes", raw.get("routes")), _shares("cohorts", raw.get("cohorts")))


def _share(key: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
        raise ConfigurationError(f"{key} is to be a share from 0 to 1, not {value!r:.80}")
    return float(value)


def _shares(key: str, value: Any) -> dict[str, float]:
    if value is None:
        return {}
    if not isinstance(value, dict) or not all(isinstance(name, str) for name in value):
        raise ConfigurationError(f'{key} is to be a mapping of patterns to shares, such as {{"support-*": 0.1}}')
    return {name: _share(f"{key}.{name:.80}", share) for name, share in value.items()}


def _made(make: Maker, options: dict[str, Any], judge: Judge | None) -> Evaluator:
    """The evaluator with its options, each of the type that it is declared with."""
    taken = _parameters(make)
    known = [name for name in taken if name not in (ASKED, "name", "**")]
    for key in options:
        if key not in taken and "**" not in taken:
            near = next(iter(get_close_matches(str(key), [*known, *OF_THE_STAGE], 1)), "")
            there = f"; did you mean {near!r}?" if near else f"; there are {', '.join([*OF_THE_STAGE, *known])}"
            raise ConfigurationError(f"unknown key {key!r:.80}{there}")
        if key == ASKED:
            raise ConfigurationError(f"unknown key {key!r}")
    typed = {key: _typed(key, value, taken.get(key, Any)) for key, value in options.items()}
    try:
        evaluator = make(**typed, **({ASKED: judge} if ASKED in taken else {}))
    except (TypeError, ValueError) as error:
        raise ConfigurationError(str(error)) from error
    for name in ("name", "version", "needs", "judge", "judged"):
        if not hasattr(evaluator, name):
            raise ConfigurationError(f"it is no evaluator: it has no `{name}`")
    for name in ("name", "version"):
        if not _is_name(getattr(evaluator, name)):
            raise ConfigurationError(f"its `{name}` is to be a text of 1 to {LONGEST_NAME} characters")
    return evaluator


def _is_name(value: Any) -> bool:
    """Whether it can stand in every row of scores: one that cannot would make all of them unreadable."""
    return isinstance(value, str) and 0 < len(value) <= LONGEST_NAME and not any("\ud800" <= c <= "\udfff" for c in value)


def _parameters(make: Maker) -> dict[str, Any]:
    """What it takes, by name, with types; `**` for whatever else."""
    hints: dict[str, Any] = get_type_hints(make) if is_dataclass(make) else {}
    found = {}
    for name, one in inspect.signature(make).parameters.items():
        key = "**" if one.kind is inspect.Parameter.VAR_KEYWORD else name
        found[key] = hints.get(name, Any)
    return found


def _typed(key: str, value: Any, wanted: Any) -> Any:
    try:
        return msgspec.convert(value, wanted)
    except msgspec.ValidationError as error:
        raise ConfigurationError(f"{key}: {error}") from error
