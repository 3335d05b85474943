"""Where the providers' own answers keep their usage: paths under whatever attribute an instrumentor copied one into.

Shapes: OpenAI chat and Responses, Anthropic messages (parts beside the prompt), Gemini (thoughts beside the candidates), and
what LangChain makes of them (`usage_metadata`).
"""

from collections.abc import Mapping

INSIDE: Mapping[str, tuple[str, ...]] = {
    "input_tokens": ("prompt_tokens", "input_tokens", "inputTokens"),
    "output_tokens": ("completion_tokens", "output_tokens", "outputTokens"),
    "total_tokens": ("total_tokens", "totalTokens"),
    "cache_read_tokens": (
        "prompt_tokens_details#cached_tokens",
        "input_tokens_details#cached_tokens",
        "input_token_details#cache_read",
        "prompt_cache_hit_tokens",
        "cached_tokens",
        "cachedInputTokens",
    ),
    "cache_write_tokens": ("prompt_tokens_details#cache_write_tokens", "input_token_details#cache_creation"),
    "reasoning_tokens": (
        "completion_tokens_details#reasoning_tokens",
        "output_tokens_details#reasoning_tokens",
        "output_token_details#reasoning",
        "reasoning_tokens",
        "reasoningTokens",
    ),
    "audio_input_tokens": (
        "prompt_tokens_details#audio_tokens",
        "input_tokens_details#audio_tokens",
        "input_token_details#audio",
    ),
    "audio_output_tokens": (
        "completion_tokens_details#audio_tokens",
        "output_tokens_details#audio_tokens",
        "output_token_details#audio",
    ),
}
"""Usage whose wholes include their parts."""

BESIDE: Mapping[str, tuple[str, ...]] = {
    "input_tokens": ("inputTokenCount",),
    "cache_read_tokens": ("cache_read_input_tokens", "cacheReadInputTokens"),
    "cache_write_tokens": ("cache_creation_input_tokens", "cacheCreationInputTokens", "cacheWriteInputTokens"),
}
"""Anthropic's and Bedrock's names: what was cached is no part of `input_tokens`."""

BILLED: Mapping[str, tuple[str, ...]] = {
    "cache_write_1h_tokens": ("cache_creation#ephemeral_1h_input_tokens",),
    "searches": ("server_tool_use#web_search_requests", "num_search_queries"),
}
"""What is billed apart: of what was written to the cache the hour's share, and searches by the piece."""

GEMINI: Mapping[str, tuple[str, ...]] = {
    "input_tokens": ("prompt_token_count", "promptTokenCount"),
    "output_tokens": ("candidates_token_count", "candidatesTokenCount"),
    "total_tokens": ("total_token_count", "totalTokenCount"),
    "cache_read_tokens": ("cached_content_token_count", "cachedContentTokenCount"),
    "reasoning_tokens": ("thoughts_token_count", "thoughtsTokenCount"),
}
"""Gemini's names; `reasoning_tokens` lie beside the output."""


def under(attribute: str, *shapes: Mapping[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
    """Per field the texts of the paths of `shapes` under an attribute, e.g. `output.value#usage`."""
    fields = dict.fromkeys(field for shape in shapes for field in shape)
    return {field: tuple(f"{attribute}#{key}" for shape in shapes for key in shape.get(field, ())) for field in fields}
