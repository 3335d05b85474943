"""Names of those who bill, and of those who do not: tables.

Vendors have the price book's ids. A word is looked up in lower case, `_` and blanks as `-`: whole, then up to its first
dot (`openai.chat`).
"""

import re

VENDORS: dict[str, tuple[str, ...]] = {
    "anthropic": ("anthropic", "anthropic-ai", "chatanthropic", "claude"),
    "arcee": ("arcee", "arcee-ai"),
    "aws": (
        "aws", "aws.bedrock", "aws-bedrock", "bedrock", "amazon-bedrock", "amazon", "bedrock-converse", "bedrockconverse",
        "aws-bedrock-runtime", "chatbedrock", "chatbedrockconverse", "amazon.bedrock", "anthropic-bedrock",
    ),
    "azure": (
        "azure", "azure-openai", "az.ai.openai", "az.ai.inference", "azure.ai.openai", "azure.ai.inference", "azure-ai",
        "azureopenai", "azurechatopenai", "azure-ai-inference", "azure-ai-foundry", "azure-text", "microsoft.foundry",
        "azure-openai-responses", "openai-azure",
    ),
    "baseten": ("baseten",),
    "cerebras": ("cerebras",),
    "cloudflare": ("cloudflare", "workers-ai", "workersai"),
    "cohere": ("cohere", "cohere-chat", "cohere-ai", "chatcohere"),
    "databricks": ("databricks",),
    "deepseek": ("deepseek", "deepseek-ai", "chatdeepseek"),
    "elevenlabs": ("elevenlabs",),
    "fireworks": ("fireworks", "fireworks-ai", "chatfireworks"),
    "github-copilot": ("github-copilot", "copilot"),
    "google": (
        "google", "gcp", "gcp.gemini", "gcp.gen-ai", "gcp.vertex-ai", "gcp.vertex.agent", "gemini", "vertex", "vertexai",
        "vertex-ai", "vertex-ai-beta", "google-genai", "google-ai-studio", "google-generative-ai", "google-generativeai",
        "google-vertex", "google-vertexai", "google-vertex-ai", "google-gla", "googleai", "google-ai", "generativelanguage",
        "chatgooglegenerativeai", "chatvertexai", "google-cloud", "vertex-anthropic",
    ),
    "groq": ("groq", "groq-cloud", "chatgroq"),
    "minimax": ("minimax",),
    "mistral": ("mistral", "mistralai", "mistral-ai", "chatmistralai"),
    "modal": ("modal",),
    "moonshotai": ("moonshot", "moonshotai", "moonshot-ai"),
    "novita": ("novita", "novita-ai"),
    "openai": (
        "openai", "open-ai", "openai-chat", "openai-responses", "openai-chat-completions", "chatopenai",
        "text-completion-openai", "openai-api", "openai-embeddings",
    ),
    "openrouter": ("openrouter", "open-router"),
    "ovhcloud": ("ovhcloud", "ovh"),
    "perplexity": ("perplexity", "perplexity-ai", "pplx"),
    "together": ("together", "together-ai", "togetherai", "togethercomputer"),
    "voyageai": ("voyage", "voyageai", "voyage-ai"),
    "x-ai": ("xai", "x-ai", "x.ai", "chatxai"),
    "zai": ("zai", "z.ai", "z-ai"),
    "zhipuai": ("zhipu", "zhipuai", "zhipu-ai", "bigmodel"),
}  # fmt: skip
"""The words that spans have for those who bill."""

CLIENTS = ("openai", "anthropic")
"""Vendors whose client libraries are pointed at others: the path of a model (`azure/gpt-4o`) knows better who bills."""

OTHER_VENDORS = (
    "ai21", "alibaba", "alibaba-cloud", "dashscope", "qwen-cloud", "ibm", "ibm.watsonx.ai", "watsonx", "watsonx-ai",
    "nvidia", "nvidia-nim", "nvidia-nim-cloud", "deepinfra", "replicate", "sambanova", "hyperbolic", "nebius", "lambda-ai",
    "anyscale", "octoai", "huggingface", "hugging-face", "friendliai", "snowflake", "stability", "stabilityai",
    "assemblyai", "deepgram", "jina", "jina-ai", "volcengine", "tencent", "hunyuan", "baidu", "upstage", "oracle", "oci",
    "sagemaker", "aws.sagemaker", "github-models", "writer", "reka", "aleph-alpha", "gigachat", "yandex", "scaleway",
    "siliconflow", "chutes", "inception", "parasail", "crusoe",
)  # fmt: skip
"""Vendors the book may not know: they bill by their own prices, so another vendor's price is not theirs."""

