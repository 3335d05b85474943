"""The evaluators that need no model, as people call them and as the pipeline does."""

import asyncio
from typing import Any

import pytest

from pipeline.evaluators import BaseEvaluator, CitationPresence, GroundednessLexical, JSONValidation, Refusal, ScoreStatus
from pipeline.evaluators.groundedness_lexical import CONTEXT_CHARS
from pipeline.evaluators.registry import OURS
from pipeline.model.samples import Sample
from pipeline.model.scores import Score
from pipeline.operators.behaviour.tongue import UNSPLIT, tongue

DOCS = ["The warranty covers parts and labour for 24 months.", "Returns are free within 30 days of the delivery."]


def lexical(output: str, context: Any = DOCS, **more: Any) -> Score:
    return GroundednessLexical().evaluate(input="How long is the warranty?", output=output, context=context, **more)


def test_words_of_the_documents_are_grounded_and_others_are_not() -> None:
    copied = lexical("The warranty covers parts and labour for 24 months.")
    assert (copied.status, copied.score, copied.passed) == (ScoreStatus.OK, 1.0, True)
    mixed = lexical("The warranty covers parts and shipping to the moon.")
    invented = lexical("Bananas ripen faster near apples.")
    assert invented.value == 0
    assert mixed.value is not None
    assert 0.3 < mixed.value < 0.8
    assert (mixed.passed, invented.passed) == (True, False)


def test_pairs_do_not_reach_from_one_document_into_the_next() -> None:
    assert lexical("months Returns").value == 0.5
    assert lexical("are free").value == 1


def test_a_text_is_one_document_and_an_answer_of_one_word_has_no_pairs() -> None:
    assert lexical("months", DOCS[0]).value == lexical("months").value == 1


GERMAN = "Die Garantie gilt für Teile und Arbeit, und sie ist nicht auf den Käufer beschränkt."


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"output": ""}, "no answer"),
        ({"context": []}, "no documents"),
        ({"context": ""}, "no documents"),
        ({"context": ["", " "]}, "no words in the documents"),
        ({"output": "… !?"}, "no words in the answer"),
        ({"output": "\0\1\2abc"}, "no text"),
        ({"output": "保証は部品と労働を二十四ヶ月間カバーします"}, "blanks"),
        ({"output": "การรับประกันครอบคลุมชิ้นส่วน"}, "blanks"),
        ({"output": GERMAN}, "another language"),
        ({"output": "Гарантия распространяется на запчасти"}, "another language"),
        ({"output": "I'm sorry, but I can't help with that."}, "refusal"),
        ({"output": "Well.", "refusal": True}, "refusal"),
        ({"context": ["warranty " * CONTEXT_CHARS]}, "longer than"),
        ({"context": [""] * 1_000_000}, "more than"),
    ],
)
def test_no_value_where_words_tell_nothing(fields: dict[str, Any], reason: str) -> None:
    long = [" ".join(DOCS) + " It is that which was not to be, and they would have it for you with this."]
    score = lexical(**({"output": DOCS[0], "context": long} | fields))
    assert (score.status, score.value, score.passed) == (ScoreStatus.SKIPPED, None, None)
    assert reason in score.reason


def test_a_document_in_the_answers_language_is_enough() -> None:
    english = DOCS[0] + " It is that which was not to be."
    assert lexical(GERMAN, [english, GERMAN]).value == 1


def test_a_megabyte_costs_what_its_first_part_does() -> None:
    score = lexical(DOCS[0] + " banana" * 200_000)
    assert score.status is ScoreStatus.OK
    assert score.value is not None
    assert 0 < score.value < 0.1
    assert lexical("x" * 1_000_000).value == 0


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("The parts of the machine are what you have to pay for.", "en"),
        (GERMAN, "de"),
        ("Le client est dans la maison et les frais sont pour vous.", "fr"),
        ("El cliente no paga los gastos y las piezas son para usted.", "es"),
        ("warranty", ""),
        ("", ""),
        ("42 %", ""),
        ("これはペンです", UNSPLIT),
        ("Это есть", "cyrillic"),
    ],
)
def test_tongue(text: str, said: str) -> None:
    assert tongue(text) == said


SCHEMA = {"type": "object", "required": ["total"], "properties": {"total": {"type": "number"}}}


@pytest.mark.parametrize(
    ("output", "schema", "label"),
    [
        ('{"total": 3}', SCHEMA, "valid"),
        ('{"total": "3"}', SCHEMA, "invalid"),
        ("total: 3", SCHEMA, "invalid"),
        ("[1]", None, "valid"),
        ("[1", None, "invalid"),
    ],
)
def test_json_is_checked_against_its_schema(output: str, schema: dict[str, Any] | None, label: str) -> None:
    score = JSONValidation().evaluate(output=output, schema=schema)
    assert (score.label, score.value, score.passed) == (label, float(label == "valid"), label == "valid")
    optional = JSONValidation(schema=schema).evaluate(output=output)
    assert optional == score


def test_a_request_s_own_schema_goes_before_the_option() -> None:
    assert JSONValidation(schema={"type": "array"}).evaluate(output='{"total": 3}', schema=SCHEMA).value == 1


