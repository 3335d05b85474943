"""How far an evaluator can be believed: run over answers that people have judged, and compared with what they said."""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import orjson

from pipeline.app.evaluators import evaluators
from pipeline.app.judging import judge_of
from pipeline.errors import SettingsError
from pipeline.evaluators.configuration import ConfigurationError, evaluators_in
from pipeline.evaluators.fields import KNOWN, sample_of
from pipeline.evaluators.judge_evaluator import NO_JUDGE, JudgeEvaluator
from pipeline.evaluators.protocol import Evaluator
from pipeline.model.samples import Sample
from pipeline.model.scores import Score
from pipeline.operators.agreement import accuracy, auroc, bias, kappa
from pipeline.operators.prediction_powered import LEAST, Corrected, corrected_mean
from pipeline.settings import Settings

AT_ONCE = 256
"""Samples that are judged at once; the judge's own limit of calls holds below it."""

MAX_LINE_BYTES = 8 << 20
TRUE, FALSE = "passed", "failed"

Progress = Callable[[int, int], None]
"""Told how many of how many are judged."""


@dataclass(frozen=True, slots=True)
class Labelled:
    """A sample and what people say: a label of the evaluator's, "" for none, and a value, None where nothing is to judge."""

    sample: Sample
    label: str
    value: float | None


@dataclass(frozen=True, slots=True)
class Calibration:
    """What came of it. statuses: how many judgements had which. compared: lines on which both have a value.

    on: what accuracy and kappa compare, `labels` or passed and failed. bias: the evaluator's mean less people's. NaN: not
    known. cost_nusd: None where the judge's model has no price.
    """

    evaluator: str
    version: str
    lines: int
    statuses: dict[str, int]
    compared: int
    on: str
    accuracy: float
    kappa: float
    people_mean: float
    evaluator_mean: float
    bias: float
    auroc: float
    judge_tokens: int
    cost_nusd: int | None
    corrected: Corrected | None


def calibrate(settings: Settings, path: Path, name: str, everything: float | None, count: int, progress: Progress) -> Calibration:
    """Judge the lines of `path` by the evaluator `name` of the settings, or as it is by default.

    everything, count: the evaluator's mean over that many samples nobody labelled, which is then corrected. Raises SettingsError
    for a file, a line or an evaluator that cannot be used.
    """
    judge = judge_of(settings)
    found = [one.evaluator for one in evaluators(settings, judge) if one.evaluator.name == name]
    try:
        evaluator = found[0] if found else evaluators_in({"evaluators": [name]}, judge)[0].evaluator
    except ConfigurationError as error:
        raise SettingsError(str(error)) from None
    if evaluator.judge and judge is None:
        raise SettingsError(f"{NO_JUDGE}: {name} asks one; set TAILRACE_JUDGE_URL and TAILRACE_JUDGE_MODEL")
    values = dict(evaluator.rubric.labels) if isinstance(evaluator, JudgeEvaluator) else {}
    lines = list(labelled(path, values))

    async def judged() -> list[Score]:
        try:
            return await _all(evaluator, [line.sample for line in lines], progress)
        finally:
            if judge is not None:
                await judge.close()

    return compared(evaluator, lines, asyncio.run(judged()), everything, count)


async def _all(evaluator: Evaluator, samples: list[Sample], progress: Progress) -> list[Score]:
    """A score a sample, in their order."""
    slots, done = asyncio.Semaphore(AT_ONCE), 0

    async def one(sample: Sample) -> Score:
        nonlocal done
        async with slots:
            score = await evaluator.judged(sample)
        done += 1
        progress(done, len(samples))
        return score

    return list(await asyncio.gather(*map(one, samples)))


def labelled(path: Path, values: dict[str, float | None]) -> Iterator[Labelled]:
    """The lines of a file: the fields of a sample, and `label` or `score` or both. values: of the labels.

    Raises SettingsError naming the line.
    """
    try:
        with path.open("rb") as file:
            for at, line in enumerate(file, 1):
                if line.strip():
                    yield _line(line, f"{path}, line {at}", values)
    except OSError as error:
        raise SettingsError(f"{path} cannot be read: {error.strerror}") from None