GATEWAYS = (
    "gateway", "ai-gateway", "litellm", "litellm-proxy", "lite-llm", "vercel", "vercel-ai-gateway", "vercel-ai", "portkey",
    "helicone", "kong", "cloudflare-ai-gateway", "requesty", "unify", "martian", "not-diamond", "eden-ai", "edenai",
    "aimlapi", "bifrost", "mlflow-gateway", "truefoundry", "braintrust", "braintrust-proxy", "tensorzero", "archgw",
    "apisix", "envoy", "higress", "proxy", "openai-compatible", "openai-like", "custom-openai", "custom", "poe",
    "llm-gateway", "one-api", "new-api", "oneapi", "newapi",
)  # fmt: skip
"""They pass a call on to whoever bills: the model's vendor, unless the span says who."""

NOBODY = (
    "", "-other", "other", "unknown", "none", "null", "undefined", "n/a", "na", "default", "auto", "strands-agents",
    "strands", "langchain", "langgraph", "langchain-core", "llamaindex", "llama-index", "haystack", "haystack-ai",
    "spring-ai", "springai", "semantic-kernel", "crewai", "crew-ai", "autogen", "ag2", "agno", "phidata", "pydantic-ai",
    "pydanticai", "logfire", "openai-agents", "agents", "dspy", "smolagents", "mastra", "ai-sdk", "aisdk", "genkit",
    "langfuse", "openlit", "traceloop", "openllmetry", "openinference", "phoenix", "arize", "traceai", "fi", "instructor",
    "marvin", "guidance", "promptflow", "microsoft.agent-framework", "microsoft.agents", "agent-framework",
    "microsoft.extensions.ai", "google-adk", "adk", "gcp.agent", "beeai", "letta", "mem0", "dify", "flowise", "n8n",
    "langflow", "opentelemetry", "otel", "llm", "chat", "chatmodel", "model", "agent", "assistant", "claude-agent-sdk",
    "langchain4j", "quarkus", "micronaut", "chainlit", "ragas", "watsonx-orchestrate", "tanstack", "tanstack-ai", "eino",
    "langchaingo", "langchain-openai", "runnablesequence",
)  # fmt: skip
"""Frameworks, instrumentors and words for nothing: they say nothing about who bills."""

SELF_HOSTED = (
    "ollama", "ollama-chat", "chatollama", "vllm", "hosted-vllm", "chatvllm", "lmstudio", "lm-studio", "llama.cpp",
    "llamacpp", "llama-cpp", "llama-cpp-python", "llama-cpp-server", "chatllamacpp", "llamafile", "tgi",
    "text-generation-inference", "huggingface-tgi", "sglang", "localai", "local-ai", "gpt4all", "koboldcpp", "kobold",
    "oobabooga", "textgen", "text-generation-webui", "xinference", "triton", "nvidia-triton", "tensorrt-llm", "trtllm",
    "mlx", "mlx-lm", "jan", "ray", "ray-serve", "rayllm", "exllama", "exllamav2", "tabbyapi", "aphrodite",
    "docker-model-runner", "docker", "mlc", "mlc-llm", "deepspeed", "deepspeed-mii", "openllm", "bentoml", "local",
    "localhost", "self-hosted", "selfhosted", "onprem", "on-prem", "transformers", "hf-local", "huggingface-local",
    "huggingface-pipeline", "lmdeploy", "infinity", "tei", "text-embeddings-inference", "lemonade", "ramalama", "gpustack",
    "kserve", "foundry-local", "lm-format", "sentence-transformers", "fastembed", "onnx", "onnxruntime", "llama-server",
    "ipex-llm", "powerinfer", "petals",
)  # fmt: skip
"""Servers that people run themselves: nobody bills by the token."""

ROUTES = ("responses", "converse", "invoke", "chat", "completions", "converse-like", "router", "proxy")
"""Words in a model's path that say how it is called."""

PUBLISHERS = frozenset(
    {
        "mistralai",
        "google",
        "openai",
        "deepseek-ai",
        "moonshotai",
        "databricks",
        "amazon",
        "minimax",
        "meta",
        "nvidia",
        "cohere-labs",
    }
)
"""Vendors under whose name open weights are published (`openai/gpt-oss-20b`): such a path is no word of who bills."""

REGION = re.compile(r"[a-z]{2}(-gov)?-[a-z]+-\d")
"""A region in a model's path."""

COLON_HEADS = (
    "openai", "anthropic", "google-gla", "google-vertex", "google", "gemini", "vertexai", "bedrock", "azure",
    "azure-openai", "openrouter", "xai", "grok", "openai-chat", "openai-responses", "gateway", "vertex-ai", "google-genai",
    "google-vertexai", "mistralai", "groq", "ollama", "bedrock-converse", "azure-ai", "fireworks", "together", "perplexity",
    "cerebras", "cohere", "litellm",
)  # fmt: skip
"""What stands before a colon in place of a slash (`openai:gpt-4o`). Families of weights (`mistral:7b`) do not."""

BEDROCK = re.compile(
    r"(?:(?:us|eu|apac|jp|au|ca|sa|uk|global|us-gov)\.)?"
    r"(?:anthropic|amazon|meta|cohere|mistral|ai21|deepseek|openai|qwen|stability|writer|luma|twelvelabs|google|nvidia|minimax|moonshot|zai)"
    r"\.(?P<name>[a-z].*)"
)
"""A model id as only Bedrock writes it, and the name within."""

