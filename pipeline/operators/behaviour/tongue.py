"""Which of a few languages or scripts a text is written in, by its letters and its function words. Rather silent than wrong.

It is no language detector: it tells that two texts can share no words, and that a text has no blanks between its words. It looks
at the first MAX_CHARS characters, about 30 µs.
"""

import re

MAX_CHARS = 2000

UNSPLIT = "unsplit"
"""Scripts that put no blanks between words: Chinese, Japanese, Thai, Lao, Tibetan, Burmese, Khmer."""

SCRIPTS: tuple[tuple[str, re.Pattern[str]], ...] = tuple(
    (name, re.compile(f"[{ranges}]"))
    for name, ranges in (
        (UNSPLIT, "\u0e00-\u0fff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"),
        ("cyrillic", "\u0400-\u052f"),
        ("arabic", "\u0600-\u06ff\u0750-\u077f"),
        ("hangul", "\u1100-\u11ff\uac00-\ud7af"),
        ("greek", "\u0370-\u03ff"),
        ("hebrew", "\u0590-\u05ff"),
        ("indic", "\u0900-\u0dff"),
    )
)
LATIN = re.compile("[a-z\u00df-\u024f]")

FUNCTION_WORDS = {
    language: frozenset(words.split())
    for language, words in {
        "en": "the of and to is are that it you for with this your be have was were from they which would what",
        "de": "der die das und ist nicht ein eine sie mit für auf dem den sich auch von werden wird oder zu bei",
        "fr": "le les des et est une pour que qui dans vous pas sur avec du au ce cette sont nous votre être",
        "es": "el los las y es una por que del con para su se lo como más pero sus está son usted puede",
        "it": "il gli di che è una per non con del della si sono anche dei nel alla questo essere più può",
        "pt": "o os as e é uma por que do da com para não em se dos das mais como você pode são",
        "nl": "de het een en van is niet dat op met voor zijn te aan er ook maar wordt door uw of",
        "pl": "i w na z do się nie jest że to dla od po przez jak oraz są może które lub",
    }.items()
}
"""The commonest words of languages in Latin letters. One that several share speaks for each of them."""

ENOUGH = 3
"""So many different ones, and more than of any other language."""

WORD = re.compile(r"[^\W\d_]+")


def tongue(text: str) -> str:
    """A language (ISO 639-1), else a script of SCRIPTS that has most of the letters, "" where neither is plain."""
    head = text[:MAX_CHARS].lower()
    if not head.isascii():
        found = [(len(pattern.findall(head)), name) for name, pattern in SCRIPTS]
        most, name = max(found)
        if most > len(LATIN.findall(head)):
            return name
    words = frozenset(WORD.findall(head))
    said = sorted(((len(words & known), name) for name, known in FUNCTION_WORDS.items()), reverse=True)
    return said[0][1] if said[0][0] >= ENOUGH and said[0][0] > said[1][0] else ""
