"""What reads as a refusal, what does not, and of which texts nothing can be said."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.operators.behaviour import refusal
from pipeline.operators.behaviour.refusal import HEAD_CHARS, ends_in_tools, ends_refused, is_english, read_refusal

REFUSALS = [
    "I'm sorry, but I can't help with that.",
    "I’m sorry, but I can’t assist with that request.",
    "I cannot provide instructions for that.",
    "As an AI language model, I do not have opinions on that, and I must not take sides.",
    "I am not able to offer legal advice.",
    "Unfortunately, we are unable to process this.",
    "I apologize, but I cannot fulfil this request.",
    "It is not appropriate to make jokes about this.",
    "I must respectfully decline to answer.",
    "Sharing that would go against my guidelines.",
    "I don't feel comfortable writing this.",
    "I won't answer questions about other customers.",
]
ANSWERS = [
    "The warranty covers parts and labour for two years.",
    "You can't return opened software, but you can exchange it.",
    "I'm sorry to hear that your order is late. It is on its way and will be there on Monday.",
    "The function cannot be called before the client is connected.",
    "Sorry for the wait! Your refund of 20 dollars is on its way to you.",
    "It is not possible to change the name on a ticket after the flight.",
    "Here is the code you asked for:\n\n```python\nraise ValueError('cannot help')\n```",
    "Paris",
    "42",
    "positive",
    '{"city": "Paris", "country": "France"}',
]
OTHERS = [
    "Das kann ich Ihnen leider nicht beantworten.",
    "Je suis désolé, mais je ne peux pas répondre à cette question.",
    "Lo siento, pero no puedo ayudarte con eso ahora mismo.",
    "申し訳ありませんが、それにはお答えできません。",
    "Извините, но я не могу помочь с этим запросом.",
    "はい",
]


@pytest.mark.parametrize("text", REFUSALS)
@pytest.mark.parametrize("language", ["", "en", "en-GB"])
def test_a_refusal_is_one(text: str, language: str) -> None:
    assert read_refusal(text, language) is True


@pytest.mark.parametrize("text", ANSWERS)
@pytest.mark.parametrize("language", ["", "en"])
def test_an_answer_is_none(text: str, language: str) -> None:
    assert read_refusal(text, language) is False


@pytest.mark.parametrize("text", OTHERS)
def test_of_another_language_nothing_is_said(text: str) -> None:
    assert read_refusal(text, "") is None


@pytest.mark.parametrize("text", [*REFUSALS, *ANSWERS, *OTHERS])
def test_of_a_language_that_is_told_and_not_english_nothing_is_said(text: str) -> None:
    assert read_refusal(text, "de") is None


GAP = re.compile(r"\[\^([^\]]+)\]\{0,(\d+)\}(?=\\b)")


def parted(gap: re.Match[str]) -> str:
    r"""What may stand between two words, with the ends of words that `\b` asks for written out: random text seldom has them."""
    but, most = gap.groups()
    return rf"[^{but}\w](?:[^{but}]{{0,{int(most) - 2}}}[^{but}\w])?"


@given(st.data())
@pytest.mark.parametrize("entry", refusal.REFUSALS, ids=lambda entry: entry[1].pattern[:40])
def test_an_expression_finds_nothing_without_a_sign_of_it(entry: tuple[str, re.Pattern[str]], data: st.DataObject) -> None:
    found = data.draw(st.from_regex(GAP.sub(parted, entry[1].pattern), fullmatch=True))
    assert entry[1].fullmatch(found)
    assert any(sign in found and entry in entries for sign, entries in refusal.BY_SIGN)


def test_common_words_are_words_of_english() -> None:
    assert {word.strip().encode() for word in refusal.COMMON} < refusal.FUNCTION_WORDS


def test_only_the_head_is_looked_at() -> None:
    answer = "The warranty is for two years. " * (HEAD_CHARS // 30 + 1)
    assert read_refusal(answer + REFUSALS[0]) is False
    assert read_refusal(" \n" * 50 + REFUSALS[0]) is True


@pytest.mark.parametrize(
    "reason",
    ["content_filter", "content-filter", "CONTENT_FILTER", "refusal", "SAFETY", "FinishReason.SAFETY", "guardrail_intervened"],
)
def test_how_a_refused_answer_ends(reason: str) -> None:
    assert ends_refused(reason)
    assert not ends_in_tools(reason)


@pytest.mark.parametrize("reason", ["stop", "STOP", "end_turn", "length", "max_tokens", "", "other", "tool_calls", "RECITATION"])
def test_how_other_answers_end(reason: str) -> None:
    assert not ends_refused(reason)


@pytest.mark.parametrize(
    "reason", ["tool_calls", "tool-calls", "TOOL_CALLS", "FinishReason.TOOL_CALLS", "tool_use", "function_call"]
)
def test_how_calls_of_tools_end(reason: str) -> None:
    assert ends_in_tools(reason)


def test_names_of_english() -> None:
    assert all(map(is_english, ("en", "EN", "en-US", "en_GB", "eng", "English")))
    assert not any(map(is_english, ("", "de", "enm", "es", "und", "rest")))
