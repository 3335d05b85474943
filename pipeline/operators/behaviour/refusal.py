"""Did the model refuse: what its first sentences say, in English, and how its answer ended, in any language.

Each expression is tried only where its word stands, and the words are looked for only where a sign of them does, so an answer
that has none costs about three microseconds. What they find and miss on labelled answers: `make quality`. Misses are long,
hedged, partial refusals.
"""

import re

HEAD_CHARS = 220
"""A refusal begins with it: no more of an answer is looked at."""

ENGLISH_CHARS = 160
"""So much is looked at to tell whether it is English."""

MAX_SHORT_WORDS = 3
"""An answer of so few plain words is no refusal, in whatever language: `positive`, `42`, `Paris`."""

REFUSING_ENDS = frozenset(
    {
        *("content_filter", "content_filtered", "contentfilter", "refusal", "refused", "safety", "image_safety", "blocked"),
        *("blocklist", "prohibited_content", "image_prohibited_content", "spii", "guardrail_intervened", "guardrails"),
        *("error_toxic", "sensitive", "moderation", "policy_violation", "responsible_ai_policy_violation", "model_armor"),
    }
)
"""How an answer ends that the model refused or its provider held back, in the words of OpenAI, Azure, Anthropic, Gemini, Bedrock,
Cohere and Zhipu.
"""

TOOLS_CALLED = frozenset({"tool_calls", "tool_use", "tool_call", "function_call", "function_calls", "malformed_function_call"})
"""How an answer ends that calls tools: the model set out to do what it was asked."""

_DO = (
    r"(?:provide|assist|help|fulfil|satisfy|comply|answer|offer|give|generate|create|write|support|encourage|suggest|recommend"
    r"|condone|endorse|promote|participate|engage|discuss|share|complete|advise|respond|comment|produce|tell you|justify|explain"
    r"|describe|process|do (?:that|this)|say|make|speculate|disclose|reveal|continue|accommodate|facilitate|advocate|agree)"
)
_NOT = ("cannot", "can't", "can not", "could not", "couldn't", "won't", "will not", "would not", "wouldn't")
_IT_IS_NOT = r"\b(?:it's|it is|would be|that's|that is|this is) (?:not|never)"
_HEDGE = r"(?:,? ?(?:really|simply|just|also|therefore|unfortunately|personally|ethically|legally|in good conscience),?)*"

REFUSALS: tuple[tuple[str, re.Pattern[str]], ...] = tuple(
    (word, re.compile(pattern))
    for word, pattern in (
        *((word, rf"\b(?:i|we){_HEDGE} {word}{_HEDGE} {_DO}") for word in _NOT),
        ("able to", rf"\b(?:i'm|i am|we're|we are){_HEDGE} (?:unable|not able) to {_DO}"),
        ("sorry", r"\bsorry\b[^.!?\n]{0,40}\bbut\b[^.!?\n]{0,20}\b(?:i|we|as|that|it|this|the)\b"),
        ("sorry", rf"\bsorry\b[^!?\n]{{0,60}}\bi(?:'m| am)? ?{_HEDGE} ?(?:{'|'.join(_NOT)}|unable|not able|don't have)"),
        ("apolog", r"\b(?:apologi[sz]e|apologies)\b[^!?\n]{0,60}\b(?:but|cannot|can't|unable|not able)\b"),
        ("appropriate", rf"{_IT_IS_NOT} (?:\w+ or )?appropriate\b"),
        ("ethical", rf"{_IT_IS_NOT} (?:\w+ or )?ethical\b"),
        (
            "i don't think ",
            r"\bi don't think (?:it's|it is|that's|that is) (?:appropriate|right|accurate|fair|ethical|a valid)\b",
        ),
        ("decline", r"\b(?:i|we)(?: must| have to| will|'ll)?(?: respectfully)? decline\b"),
        ("an ai", r"\b(?:as an ai\b|i(?:'m| am) (?:just )?an ai\b)[^!?\n]{0,120}\b(?:not|can't|don't|cannot|unable|must)\b"),
        ("against my", r"\bagainst my (?:\w+ )?(?:guidelines|polic|programming|principles|values|ethic)"),
        ("comfortable", r"\b(?:not|don't feel|do not feel|wouldn't feel) comfortable\b"),
        ("i do not have ", r"\bi do not have (?:the (?:ability|capability)|access|personal|any (?:information|personal))\b"),
        ("i don't have ", r"\bi don't have (?:the (?:ability|capability)|access|personal|any (?:information|personal))\b"),
    )
)
"""A word and the expression that is tried where it stands, over lower-case text."""

