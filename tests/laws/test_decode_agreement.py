"""The decoder and the slow reference agree on every input, however hostile: rows, dead letters, ledger.

TAILRACE_FUZZ_EXAMPLES sets how many inputs each test tries (`make soak` tries many more than `make test`).
"""

import os
from collections.abc import Callable, Sequence
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from pipeline.operators.decode.sought import Sought
from tests.laws.otlp_requests import built, mutated, with_true_lengths
from tests.laws.reference_decoder import reference_decode
from tests.otlp import DECODER, POLICY, RECORDED, keeps_law_a, record, rows

EXAMPLES = int(os.environ.get("TAILRACE_FUZZ_EXAMPLES", "400"))
PLAYED = EXAMPLES // 8
"""How many of them Hypothesis plays: it shrinks what fails, but a seed is twenty times as fast."""
BATCH = 25
RAW = [path.read_bytes() for path in sorted(RECORDED.glob("*.pb"))]


def pieces() -> list[bytes]:
    """Every recorded span as a request of its own."""
    found = []
    for raw in RAW:
        for resource in ExportTraceServiceRequest.FromString(raw).resource_spans:
            for scope in resource.scope_spans:
                for span in scope.spans:
                    request = ExportTraceServiceRequest()
                    single = request.resource_spans.add(resource=resource.resource).scope_spans.add(scope=scope.scope)
                    single.spans.append(span)
                    found.append(request.SerializeToString())
    return found


def attributes() -> list[bytes]:
    """Every recorded attribute that is short."""
    requests = [ExportTraceServiceRequest.FromString(raw) for raw in RAW]
    spans = [s for request in requests for r in request.resource_spans for scope in r.scope_spans for s in scope.spans]
    return sorted({a.SerializeToString() for span in spans for a in span.attributes if a.ByteSize() < 300})


def assert_agreement(payloads: Sequence[bytes]) -> None:
    """One batch through both."""
    batch = [record(payload, offset, "application/x-protobuf") for offset, payload in enumerate(payloads)]
    decoded = DECODER.decode(batch)
    expected, dead, ledger = reference_decode(POLICY, batch)
    for ours, theirs in zip(rows(decoded), expected, strict=True):
        assert ours == theirs, payloads[theirs["offset"]].hex()
    assert sorted((d.record.offset, d.index, d.reason, d.count) for d in decoded.dead) == sorted(dead)
    assert [(a.spans, a.rows, a.dead) for a in decoded.ledger] == ledger
    assert keeps_law_a(decoded)


@settings(max_examples=PLAYED, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.randoms(use_true_random=False))
def test_agree_on_built_requests(random: Random) -> None:
    assert_agreement([built(random)])


def test_agree_on_many_built_requests() -> None:
    for seed in range(0, EXAMPLES, BATCH):
        random = Random(seed)
        assert_agreement([built(random) for _ in range(BATCH)])


@pytest.mark.parametrize(
    ("mutate", "corpus"),
    [(mutated, pieces), (mutated, lambda: RAW), (with_true_lengths, attributes)],
    ids=["spans", "requests", "attributes"],
)
def test_agree_on_mutations(mutate: Callable[[Random, Sequence[bytes]], bytes], corpus: Callable[[], list[bytes]]) -> None:
    originals = corpus()
    for seed in range(0, EXAMPLES, BATCH):
        random = Random(seed)
        assert_agreement([mutate(random, originals) for _ in range(BATCH)])


def test_agree_on_what_was_recorded() -> None:
    assert_agreement(RAW)
    assert_agreement(pieces())


def test_reference_sees_a_difference(monkeypatch: pytest.MonkeyPatch) -> None:
    """The comparison is no tautology: with one field's paths reversed it fails."""
    swapped: dict[str, Any] = DECODER.fields | {"model": DECODER.fields["model"][::-1]}
    monkeypatch.setattr(DECODER, "fields", swapped)
    monkeypatch.setattr(DECODER, "sought", Sought.of(swapped, DECODER.asked))
    with pytest.raises(AssertionError):
        assert_agreement(RAW)
