"""Random traces whose truth is known by construction: which calls were made, and which spans tell of each."""

from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import Any

from pipeline.operators.tellers import Layer
from tests.told import CHAIN, NOTHING, TOOL, Said, said

FRAMEWORK, CLIENT, LIBRARY, GATEWAY, OWN = Layer.FRAMEWORK, Layer.CLIENT, Layer.LIBRARY, Layer.GATEWAY, Layer.OWN_CLIENT


@dataclass
class Mix:
    """Traces so far. calls: per call its trace, its input tokens, -1 for one that failed, and the span ids that tell of it.

    use: what the call that is being told says. root: the span of the trace's request.
    """

    random: Random
    spans: list[Said] = field(default_factory=list)
    calls: list[tuple[int, int, list[int]]] = field(default_factory=list)
    trace: int = 0
    root: int = 0
    use: dict[str, int] = field(default_factory=dict)

    def add_trace(self, trace: int) -> None:
        """A request that makes up to eight calls, half of them while the one before is under way, all instrumented one way."""
        self.trace, self.use = trace, {}
        self.root = 0
        self.root = self.tell(0, 100_000, Layer.UNKNOWN, kind=CHAIN)
        way, now = self.random.choice(WAYS), 1.0
        for _ in range(self.random.randint(1, 8)):
            self.use = {"input": self.random.choice((10, 57, 57, 57)), "model": self.random.choice((1, 1, 2))}
            start = self.random.choice((now, max(now - 150, 1))) + self.random.random()
            now = way(self, start)

    def tell(self, start: float, lasting: float, layer: Layer, **more: Any) -> int:
        given = {"parent": self.root, "trace": self.trace} | self.use | more
        self.spans.append(said(len(self.spans) + 1, start, lasting, layer, **given))
        return len(self.spans)

    def call(self, *told: int) -> None:
        """These spans tell of one call."""
        last = self.spans[told[-1] - 1]
        self.calls.append((self.trace, -1 if last.error else self.use["input"], list(told)))

    def response(self) -> int:
        return len(self.spans) + 1


def alone(mix: Mix, at: float) -> float:
    mix.call(mix.tell(at, 200, CLIENT))
    return at + 200


def fan_out(mix: Mix, at: float) -> float:
    """Up to twelve identical calls at once, each told by framework and client beside each other."""
    for i in range(mix.random.randint(2, 12)):
        mix.call(mix.tell(at + i, 300 + i, FRAMEWORK), mix.tell(at + i + 0.5, 298 + i, CLIENT))
    return at + 400


def beside(mix: Mix, at: float) -> float:
    lasting = mix.random.randint(100, 300)
    outer = mix.tell(at, lasting, FRAMEWORK, **mix.random.choice(({}, NOTHING)))
    mix.call(outer, mix.tell(at + 1, lasting - 2, CLIENT))
    return at + lasting


def failed(mix: Mix, at: float) -> float:
    """Now and then both say that it failed."""
    error = mix.random.random() < 0.5
    mix.call(mix.tell(at, 90, FRAMEWORK, error=error), mix.tell(at + 1, 88, CLIENT, error=error))
    return at + 90


def under(mix: Mix, at: float) -> float:
    """The client's span under the framework's, through a chain; then a tool that makes a second call that is just the same."""
    outer = mix.tell(at, 500, FRAMEWORK)
    chain = mix.tell(at + 1, 300, Layer.UNKNOWN, parent=outer, kind=CHAIN)
    mix.call(outer, mix.tell(at + 2, 290, CLIENT, parent=chain))
    if mix.random.random() < 0.5:
        tool = mix.tell(at + 300, 190, Layer.UNKNOWN, parent=outer, kind=TOOL)
        mix.call(mix.tell(at + 301, 180, CLIENT, parent=tool))
    return at + 500


def retried(mix: Mix, at: float) -> float:
    """Attempts that failed are told by the client alone."""
    outer = mix.tell(at, 400, FRAMEWORK)
    for i in range(mix.random.randint(0, 3)):
        mix.call(mix.tell(at + 1 + 60 * i, 50, CLIENT, error=True))
    mix.call(outer, mix.tell(at + 190, 205, CLIENT))
    return at + 400


def steps(mix: Mix, at: float) -> float:
    """A wrapper that says the sum of two calls or more, itself no call."""
    n = mix.random.randint(2, 4)
    wrapper = mix.tell(at, 210 * n, FRAMEWORK, input=n * mix.use["input"], output=n * 19)
    for i in range(n):
        mix.call(mix.tell(at + 1 + 205 * i, 200, CLIENT, parent=wrapper))
    return at + 210 * n


def gateway(mix: Mix, at: float) -> float:
    """A client before a gateway that knows the model by another name, and answers again from its cache."""
    response = mix.response()
    for when, lasting, cached in ((at, 300, False), (at + 310, 20, True)):
        outer = mix.tell(when, lasting, CLIENT, response=response)
        inner = {"response": response, "model": 9, "cached": cached}
        mix.call(outer, mix.tell(when + 5, lasting - 10, GATEWAY, **inner))
        if mix.random.random() < 0.5:
            break
    return at + 400


def streamed(mix: Mix, at: float) -> float:
    request = mix.tell(at, 2, CLIENT, **NOTHING)
    mix.call(request, mix.tell(at + 300, 0, CLIENT, stream=True, response=mix.response()))
    return at + 301


def library(mix: Mix, at: float) -> float:
    """Instrumentor and library both know the response id; one counts a token too many."""
    response = mix.response()
    outer = mix.tell(at, 300, CLIENT, response=response, output=20)
    mix.call(outer, mix.tell(at + 1, 298, LIBRARY, response=response))
    return at + 300


def own(mix: Mix, at: float) -> float:
    """A framework with a client of its own, and an instrumented client that asks the same at the same time."""
    mix.call(mix.tell(at, 300, OWN))
    mix.call(mix.tell(at + 1, 298, CLIENT))
    return at + 300


WAYS: tuple[Callable[[Mix, float], float], ...] = (
    *(alone, fan_out, beside, failed, under, retried, steps, gateway, streamed, library, own),
)
