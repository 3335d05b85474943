"""Which language a user wrote in, guessed from the first text of a call that tells enough. Off unless the series file asks.

The text is looked at here and goes nowhere. A guess that is not sure is none. About 60 µs a text of a hundred characters, so
it is asked only for calls without a language, once per distinct text of a batch.

Source: py3langid (langid.py's model, Lui and Baldwin 2012).
"""

from collections.abc import Callable
from functools import cache

from pipeline.operators.decode.conversation import user_text
from pipeline.operators.decode.values import Value
from pipeline.operators.dialects.paths import paths

SURE = 0.5
"""Least probability of a guess that counts."""

UNDETERMINED = "und"

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
