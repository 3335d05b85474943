"""Genkit: actions whose answer, with its usage, is JSON in `genkit:output`. The subtype tells a model from `generate` around it.

Usage has Gemini's sense where Gemini answers: thoughts lie beside the output. Source: firebase/genkit, js/core/src/tracing and
js/plugins/google-cloud/src/telemetry.
"""

from pipeline.operators.dialects.dialect import Dialect
from pipeline.operators.dialects.paths import paths

USAGE = "genkit:output#usage"
THOUGHTS = paths(f"{USAGE}#thoughtsTokens")

GENKIT = Dialect(
    "genkit",
    kind=paths("genkit:metadata:subtype", "genkit:type"),
    kinds={
        "model": "llm",
        "background-model": "llm",
        "embedder": "embedding",
        "reranker": "reranker",
        "retriever": "retriever",
        "indexer": "chain",
        "tool": "tool",
        "agent": "agent",
        "flow": "chain",
        "flowstep": "chain",
        "prompt": "chain",
        "executable-prompt": "chain",
        "prompttemplate": "chain",
        "util": "chain",
        "helper": "chain",
        "evaluator": "evaluator",
    },
    fields={
        "provider": paths(r"genkit:name~^(?:\w+/)?(googleai|vertexai|openai|anthropic|ollama|xai|deepseek|mistral|cohere|groq)/"),
        "model": paths(
            r"genkit:name~^(?:\w+/)?(?:googleai|vertexai|openai|anthropic|ollama|xai|deepseek|mistral|cohere|groq)/(.+)$",
            "genkit:output#model",
        ),
        "session_id": paths("genkit:sessionId", "genkit:metadata:sessionId"),
        "failed": paths(r"genkit:state~^(?i:error)$", r"genkit:isFailureSource~^(?i:true)$"),
        "question": paths("genkit:input"),
        "tool_name": paths("genkit:name"),
        "answer": paths("genkit:output"),
        "finish_reason": paths("genkit:output#finishReason"),
        "input_tokens": paths(f"{USAGE}#inputTokens"),
        "output_tokens": paths(f"{USAGE}#outputTokens"),
        "total_tokens": paths(f"{USAGE}#totalTokens"),
        "cache_read_tokens": paths(f"{USAGE}#cachedContentTokens"),
        "reasoning_tokens": THOUGHTS,
    },
    beside={"reasoning": THOUGHTS},
)
