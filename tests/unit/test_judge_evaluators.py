"""What evaluators ask a judge and what they make of verdicts; no judge is needed for that."""

import asyncio
import re
from dataclasses import replace
from typing import Any

import pytest

from pipeline.evaluators import (
    CustomEvaluation,
    FactualAccuracy,
    Groundedness,
    HallucinationScore,
    JudgeEvaluator,
    Sample,
    ScoreStatus,
    TaskCompletion,
)
from pipeline.evaluators.asking import boundary, messages, read_verdict, response_format
from pipeline.evaluators.configuration import ConfigurationError, evaluators_in
from pipeline.evaluators.judging import Judge, Question, Verdict
from pipeline.evaluators.prompts import NAMES, RUBRICS
from pipeline.evaluators.registry import OURS
from pipeline.model.samples import ToolCall

SAMPLE = Sample(input="How long?", output="For 24 months.", context=("It covers 24 months.", "Returns are free."))


def ok(label: str = "", score: float | None = None, **more: Any) -> Verdict:
    return Verdict(ScoreStatus.OK, label, score, **({"input_tokens": 10, "output_tokens": 2, "cost_nusd": 5} | more))


class Named:
    """A judge that is never asked."""

    def __init__(self, model: str) -> None:
        self.model = model
        self.longest = 60.0

    async def ask(self, question: Question) -> Verdict:
        raise AssertionError(question)

    def most_nusd(self, question: Question) -> int | None:
        return len(question.evidence)


@pytest.mark.parametrize("name", RUBRICS)
def test_every_rubric_is_an_evaluator_with_labels_from_best_to_worst(name: str) -> None:
    evaluator, rubric = OURS[name](), RUBRICS[name]
    assert isinstance(evaluator, JudgeEvaluator)
    assert evaluator.judge
    assert evaluator.name == name
    assert evaluator.needs == set(rubric.needs) <= set(rubric.shows) <= set(NAMES)
    values = [value for value in rubric.labels.values() if value is not None]
    assert (values[0], values[-1]) == (1.0, 0.0)
    assert values == sorted(values, reverse=True)
    assert re.findall(r"^(\w+): ", rubric.words, re.MULTILINE) == list(rubric.labels)


def test_one_is_no_hallucination() -> None:
    labels = HallucinationScore().rubric.labels
    assert (labels["nothing_made_up"], labels["made_up"]) == (1.0, 0.0)


@pytest.mark.parametrize("name", RUBRICS)
def test_without_a_judge_nothing_is_said(name: str) -> None:
    score = asyncio.run(OURS[name]().judged(SAMPLE))
    assert (score.status, score.value, score.reason) == (ScoreStatus.SKIPPED, None, "no judge is configured")


def test_nobody_is_asked_of_what_lacks_what_is_needed_or_is_too_long() -> None:
    asks = Named("m")
    lacking, long = replace(SAMPLE, context=()), replace(SAMPLE, output="x" * 1_000_000)
    for sample, reason in ((lacking, "no documents"), (long, "longer than")):
        score = asyncio.run(Groundedness(asks=asks).judged(sample))
        assert score.status is ScoreStatus.SKIPPED
        assert reason in score.reason
        assert Groundedness(asks=asks).most_nusd(sample) == 0
    assert Groundedness(asks=asks, folds=3).most_nusd(SAMPLE) == 9
    assert Groundedness().most_nusd(SAMPLE) == 0
    assert (Groundedness(asks=asks).longest, Groundedness().longest) == (60, 0)


def test_a_question_shows_the_fields_that_are_there_by_their_names() -> None:
    question = Groundedness().question(SAMPLE)
    assert question.evidence == (
        ("question", "How long?"),
        ("documents", "[1] It covers 24 months.\n\n[2] Returns are free."),
        ("answer", "For 24 months."),
    )
    tools = replace(SAMPLE, context=(), tools=(ToolCall("search", "{}", "found"),))
    assert dict(TaskCompletion().question(tools).evidence)["tool calls"] == "search({}) -> found"
    assert "reference answer" not in dict(FactualAccuracy().question(SAMPLE).evidence)
    assert dict(FactualAccuracy().question(replace(SAMPLE, reference="24")).evidence)["reference answer"] == "24"