BESIDE = {
    "able to": ("not", "unable"),
    "appropriate": ("not", "never"),
    "ethical": ("not", "never"),
    "comfortable": ("not", "n't"),
}
"""Words that are no sign by themselves, and what stands beside them."""

SIGNS_OF_REFUSAL = ("n't", "not", "never", "unable", "sorry", "apolog", "decline", "an ai", "against my")
BY_SIGN = tuple(
    (sign, tuple(entry for entry in REFUSALS if sign in BESIDE.get(entry[0], (sign,) if sign in entry[0] else ())))
    for sign in SIGNS_OF_REFUSAL
)
"""What stands in every text that an expression finds, and the words and expressions that are tried then."""

FUNCTION_WORDS = frozenset(
    word.encode()
    for word in (
        *("the", "of", "and", "to", "is", "are", "that", "it", "you", "for", "with", "this", "your", "be", "can", "i", "not"),
        *("have", "there", "was", "were", "from", "they", "which", "would", "i'm", "it's", "here", "here's", "what", "how"),
    )
)
"""Words without which English hardly makes a sentence, and which few other languages have."""

ENOUGH = 2
"""So many of them are one in ten of the first words."""

COMMON = (" the ", " to ", " of ", " and ", " is ", " you ", " for ", " that ", " it ", " with ", " can ", " are ")
"""The commonest of them: where enough of these stand between blanks, no words need to be parted."""

SIGNS = b'"{}[]()<>:;,.!?*#|/=+-_`\\\n'
BLANKED = bytes.maketrans(SIGNS, b" " * len(SIGNS))
"""What parts words, made to blanks."""


def ends_refused(finish_reason: str) -> bool:
    """Whether an answer that ended so was refused or held back."""
    return _word(finish_reason) in REFUSING_ENDS


def ends_in_tools(finish_reason: str) -> bool:
    """Whether an answer that ended so calls tools."""
    return _word(finish_reason) in TOOLS_CALLED


def _word(finish_reason: str) -> str:
    return finish_reason.rpartition(".")[2].lower().replace("-", "_")


def is_english(language: str) -> bool:
    """Whether a series' language is English: `en`, `en-GB`, `eng`, `English`."""
    return re.split(r"[-_ ]", language.lower(), maxsplit=1)[0] in ("en", "eng", "english")


def read_refusal(text: str, language: str = "") -> bool | None:
    """Whether an answer refuses; None if its language is another, or unknown and the answer does not look English.

    language: as the span tells it, "" if it does not.
    """
    if language and not is_english(language):
        return None
    head = text[: 2 * HEAD_CHARS].lstrip()[:HEAD_CHARS].lower()
    if not head.isascii():
        head = head.replace("’", "'")
    for sign, entries in BY_SIGN:
        if sign in head:
            for word, pattern in entries:
                if word in head and pattern.search(head):
                    return True
    return False if language or is_json(head) or looks_english(head) else None


def is_json(head: str) -> bool:
    """Whether a text begins as a JSON document with names or texts does: data, and no refusal in words, in any language."""
    return head[:1] == "{" or head[:2] in ('["', "[{")


def looks_english(head: str) -> bool:
    """Whether lower-case text may be English: nine letters in ten are ASCII, and of ten words one is English's own.

    Of a few plain words nobody can tell, and they are no refusal.
    """
    letters = "" if head.isascii() else [c for c in head if c.isalpha()]
    if 10 * sum(c.isascii() for c in letters) < 9 * len(letters):
        return False
    start, common = head[:ENGLISH_CHARS], 0
    for word in COMMON:
        if word in start:
            common += 1
            if common == ENOUGH:
                return True
    words = start.encode("utf-8", "replace").translate(BLANKED).split()
    if len(words) <= MAX_SHORT_WORDS:
        return head.isascii()
    return 10 * len(FUNCTION_WORDS.intersection(words)) >= min(len(words), 10 * ENOUGH)
