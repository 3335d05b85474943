"""Which language a user wrote in, guessed from the first text of a call that tells enough. Off unless the series file asks.

The text is looked at here and goes nowhere. A guess that is not sure is none. About 60 µs a text of a hundred characters, so
it is asked only for calls without a language, once per distinct text of a batch.

Source: py3langid (langid.py's model, Lui and Baldwin 2012).
"""

from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

from pipeline.operators.decode.values import Value, document
from pipeline.operators.dialects.paths import paths

MAX_CHARS = 600
"""So much of a text is looked at."""

SURE = 0.5
"""Least probability of a guess that counts."""

UNDETERMINED = "und"

MAX_PARTS = 50
"""Of a conversation so many parts are looked at, the last first."""

USERS = ("user", "human")

WHOLE = r"~(?s)^(.+)$"

TEXTS = paths(
    *(
        f"{name}{WHOLE}"
        for name in (
            "gen_ai.input.messages",
            "event:gen_ai.user.message#content",
            "llm.input_messages.1.message.content",
            "llm.input_messages.0.message.content",
            "gen_ai.prompt.1.content",
            "gen_ai.prompt.0.content",
            "gen_ai.prompt",
            "ai.prompt.messages",
            "ai.prompt",
            "langfuse.observation.input",
            "traceloop.entity.input",
            "input.value",
        )
    )
)
"""Where what the user wrote may stand; of numbered messages the second is asked before the first, which may be the system's."""

Detect = Callable[[Value, int], str | None]


def detector() -> Detect:
    """Reads a text as the code of its language (ISO 639-1). Raises ImportError if py3langid is not installed."""
    from py3langid.langid import (  # type: ignore[import-untyped]  # noqa: PLC0415 - an extra; its model takes a second
        MODEL_FILE,
        LanguageIdentifier,
    )

    identify = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True, min_confidence=SURE)

    def detect(value: Value, _limit: int) -> str | None:
        text = user_text(value) if isinstance(value, str) else ""
        if not any(c.isalpha() for c in text):
            return None
        language = str(identify.classify(text)[0])
        return None if language == UNDETERMINED else language

    return detect


shared_detector = cache(detector)
"""One model a process."""


def user_text(text: str) -> str:
    """What the user wrote last, of a conversation as JSON; any other text as it is. At most MAX_CHARS."""
    found = document(text)
    if not found:
        return text[:MAX_CHARS]
    parts = list(_said(found, of_user=False, depth=0))
    return (next((said for said, of_user in parts if of_user), "") or " ".join(said for said, _ in parts))[:MAX_CHARS]


def _said(value: Any, of_user: bool, depth: int) -> Iterator[tuple[str, bool]]:
    """Texts in a JSON value, the last first, and whether a user said them."""
    if isinstance(value, str):
        yield value, of_user
    elif isinstance(value, list) and depth < 6:
        for element in value[: -MAX_PARTS - 1 : -1]:
            yield from _said(element, of_user, depth + 1)
    elif isinstance(value, dict) and depth < 6:
        user = of_user or str(value.get("role", value.get("type", ""))).lower() in USERS
        for key in ("content", "parts", "text", "messages", "inputs", "input", "prompt", "question", "query", "kwargs"):
            if key in value:
                yield from _said(value[key], user, depth + 1)
