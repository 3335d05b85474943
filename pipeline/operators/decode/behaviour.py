"""How the model behaved, of every call of a language model that was answered: did it refuse.

The answers are many different texts: they are read where they lie, each once, and all that is kept of one is a truth value. Null
where nothing can be said: the call failed, no answer is on the span, its language is none that the rules know.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from pipeline.operators.behaviour.refusal import HEAD_CHARS, ends_in_tools, ends_refused, read_refusal
from pipeline.operators.decode.answers import Answers, Flags, answers
from pipeline.operators.decode.conversation import Answer
from pipeline.operators.decode.resolve import Column, Resolver
from pipeline.operators.dialects.paths import Path

UNKNOWN = frozenset({"", "und", "unknown"})
"""Languages that are none."""


def behaviour(resolver: Resolver, fields: Mapping[str, Sequence[Path]], columns: Mapping[str, Column]) -> dict[str, Column]:
    """The columns of behaviour: true, false, or None where it does not apply.

    columns: of the same rows, kind, status, finish_reason and language.
    """
    wanted = (columns["kind"] == "llm") & (columns["status"] != "error")
    refusal = np.full(len(wanted), None, object)
    if np.count_nonzero(wanted):
        refusal[wanted] = [verdict for verdict, _ in _refusals(answers(resolver, fields, wanted), columns, wanted)]
    return {"refusal": refusal, **{name: np.full(len(wanted), None, object) for name in ("citation", "schema_valid")}}


def told_behaviour(resolver: Resolver, fields: Mapping[str, Sequence[Path]], row: Mapping[str, Any]) -> dict[str, str]:
    """Per column why the one row of `resolver` has what it has, in words that hold nothing of the answer. Of no call nothing."""
    if row["kind"] != "llm":
        return {}
    if row["status"] == "error":
        return {"refusal": FAILED}
    columns = {name: np.array([row[name]], object) for name in ("finish_reason", "language")}
    wanted = np.ones(1, bool)
    return {"refusal": _refusals(answers(resolver, fields, wanted), columns, wanted)[0][1]}


NO_ANSWER = "no answer is on the span"
FAILED = "the call failed"
READS = f"its first {HEAD_CHARS} characters read as a refusal"
READS_NOT = f"its first {HEAD_CHARS} characters do not read as a refusal"


def _refusals(told: Answers, columns: Mapping[str, Column], wanted: Flags) -> list[tuple[bool | None, str]]:
    """Of the rows that are `wanted` the verdicts and why; each distinct case is judged once."""
    cases = list(
        zip(told.codes[wanted].tolist(), *(columns[name][wanted].tolist() for name in ("finish_reason", "language")), strict=True)
    )
    once = {case: refusal_of(told.found[case[0]] if case[0] >= 0 else None, *case[1:]) for case in set(cases)}
    return [once[case] for case in cases]


def refusal_of(answer: Answer | None, finish_reason: str, language: str) -> tuple[bool | None, str]:
    """Whether an answer refuses, and which rule says so. language: as the row has it."""
    if ends_refused(finish_reason):
        return True, f"it ended with {finish_reason}"
    if answer is None:
        return None, NO_ANSWER
    if answer.refused or answer.blocked:
        return True, "a field says that it is a refusal" if answer.refused else "the provider held it back"
    verdict, why = _of_text(answer.text, "" if language.lower() in UNKNOWN else language)
    if verdict is None and (answer.tools or ends_in_tools(finish_reason)):
        return False, "it calls tools"
    return verdict, why


def _of_text(text: str, language: str) -> tuple[bool | None, str]:
    if not text:
        return None, NO_ANSWER
    verdict = read_refusal(text, language)
    if verdict is not None:
        return verdict, READS if verdict else READS_NOT
    if language:
        return None, f"the language is {language}, of which the rules know nothing"
    return None, "its language is unknown, and it does not look English"
