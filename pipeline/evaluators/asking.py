"""A question as the messages a judge gets, and the judge's answer as a verdict. Pure; what is random is an argument.

A judge's answer is a stranger's text: it is no verdict unless it is JSON, an object of exactly the keys that were asked for, with
a label of the set, or a number on the scale. Anything else is `invalid`, and never a value.
"""

from collections.abc import Callable
from typing import Any

import orjson

from pipeline.evaluators.judging import Question, Verdict
from pipeline.evaluators.prompts import COMMON
from pipeline.model.scores import ScoreStatus

MAX_ANSWER_CHARS = 1 << 16
"""A longer answer of a judge is no verdict."""


def boundary(question: Question, draw: Callable[[], str]) -> str:
    """A boundary that stands nowhere in what is judged. draw: gives a random text, anew at each call."""
    while True:
        drawn = draw()
        if not any(drawn in text for _, text in question.evidence):
            return drawn


def messages(question: Question, drawn: str) -> list[dict[str, str]]:
    """The rules, with the boundary at their end, and the parts between it."""
    parts = [f"{drawn} begin {name}\n{text}\n{drawn} end {name}" for name, text in question.evidence]
    rules = f"{COMMON}\n\n{question.system}\n\n{form(question)}\n\nThe boundary of this message is {drawn}"
    return [{"role": "system", "content": rules}, {"role": "user", "content": "\n\n".join(parts)}]


def form(question: Question) -> str:
    """The form of the verdict in words, for servers that do not hold their model to a schema."""
    said = f'"label": one of {", ".join(question.labels)}' if question.labels else f'"score": a number, {_scale(question)}'
    return f'Answer with a JSON object of two keys, and nothing else: "reasoning": a text, then {said}.'


def _scale(question: Question) -> str:
    return f"{question.scale[0]:g} at least and {question.scale[1]:g} at most"


def verdict_key(question: Question) -> str:
    """What the verdict is called in the judge's answer."""
    return "label" if question.labels else "score"


def response_format(question: Question) -> dict[str, Any]:
    """The form that is asked for. Strict servers refuse bounds of numbers, so those are checked when it is read."""
    wanted: dict[str, Any] = {"enum": list(question.labels)} if question.labels else {"type": "number"}
    if question.labels:
        wanted["type"] = "string"
    key = verdict_key(question)
    schema = {
        "type": "object",
        "additionalProperties": False,
        "required": ["reasoning", key],
        "properties": {"reasoning": {"type": "string"}, key: wanted},
    }
    return {"type": "json_schema", "json_schema": {"name": "verdict", "strict": True, "schema": schema}}


def invalid(reason: str) -> Verdict:
    """No verdict."""
    return Verdict(ScoreStatus.INVALID, reason=reason)


def read_verdict(content: Any, question: Question) -> Verdict:
    """What a judge's answer says, `invalid` with a reason of ours if it is no verdict."""
    if not isinstance(content, str) or not content:
        return invalid("the judge's answer has no text")
    if len(content) > MAX_ANSWER_CHARS:
        return invalid("the judge's answer is too long")
    try:
        said = orjson.loads(content)
    except ValueError:
        return invalid("the judge's answer is no JSON")
    return _read(said, question)


def _read(said: Any, question: Question) -> Verdict:
    key = verdict_key(question)
    if not isinstance(said, dict) or set(said) != {"reasoning", key} or not isinstance(said["reasoning"], str):
        return invalid("the judge's answer has another form")
    found = said[key]
    if question.labels:
        if not isinstance(found, str) or found not in question.labels:
            return invalid("the judge's label is none of those to choose from")
        return Verdict(ScoreStatus.OK, label=found, explanation=said["reasoning"])
    if type(found) not in (int, float):
        return invalid("the judge's score is no number")
    if not question.scale[0] <= found <= question.scale[1]:
        return invalid("the judge's score lies outside its scale")
    return Verdict(ScoreStatus.OK, score=float(found), explanation=said["reasoning"])
