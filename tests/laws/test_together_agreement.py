"""The decoder and the slow reference agree on what the spans of a record tell together, whatever family they are."""

from random import Random

from tests.laws.otlp_requests import mutated
from tests.laws.test_decode_agreement import BATCH, EXAMPLES, assert_agreement
from tests.otlp import RECORDED, Told, request_of

RAW = [
    path.read_bytes()
    for name in ("mastra", "springai", "aisdk7_basic")
    for path in sorted((RECORDED.parent / "dialects").glob(f"{name}.*.pb"))
]
SCOPES = ("gen_ai", "org.springframework.boot", "@mastra/otel", "")
CALL = {"gen_ai.operation.name": "chat", "gen_ai.request.model": "gpt-4o-mini"}
EMBEDDING = {"gen_ai.operation.name": "embeddings", "gen_ai.request.model": "text-embedding-3-small"}
USES = [(0, 0), (10, 5), (10, 4), (20, 10), (30, 11), (57, 19), (114, 38)]
KINDS = [
    CALL,
    CALL | {"gen_ai.response.finish_reasons": '["TOOL_CALLS"]'},
    CALL | {"mastra.span.type": "model_generation"},
    EMBEDDING,
    {"mastra.span.type": "model_step"},
    {"spring.ai.kind": "advisor"},
    {"spring.ai.kind": "chat_client", "spring.ai.chat.client.stream": "true"},
    {"spring.ai.kind": "chat_client", "spring.ai.chat.client.stream": "false"},
]


def family(random: Random) -> bytes:
    """A request of a few spans under each other."""
    spans = []
    for _ in range(random.randint(2, 9)):
        attributes = dict(random.choice(KINDS))
        if random.random() < 0.6:
            prompt, answer = random.choice(USES)
            attributes |= {"gen_ai.usage.input_tokens": prompt, "gen_ai.usage.output_tokens": answer}
        parent, after = random.choice((0, 1, 1, 1, 2, 2, 3, 9)), random.randrange(6)
        spans.append(
            Told(attributes, parent=parent, after=after, lasting=random.randrange(6), status=random.choice((0, 0, 1, 2)))
        )
    return request_of(*spans, scope=random.choice(SCOPES))


def test_agree_on_families() -> None:
    for seed in range(0, EXAMPLES, BATCH):
        random = Random(seed)
        assert_agreement([family(random) for _ in range(4 * BATCH)])


def test_agree_on_mutated_recordings() -> None:
    for seed in range(0, EXAMPLES // 4, BATCH):
        random = Random(seed)
        assert_agreement([mutated(random, RAW) for _ in range(BATCH)])
    assert_agreement(RAW)
