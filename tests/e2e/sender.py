"""Traffic in real time with everything that goes wrong on the way: repeats, late spans, too late ones, broken ones.

Ages are chosen so that every verdict but a repeat's is certain beforehand: late is late enough to miss the on-time firing
and early enough to count after any outage of the test, too late is hours ago and sent only once every partition has a
watermark.
"""

import random
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from heapq import heappop, heappush
from threading import Event
from types import TracebackType
from typing import Self

from pipeline.connectors.clock import now_ns, steady
from pipeline.connectors.kafka import Producer
from pipeline.model.stream import Message
from pipeline.operators.traffic import Call, draw, encode, shifted, spans_of, with_steps
from pipeline.settings import SECOND, Settings
from tests.e2e.ledger import Ledger

SLICE_S = 0.2
"""Traffic is sent in slices of this length."""

TRACES = 8
"""Traces of one request."""

LATE_S = (10, 20)
TOO_LATE_S = (2 * 3600, 5 * 3600)
RESEND_S = (1, 6)
"""How long ago, or how much later, in seconds."""


@dataclass(frozen=True, slots=True)
class Mix:
    """How much is sent how fast, and which shares of it are not as they should be: calls, but for `twice` of requests."""

    spans: int
    per_second: int
    late: float = 0.02
    too_late: float = 0.005
    broken: float = 0.003
    twice: float = 0.05


class Sender:
    """Sends in a thread of its own from entering to leaving. `known`: set once every partition has a watermark."""

    def __init__(self, settings: Settings, mix: Mix, rng: random.Random) -> None:
        self._settings, self._mix, self._rng = settings, mix, rng
        self._producer = Producer(settings)
        self._again: list[tuple[float, int, bytes]] = []
        self._stop = Event()
        self._thread = ThreadPoolExecutor(1, "sender")
        self._done: Future[None] | None = None
        self.ledger = Ledger(int(settings.window * SECOND))
        self.known = Event()
        self.sent = 0

    def __enter__(self) -> Self:
        self._done = self._thread.submit(self._send_all)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._stop.set()
        self._thread.shutdown()

    def reached(self, spans: int) -> bool:
        """Have so many been sent? Raises what the thread raised."""
        assert self._done is not None
        if self._done.done():
            self._done.result()
        return self.sent >= spans

    def finished(self) -> bool:
        """Is everything sent, repeats included? Raises what the thread raised."""
        return self._done is not None and self._done.done() and self._done.result() is None

    def _send_all(self) -> None:
        """Slice by slice, each when its time has come, then the last repeats."""
        due = 0.0
        while not self._stop.is_set() and (self.sent < self._mix.spans or self._again):
            next_slice = steady() + SLICE_S
            due = min(due + self._mix.per_second * SLICE_S, self._allowed())
            messages = self._repeats()
            while self.sent < due:
                messages += self._request()
            self._producer.send(messages)
            self._producer.confirm()
            self._stop.wait(max(0.0, next_slice - steady()))

    def _allowed(self) -> int:
        """How much may be sent by now: a first part until every partition has a watermark."""
        return self._mix.spans if self.known.is_set() else self._mix.spans // 20

    def _request(self) -> list[Message]:
        """A new request, perhaps twice, perhaps with its repeat only planned."""
        calls = [call for _ in range(TRACES) for call in self._trace()]
        too_late = [call for call in calls if now_ns() - call.end_ns > TOO_LATE_S[0] * SECOND]
        value = encode(calls)
        self.ledger.drawn(calls, too_late, value)
        self.sent += spans_of(calls)
        messages = [self._message(value)]
        if self._rng.random() < self._mix.twice:
            if self._rng.random() < 0.5:
                messages.append(self._message(value))
            else:
                heappush(self._again, (steady() + self._rng.uniform(*RESEND_S), self._rng.getrandbits(32), value))
        return messages

    def _repeats(self) -> list[Message]:
        """Repeats whose time has come."""
        messages = []
        while self._again and self._again[0][0] <= steady():
            messages.append(self._message(heappop(self._again)[2]))
        return messages

    def _trace(self) -> list[Call]:
        last = draw(self._rng, now_ns() - self._rng.randrange(int(SLICE_S * SECOND)), self.sent / self._mix.spans)
        calls = with_steps(self._rng, last)
        chance = self._rng.random()
        if chance < self._mix.late:
            return self._earlier(calls, LATE_S)
        if (chance := chance - self._mix.late) < self._mix.too_late:
            return self._earlier(calls, TOO_LATE_S) if self.known.is_set() else calls
        if chance - self._mix.too_late < self._mix.broken:
            return [*calls[:-1], replace(calls[-1], start_ns=calls[-1].end_ns + 1)]
        return calls

    def _earlier(self, calls: list[Call], ago_s: tuple[int, int]) -> list[Call]:
        by_ns = -int(self._rng.uniform(*ago_s) * SECOND)
        return [shifted(call, by_ns) for call in calls]

    def _message(self, value: bytes) -> Message:
        partition = self._rng.randrange(self._settings.otlp_partitions)
        self.ledger.written(partition, value)
        return Message(self._settings.topic("otlp_spans"), partition, value)
