"""What reads as citing, and what only looks like it: code, lists, links to this machine."""

import pytest

from pipeline.operators.behaviour.citation import MAX_CHARS, reads_as_citing

CITING = [
    "The warranty covers parts and labour for two years [1].",
    "The warranty covers parts[1]. Labour is covered too[2].",
    "It is two years.[1][2] In some countries it is three.",
    "It is two years [1, 2] In some countries it is three [3-5].",
    "It is two years [1]",
    "Es sind zwei Jahre [1]. Danach ist es teurer.",
    "It is two years[^1].\n\n[^1]: The warranty, page 3",
    "[1] The warranty, page 3",
    "It is two years 【4:0†warranty.pdf】.",
    "Two years 【1†source】",
    "It is two years (source: warranty.pdf).",
    "It is two years.\n\nSources:\n- warranty.pdf",
    "It is two years.\n\n**Source**: the warranty",
    "**Sources:** the warranty, page 3",
    "Zwei Jahre (Quelle: Garantie, Seite 3)",
    "Dos años. Fuente: la garantía",
    "二年です。出典: 保証書",
    "See [the warranty](https://shop.test/warranty) for more.",
    "See https://shop.test/warranty for more.",
    "Two years [doc1].",
    "Two years [Source 2] or three [[2]].",
    "Two <cite>years</cite>.",
    '{"answer": "two years", "citations": [{"url": "x"}]}',
]
OTHERS = [
    "The warranty covers parts and labour for two years.",
    "Use a[1] to get the second element.",
    "Then x = a[1] + b[2].",
    "The value is a[0].",
    "It returns [1, 2, 3] for this input",
    "[1]",
    "[1, 2, 3]",
    "The list = [1].",
    "Call f([1]) first.",
    "```python\nprint(years [1])\n```",
    "The second is `items [1]`.",
    "[x] done\n[ ] open",
    "Open http://localhost:8080/ in a browser.",
    "The regex [^abc]+ matches anything else.",
    "The source of the river is in the hills.",
    "In 2020 (see below) it changed.",
    '{"answer": "two years", "citations": []}',
    "",
]


@pytest.mark.parametrize("text", CITING)
def test_an_answer_that_cites(text: str) -> None:
    assert reads_as_citing(text)


@pytest.mark.parametrize("text", OTHERS)
def test_one_that_does_not(text: str) -> None:
    assert not reads_as_citing(text)


def test_no_more_than_the_beginning_is_looked_at() -> None:
    assert reads_as_citing("x " * (MAX_CHARS // 2 - 10) + CITING[0][-10:])
    assert not reads_as_citing("x" * MAX_CHARS + CITING[0])


@pytest.mark.parametrize("bomb", ["[" * 100_000, "[1" * 50_000, "`" * 100_000, ":" * 100_000, "【" * 100_000, "[a" * 50_000])
def test_bombs_cite_nothing(bomb: str) -> None:
    assert not reads_as_citing(bomb)