def test_a_boundary_that_stands_in_the_text_is_drawn_again() -> None:
    question = Question("?", (("answer", "… aaaa …"), ("documents", "bbbb")), ("good", "bad"))
    draws = iter(["aaaa", "bbbb", "cccc"])
    assert boundary(question, lambda: next(draws)) == "cccc"


def test_the_rules_name_the_boundary_and_hold_nothing_of_what_is_judged() -> None:
    system, user = messages(Groundedness().question(SAMPLE), "cafe")
    assert (system["role"], user["role"]) == ("system", "user")
    assert system["content"].endswith("The boundary of this message is cafe")
    assert "24 months" not in system["content"]
    assert user["content"].startswith("cafe begin question\nHow long?\ncafe end question\n\ncafe begin documents\n")
    assert "supported, partly_supported, unsupported, claims_nothing" in system["content"]


def test_a_scale_is_asked_for_without_bounds_that_strict_servers_refuse() -> None:
    question = CustomEvaluation(prompt="How polite?", scale=(1.0, 5.0)).question(SAMPLE)
    assert response_format(question)["json_schema"]["schema"]["properties"]["score"] == {"type": "number"}
    assert "from 1 to 5; 5 is best" in question.system
    assert read_verdict('{"reasoning": "", "score": 5}', question).score == 5
    assert read_verdict('{"reasoning": "", "score": 5.01}', question).status is ScoreStatus.INVALID
    assert read_verdict('{"reasoning": "", "score": NaN}', question).status is ScoreStatus.INVALID


def test_a_label_has_its_value_and_a_threshold() -> None:
    score = Groundedness(threshold=0.6).scored([ok("partly_supported", model="m-1")], "m")
    assert (score.value, score.passed, score.label, score.judge_model) == (0.5, False, "partly_supported", "m-1")
    assert (score.judge_input_tokens, score.judge_output_tokens, score.judge_cost_nusd) == (10, 2, 5)
    assert score.prompt_hash == Groundedness().prompt_hash


def test_a_number_is_placed_on_its_scale() -> None:
    evaluator = CustomEvaluation(prompt="How polite?", scale=(1.0, 5.0))
    assert evaluator.scored([ok(score=4.0), ok(score=5.0)], "m").value == pytest.approx(0.875)


def test_a_label_by_which_there_is_nothing_to_judge_has_no_value() -> None:
    score = Groundedness().scored([ok("claims_nothing")], "m")
    assert (score.status, score.value, score.label, score.judge_cost_nusd) == (ScoreStatus.SKIPPED, None, "claims_nothing", 5)


def test_several_askings_give_the_label_of_most_and_the_mean() -> None:
    score = Groundedness(folds=3).scored([ok("supported"), ok("unsupported"), ok("supported")], "m")
    assert (score.label, score.value, score.passed) == ("supported", pytest.approx(2 / 3), True)
    assert (score.judge_input_tokens, score.judge_output_tokens, score.judge_cost_nusd) == (30, 6, 15)


def test_of_equally_many_the_less_flattering_label_counts() -> None:
    assert Groundedness(folds=2).scored([ok("supported"), ok("unsupported")], "m").label == "unsupported"


def failed(reason: str = "the judge answered with HTTP 500", **more: Any) -> Verdict:
    return Verdict(ScoreStatus.FAILED, reason=reason, **more)


