"""Does an answer cite: markers, footnotes, links and sources in its text. What stands in code is none.

A number in brackets is a marker where a citation stands: behind a sentence or a word, before a pause; `a[1]` and `[1, 2, 3]` are
code and lists. Each expression begins with the one character it is found by, so that a long text costs less than a nanosecond a
character.
"""

import re

MAX_CHARS = 8 << 10
"""So much of an answer is looked at."""

_NUMBERS = r"\d{1,3}(?:[,–-] ?\d{1,3}){0,5}"
_BEFORE = r"(?<=[\s.,;:!?)\]\"'”’。、]\[)(?<![=(,:] \[)"
_NAMES = r"(?i:doc(?:ument)?|source|src|ref(?:erence)?|cit(?:ation|e)?|context|chunk|quelle|passage)"
_WORDS = ("[Ss]ource", "[Ss]ources", "References", "[Qq]uelle", "[Qq]uellen", "[Ff]uente", "[Ff]uentes", "出典")

MARKS: tuple[tuple[str, re.Pattern[str]], ...] = tuple(
    (sign, re.compile(pattern))
    for sign, pattern in (
        (
            "[",
            (
                r"\[(?:"
                rf"{_BEFORE}\^?(?!0){_NUMBERS}\](?=\s*(?:[.,;:!?)\n\[]|$)|\s+[A-ZÀ-Þ(])"  # … two years [1]. On …
                rf"|(?<=[a-zß-ÿ]{{4}}\[)(?!0){_NUMBERS}\](?=\s*[.,;:!?](?:\s|$)|\s*$|\[\d)"  # … two years[1]. On …
                r"|\^[\w-]{1,20}\](?![+*?{])"  # [^1]
                r"|\[[\w:. -]{1,20}\]\]"  # [[1]]
                rf"|{_NAMES}[ _:#-]{{0,2}}\d{{1,3}}\]"  # [doc 1]
                r"|[^\]\n]{1,200}\]\(https?://[^\s)]"  # [title](https://…)
                r")"
            ),
        ),
        ("【", r"【[^】\n]{0,80}[\d†]"),
        ("<", r"<cite\b"),
        (":", r":(?:(?<=https:|.http:)//(?!localhost|127\.|0\.0\.0\.0|example\.)[\w-]{1,63}\.\w)"),
        (":", rf":(?:{'|'.join(f'(?<={word}:)|(?<={word}[*][*]:)' for word in _WORDS)})(?:\*\*)?\s*[\w\[\"'“„«<*-]"),
        ("：", r"：(?<=出典：)"),
    )
)
"""The character that must stand in the text, and the expression that is tried where it does."""

IN_JSON = re.compile(r'"(?:citations|sources|references)"\s*:\s*\[\s*[{"\d]')
"""Where the answer is JSON."""

CODE = re.compile(r"```.*?(?:```|\Z)|`[^`\n]{1,200}`", re.DOTALL)


def reads_as_citing(text: str) -> bool:
    """Whether a text cites, in whatever language it is written."""
    text = text[:MAX_CHARS]
    if "`" in text:
        text = CODE.sub(" ` ", text)
    if text[:1] == "{" and IN_JSON.search(text):
        return True
    if text[:1] == "[" and text[-1:] != "]":
        text = "\n" + text  # a footnote; else it is a list
    return any(sign in text and pattern.search(text) for sign, pattern in MARKS)
