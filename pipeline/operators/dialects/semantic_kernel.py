"""Semantic Kernel, Python and .NET: operations with a dot, and older names for usage under the response.

Source: semantic_kernel/utils/telemetry/model_diagnostics, ModelDiagnostics.cs.
"""

from pipeline.operators.dialects.dialect import Dialect
from pipeline.operators.dialects.paths import paths

SEMANTIC_KERNEL = Dialect(
    "semantic_kernel",
    span_names={"autofunctioninvocationloop": "chain"},
    scopes=("semantic_kernel", "Microsoft.SemanticKernel"),
    fields={
        "stream": paths("gen_ai.operation.name~[.]streaming_"),
        "input_tokens": paths("gen_ai.response.prompt_tokens"),
        "output_tokens": paths("gen_ai.response.completion_tokens", "gen_ai.response.completion_token"),
        "total_tokens": paths("gen_ai.response.total_tokens"),
        "cache_read_tokens": paths("gen_ai.response.cached_prompt_tokens"),
    },
)