def test_more_than_half_must_give_a_verdict() -> None:
    most = Groundedness(folds=3).scored([ok("supported"), failed(), ok("supported")], "m")
    assert (most.value, most.judge_cost_nusd) == (1.0, None)
    half = Groundedness(folds=2).scored([ok("supported"), failed()], "m")
    assert (half.status, half.value, half.reason) == (ScoreStatus.FAILED, None, "the judge answered with HTTP 500")
    assert half.judge_input_tokens == 10
    timeouts = [Verdict(ScoreStatus.TIMEOUT, reason="late")] * 2
    assert Groundedness(folds=3).scored([failed(), *timeouts], "m").status is ScoreStatus.TIMEOUT


def test_the_judges_words_are_kept_only_where_asked_for_and_cut() -> None:
    verdict = ok("supported", explanation="x" * 5000)
    assert Groundedness().scored([verdict], "m").explanation == ""
    assert Groundedness(explain=True).scored([verdict], "m").explanation == "x" * 1000


def test_the_version_changes_with_what_may_change_a_verdict() -> None:
    def versions(judge: Judge | None) -> set[str]:
        made = [Groundedness(asks=judge), Groundedness(asks=judge, threshold=0.7), Groundedness(asks=judge, folds=3)]
        custom = [CustomEvaluation(prompt=words, asks=judge) for words in ("Is it good?", "Is it bad?")]
        return {one.version for one in [*made, *custom]}

    assert len(versions(Named("a")) | versions(Named("b"))) == 10
    plain = Groundedness(asks=Named("a"))
    assert plain.version == Groundedness(asks=Named("a"), explain=True, name="other").version
    labels = {"yes": 1.0, "no": 0.0}
    first, second = (CustomEvaluation(prompt="?", labels=one) for one in (labels, labels | {"no": 0.1}))
    assert first.prompt_hash != second.prompt_hash


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"prompt": " "}, "prompt is to be a text"),
    ({"prompt": "Is {{output}} good?"}, "placeholder {{output}}; write `the answer`"),
    ({"labels": {"a": 1}}, "from 2 to 20 words"),
    ({"labels": {"a": 1, "b": 2}}, "labels.b is to have a value from 0 to 1"),
    ({"labels": {"a": None, "b": None}}, "one of the labels"),
    ({"labels": {"a": 1, "b": 0}, "scale": [1, 5]}, "labels or a scale"),
    ({"scale": [5, 1]}, "lowest and the highest"),
    ({"scale": [1]}, "scale: Expected `array` of length 2"),
    ({"shows": ["outputs"]}, "shows and requires are to be of input, output"),
    ({"shows": ["input"]}, "among what it shows"),
    ({"folds": 0}, "folds is to be from 1 to 15"),
    ({"folds": 1.5}, "folds: Expected `int`"),
    ({"threshold": 2}, "threshold is to be from 0 to 1"),
    ({"asks": "me"}, "unknown key 'asks'"),
    ({"propmt": "x"}, "did you mean 'prompt'?"),
]


@pytest.mark.parametrize(("options", "message"), WRONG, ids=[message for _, message in WRONG])
def test_an_option_that_cannot_be_meant_is_named(options: dict[str, Any], message: str) -> None:
    entry = {"name": "mine", "type": "CustomEvaluation", "prompt": "Is it good?"} | options
    with pytest.raises(ConfigurationError) as raised:
        evaluators_in({"evaluators": [entry]})
    assert "evaluator 1 (mine): " in str(raised.value)
    assert message in str(raised.value)


def test_a_prompt_is_needed() -> None:
    with pytest.raises(ConfigurationError, match="prompt"):
        evaluators_in({"evaluators": ["CustomEvaluation"]})


def test_the_file_gives_the_judge_to_those_that_ask() -> None:
    judge = Named("m")
    entry = {
        "name": "tone",
        "type": "CustomEvaluation",
        "prompt": "Is it kind?",
        "labels": {"kind": 1, "unkind": 0, "empty": None},
    }
    found = [one.evaluator for one in evaluators_in({"evaluators": ["Refusal", "Groundedness", entry]}, judge)]
    assert [getattr(one, "asks", None) for one in found] == [None, judge, judge]
    assert (found[2].name, found[2].needs) == ("tone", {"output"})