@pytest.mark.parametrize(
    ("sample", "reason"),
    [
        (Sample(output="free text"), "nobody asked"),
        (Sample(wants_json=True), "no answer"),
        (Sample(output="{}", schema=b'{"$ref": "https://example.com/x"}'), "cannot be used"),
        (Sample(output="[" * 100_000, wants_json=True), "too deep"),
    ],
)
def test_json_that_nobody_can_judge_has_no_value(sample: Sample, reason: str) -> None:
    score = asyncio.run(JSONValidation().judged(sample))
    assert (score.status, score.value) == (ScoreStatus.SKIPPED, None)
    assert reason in score.reason


def test_an_option_that_is_no_schema_is_refused_at_once() -> None:
    with pytest.raises(ValueError, match="cannot be used"):
        JSONValidation(schema={"type": "nothing"})


@pytest.mark.parametrize(
    ("sample", "value"),
    [
        (Sample(output="The warranty covers parts of the machine."), 1),
        (Sample(output="I'm sorry, but I cannot help with that."), 0),
        (Sample(output="It does.", refusal=True), 0),
        (Sample(output="I'm sorry, but I cannot help with that.", refusal=False), 1),
        (Sample(finish_reason="content_filter"), 0),
        (Sample(output="Lo siento, no puedo ayudar con eso.", finish_reason="tool_calls"), 1),
        (Sample(output="Lo siento, no puedo ayudar con eso."), None),
        (Sample(output="I cannot help with that.", language="de"), None),
        (Sample(), None),
    ],
)
def test_one_is_an_answer_and_zero_a_refusal(sample: Sample, value: float | None) -> None:
    assert asyncio.run(Refusal().judged(sample)).value == value


@pytest.mark.parametrize(
    ("sample", "value"),
    [
        (Sample(output="See [1].", context=("a",)), 1),
        (Sample(output="It is so.", context=("a",)), 0),
        (Sample(output="It is so.", citation=True), 1),
        (Sample(output="See [1].", citation=False), 0),
        (Sample(output="See [1]."), None),
        (Sample(context=("a",)), None),
    ],
)
def test_citation_is_asked_of_what_is_to_cite(sample: Sample, value: float | None) -> None:
    assert asyncio.run(CitationPresence().judged(sample)).value == value


def test_who_asks_directly_means_that_it_should_cite() -> None:
    assert CitationPresence().evaluate(output="It is so.").value == 0
    assert CitationPresence(always=True).evaluate(output="See [1].").value == 1


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"outputs": "x"}, "unknown field 'outputs': did you mean 'output'"),
        ({"response": "x"}, "did you mean 'output'"),
        ({"ground_truth": "x"}, "did you mean 'reference'"),
        ({"zzz": "x"}, "unknown field 'zzz'; there are input, output"),
        ({"output": 3}, "output is to be a text, not int"),
        ({"context": ["a", 3]}, r"context\[1\] is to be a text, not int"),
        ({"context": {"a": 1}}, "a text or a list of texts, not dict"),
        ({"schema": 3}, "JSON Schema"),
        ({"tools": [{"arguments": "{}"}]}, r"tools\[0\] is to be a dict"),
        ({"refusal": "yes"}, "true or false"),
    ],
)
def test_a_wrong_field_is_named_with_what_was_meant(given: dict[str, Any], message: str) -> None:
    with pytest.raises(TypeError, match=message):
        Refusal().evaluate(**given)


def test_evaluate_works_where_an_event_loop_runs() -> None:
    async def inside() -> Score:
        return Refusal().evaluate(output="The warranty covers the parts.")

    assert asyncio.run(inside()).value == 1


class Nested(BaseEvaluator):
    """One that calls another the wrong way."""

    rules = "1"

    async def verdict(self, sample: Sample) -> Score:
        return Refusal().evaluate(output=sample.output)


def test_an_evaluator_that_would_wait_for_itself_says_so() -> None:
    with pytest.raises(RuntimeError, match="awaits"):
        Nested(name="nested").evaluate(output="x")


def test_a_version_changes_with_an_option_and_not_with_the_name() -> None:
    plain = GroundednessLexical()
    assert plain.version == GroundednessLexical(name="other", threshold=0.5).version == plain.rules
    assert GroundednessLexical(threshold=0.6).version not in {plain.version, GroundednessLexical(threshold=0.7).version}
    assert JSONValidation(schema=SCHEMA).version != JSONValidation().version


@pytest.mark.parametrize("name", OURS)
@pytest.mark.parametrize("output", ["", "\0\xff\ufffd" * 1000, "\ud800", "x" * 1_000_000, "[" * 1_000_000, "a b " * 250_000])
def test_no_content_makes_one_raise(name: str, output: str) -> None:
    sample = Sample(input=output, output=output, context=(output,), reference=output, wants_json=True)
    more = {"prompt": "Is it good?"} if name == "CustomEvaluation" else {}
    score = asyncio.run(OURS[name](**more).judged(sample))
    assert (score.value is None) == (score.status is not ScoreStatus.OK)
    assert bool(score.reason) == (score.value is None)
