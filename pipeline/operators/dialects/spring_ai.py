"""Spring AI: the OpenTelemetry conventions with every value as text, and around each call spans of its own (`spring.ai.kind`).

After a call of a tool the next chat repeats the usage of the first, and only the client around a call says whether it was
streamed: `records.py` has both. Source: Spring AI's
observation conventions.
"""

from pipeline.operators.dialects.dialect import Dialect
from pipeline.operators.dialects.paths import paths

SPRING_AI = Dialect(
    "spring_ai",
    kind=paths("spring.ai.kind"),
    kinds={
        "chat_client": "chain",
        "advisor": "chain",
        "tool_call": "tool",
        "vector_store": "retriever",
    },
    fields={
        "session_id": paths("spring.ai.chat.client.conversation.id"),
        "stream": paths("spring.ai.chat.client.stream"),
    },
)
