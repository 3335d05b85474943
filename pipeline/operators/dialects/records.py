"""What the spans of some instrumentors tell only together: with their parents, children and siblings in one record.

Every place is a flag or a pattern that is one, so that a record without such spans costs nothing.
"""

from pipeline.operators.dialects.paths import paths

STEPS = paths(r"mastra.span.type~^(?i:model_step)$")
"""Steps of a call that may be several: Mastra's `model_generation` is a turn of an agent with the sum of its usage. Each step is
one call, whose span begins when the answer comes.
"""

WRAPPING_SCOPES = ("gen_ai",)
WRAPPED_KINDS = ("embedding", "reranker")
"""Scopes where a call of these kinds is two spans, alike but for the usage of the inner one: Vercel's AI SDK 7."""

CLIENT_STREAMS = paths("spring.ai.chat.client.stream")
"""Where the client around a call says whether it was streamed, and the call does not: Spring AI."""

CUMULATES = paths(r"spring.ai.kind~^(?i:advisor)$")
"""Parents under which the call after a call of a tool says the sum of both: Spring AI adds the usage of the answer before."""

TOOLS_CALLED = frozenset({"tool_calls", "tool_use", "tool_call", "tool-calls"})
"""How an answer ends that is followed by another call, in lower case."""

MAX_DEPTH = 32
"""Ancestors that are looked at."""

MAX_CLIENTS = 64
"""Clients under one parent beyond which nobody can say whose a call is."""
