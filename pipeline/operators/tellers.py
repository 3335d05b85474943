"""Who tells of calls, how close each stands to the provider, and which names of models may mean the same one.

A call runs through layers: a framework asks a client, the client's library asks a gateway or the provider. Whoever instruments a
layer tells of every call that runs through it, so one call may be told once per layer, and never twice by one. The layer is
known by the instrumentation scope. Scopes nobody knows are of no layer: their spans are taken for another's call only if a
response id or a parent says so.
"""

import re
from enum import IntEnum
from functools import lru_cache


class Layer(IntEnum):
    """From the application to the provider. What stands higher holds, in time, what stands lower."""

    UNKNOWN = 0
    FRAMEWORK = 1
    """Asks through a client that others may instrument too."""
    OWN_CLIENT = 2
    """A framework that sends its requests itself: beneath it there can only be a gateway."""
    CLIENT = 3
    """An instrumentor of a provider's library."""
    LIBRARY = 4
    """The provider's library itself."""
    GATEWAY = 5


SCOPES: tuple[tuple[str, Layer], ...] = (
    (r"langchain|langgraph|llama.?index|crewai|autogen|agno|smolagents|dspy|haystack|guardrails", Layer.FRAMEWORK),
    (r"agents?\b|pydantic.?ai|semantic_kernel|strands|gcp\.vertex\.agent|adk\b|instructor", Layer.FRAMEWORK),
    (r"springframework|spring.?ai|langchain4j|portkey.?sdk|langfuse|mlflow|traceloop\.sdk", Layer.FRAMEWORK),
    (r"^ai$|^gen_ai$|mastra|genkit|vercel", Layer.OWN_CLIENT),
    (r"^com\.anthropic\.sdk|^com\.openai\.sdk|^openai\.sdk", Layer.LIBRARY),
    (r"instrumentation.litellm|traceai.litellm|openlit.*litellm", Layer.FRAMEWORK),
    (r"litellm|gateway|agentcc|openrouter|portkey|helicone|\bkong\b|envoy", Layer.GATEWAY),
    (r"openai|anthropic|google.?gen|gemini|vertex|bedrock|mistral|cohere|groq|ollama|together|replicate", Layer.CLIENT),
    (r"watsonx|sagemaker|huggingface|transformers|deepseek|azure|fireworks|cerebras|vllm|writer|voyage", Layer.CLIENT),
)
"""What an instrumentation scope is by its name; the first that is found in it counts, in any case."""

_SCOPES = tuple((re.compile(pattern, re.IGNORECASE), layer) for pattern, layer in SCOPES)

DATES_AND_VERSIONS = re.compile(r"([-@](20\d\d-?\d\d-?\d\d|\d{4}|latest|default|v\d+)|-v\d+:\d+|:\d+)+$")
"""What follows a model's name and says which edition of it: `-2024-07-18`, `@20250929`, `-0613`, `-v1:0`."""

VENDORS = re.compile(r"^((us|eu|apac|global)\.)?(anthropic|amazon|meta|mistral|cohere|openai|google)[.:]")


@lru_cache(maxsize=4096)
def layer_of(scope: str) -> Layer:
    """The layer an instrumentation scope tells of."""
    return next((layer for pattern, layer in _SCOPES if pattern.search(scope)), Layer.UNKNOWN)


@lru_cache(maxsize=4096)
def comparable(model: str) -> str:
    """A model's name without what one layer says and another leaves out: paths, vendors, dates and versions."""
    name = VENDORS.sub("", model.lower().rsplit("/", 1)[-1])
    return DATES_AND_VERSIONS.sub("", name) or name