VERTEX = re.compile(r"(?:claude|mistral|codestral|llama|jamba)[\w.-]*@[\w.]+")
"""A model id as only Vertex writes it: a version behind @."""

VARIANT = re.compile(r"(?P<name>.+):(?P<variant>free|nitro|floor|online|exacto|extended|thinking|beta|self-moderated)")
PLAIN_VARIANTS = ("extended", "thinking", "beta", "self-moderated")
"""OpenRouter's suffixes. Those not plain have prices of their own."""

FINE_TUNED = re.compile(r"ft:(?P<name>[^:]+)(:.*)?|(?P<base>.+)\.ft-.+")
"""A fine-tuned model, and what it was made of."""

ONE_VENDOR: tuple[tuple[str, str], ...] = (
    (
        "openai",
        r"gpt-(?!oss|neo|j-|2($|-)|4all)|chatgpt-|o[134]($|-)|text-embedding-(3-|ada-)|tts-1|whisper-1$|dall-e-|computer-use-|codex-",
    ),
    ("openai", r"(davinci|babbage)-00|text-davinci-|omni-moderation|sora-|ft:"),
    ("anthropic", r"claude($|-)"),
    ("google", r"gemini-|text-(multilingual-)?embedding-00|imagen-|veo-|learnlm-"),
    ("x-ai", r"grok-([3-9]|[a-z]|2-\d{4})"),
    (
        "mistral",
        r"mistral-(large|medium|saba|embed|ocr)(-latest|-\d{4})?$|(codestral|ministral-\db|pixtral-large|magistral-\w+)-(latest|\d{4})$",
    ),
    ("mistral", r"(mistral|devstral)-(small|tiny|medium)-(latest|\d{4})$|open-mi[sx]tral-"),
    (
        "cohere",
        r"command-(a|r|r-plus|r7b)-\d\d-\d{4}|command-(light|nightly)|command$|rerank-(v\d|english|multi)|embed-(v\d|english|multi)",
    ),
    ("deepseek", r"deepseek-(chat|reasoner)$"),
    ("perplexity", r"sonar($|-(pro|reasoning|deep))"),
    ("voyageai", r"voyage-|rerank-(lite-)?[12]($|\.5)"),
    ("moonshotai", r"moonshot-v1|kimi-(latest|thinking-preview)"),
    ("elevenlabs", r"eleven_"),
)
"""Model names that one vendor alone sells, as patterns of their start. Open weights are anybody's: they are not here."""

HOSTS: tuple[tuple[str, str], ...] = (
    ("openai", r"(^|\.)openai\.com$"),
    (
        "azure",
        r"(^|\.)(openai\.azure\.(com|us)|azure-api\.net|cognitiveservices\.azure\.com|services\.ai\.azure\.com|models\.ai\.azure\.com)$",
    ),
    ("azure", r"(^|\.)inference\.ai\.azure\.com$"),
    ("anthropic", r"(^|\.)anthropic\.com$"),
    ("google", r"(^|\.)googleapis\.com$"),
    ("aws", r"(^|\.)bedrock[\w-]*\.[\w-]+\.(amazonaws\.com|api\.aws)(\.cn)?$|^aws\.amazon\.com$"),
    ("cohere", r"(^|\.)cohere\.(ai|com)$"),
    ("mistral", r"(^|\.)mistral\.ai$"),
    ("groq", r"(^|\.)groq\.com$"),
    ("deepseek", r"(^|\.)deepseek\.com$"),
    ("x-ai", r"(^|\.)x\.ai$"),
    ("perplexity", r"(^|\.)perplexity\.ai$"),
    ("together", r"(^|\.)together\.(xyz|ai)$"),
    ("fireworks", r"(^|\.)fireworks\.ai$"),
    ("openrouter", r"(^|\.)openrouter\.ai$"),
    ("cerebras", r"(^|\.)cerebras\.ai$"),
    ("voyageai", r"(^|\.)voyageai\.com$"),
    ("moonshotai", r"(^|\.)moonshot\.(ai|cn)$"),
    ("zhipuai", r"(^|\.)bigmodel\.cn$"),
    ("zai", r"(^|\.)z\.ai$"),
    ("minimax", r"(^|\.)minimaxi?\.(com|io|chat)$"),
    ("novita", r"(^|\.)novita\.ai$"),
    ("github-copilot", r"(^|\.)githubcopilot\.com$"),
    ("databricks", r"(^|\.)(databricks\.com|azuredatabricks\.net)$"),
    ("elevenlabs", r"(^|\.)elevenlabs\.io$"),
    ("deepinfra", r"(^|\.)deepinfra\.com$"),
    ("huggingface", r"(^|\.)huggingface\.(co|cloud)$"),
    ("nvidia", r"(^|\.)api\.nvidia\.com$"),
    ("alibaba", r"(^|\.)aliyuncs\.com$"),
    ("replicate", r"(^|\.)replicate\.com$"),
)
"""Hosts, and who bills what is asked there."""