def _line(line: bytes, where: str, values: dict[str, float | None]) -> Labelled:
    if len(line) > MAX_LINE_BYTES:
        raise SettingsError(f"{where} is longer than {MAX_LINE_BYTES:,} bytes")
    try:
        raw = orjson.loads(line)
    except ValueError:
        raise SettingsError(f"{where} is no JSON") from None
    if not isinstance(raw, dict) or not {"label", "score"} & set(raw):
        raise SettingsError(f"{where} is to be an object with `label` or `score` beside {', '.join(KNOWN)}")
    said, given = raw.pop("label", None), raw.pop("score", None)
    try:
        sample = sample_of(raw)
    except TypeError as error:
        raise SettingsError(f"{where}: {error}") from None
    label, value = _label(said, where, values)
    if given is not None:
        if isinstance(given, bool) or not isinstance(given, int | float) or not 0 <= given <= 1:
            raise SettingsError(f"{where}: score is to be a number from 0 to 1, 1 is best")
        value = float(given)
    return Labelled(sample, label, value)


def _label(said: Any, where: str, values: dict[str, float | None]) -> tuple[str, float | None]:
    """A label of the evaluator's own and its value, or what passed and failed come to."""
    if said is None:
        return "", None
    if isinstance(said, str) and said in values:
        return said, values[said]
    if said in (True, TRUE):
        return "", 1.0
    if said in (False, FALSE):
        return "", 0.0
    known = ", ".join([*values, TRUE, FALSE])
    raise SettingsError(f"{where}: label is to be one of {known}, true or false")


def compared(
    evaluator: Evaluator, lines: list[Labelled], scores: list[Score], everything: float | None, count: int
) -> Calibration:
    """What people and evaluator say, side by side."""
    both = [
        (line.value, score.value)
        for line, score in zip(lines, scores, strict=True)
        if line.value is not None and score.value is not None
    ]
    people, found = [value for value, _ in both], [value for _, value in both]
    threshold = float(getattr(evaluator, "threshold", 0.5))
    words = [(line.label, score.label) for line, score in zip(lines, scores, strict=True) if line.label and score.label]
    on_labels = bool(words) and all(line.label for line in lines)
    if not on_labels:
        words = [(TRUE if a >= threshold else FALSE, TRUE if b >= threshold else FALSE) for a, b in both]
    theirs, ours = [a for a, _ in words], [b for _, b in words]
    costs = [score.judge_cost_nusd for score in scores if score.judge_input_tokens]
    known = [cost for cost in costs if cost is not None]
    enough = everything is not None and len(both) >= LEAST
    return Calibration(
        evaluator=evaluator.name,
        version=evaluator.version,
        lines=len(lines),
        statuses=dict(Counter(score.status.value for score in scores)),
        compared=len(both),
        on="labels" if on_labels else "passed",
        accuracy=accuracy(theirs, ours),
        kappa=kappa(theirs, ours),
        people_mean=sum(people) / len(people) if people else float("nan"),
        evaluator_mean=sum(found) / len(found) if found else float("nan"),
        bias=bias(people, found),
        auroc=auroc([value >= threshold for value in people], found),
        judge_tokens=sum(score.judge_input_tokens + score.judge_output_tokens for score in scores),
        cost_nusd=sum(known) if len(known) == len(costs) else None,
        corrected=corrected_mean(people, found, everything, count) if enough and everything is not None else None,
    )


def told(done: Calibration) -> dict[str, Any]:
    """As JSON."""
    return {
        field.name: _plain(getattr(done, field.name)) if field.name != "corrected" else _corrected(done.corrected)
        for field in fields(done)
    }


def _corrected(found: Corrected | None) -> dict[str, float] | None:
    return None if found is None else {field.name: getattr(found, field.name) for field in fields(found)}


def _plain(value: Any) -> Any:
    return None if isinstance(value, float) and value != value else value  # noqa: PLR0124 - NaN
