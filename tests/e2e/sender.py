"""Traffic in real time with everything that goes wrong on the way: repeats, late spans, too late ones, broken ones.

Ages are chosen so that every verdict but a repeat's is certain beforehand: late is late enough to miss the on-time firing
and early enough to count after any outage of the test, too late is hours ago and sent only once every partition has a
watermark. A call that is to come late for its trace is sent once the trace's row is stored, for then the log has closed it.
"""

import random
from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from heapq import heappop, heappush
from threading import Event
from types import TracebackType
from typing import Self

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from pipeline.connectors.clickhouse import query
from pipeline.connectors.clock import now_ns, steady
from pipeline.connectors.kafka import Producer
from pipeline.model.stream import Message
from pipeline.operators.traffic import Call, draw, encode, shifted, with_steps
from pipeline.settings import SECOND, Settings
from tests.e2e.ledger import Ledger
from tests.e2e.retold import forgotten, root_of, spans_of, take_names, taken_out, tell_again

SLICE_S = 0.2
"""Traffic is sent in slices of this length."""

TRACES = 8
"""Traces of one request."""

NAMED_BY_ATTRIBUTES = "otel_genai"
"""The dialect whose route and cohort can be taken away from a span."""

LATE_S = (10, 20)
TOO_LATE_S = (2 * 3600, 5 * 3600)
RESEND_S = (1, 6)
"""How long ago, or how much later, in seconds."""

LATE_FOR_TRACE_S = 30
"""So long ago a call that comes late for its trace may have ended: it still counts in its window."""


@dataclass(frozen=True, slots=True)
class Mix:
    """How much is sent how fast, and which shares of it are not as they should be: calls, but for `twice` of requests.

    Of traces that are neither late nor broken: those of which a framework tells again, whose calls say no route and no cohort
    (half of these, and of the former, in two records), and to which a call comes when they are over.
    """

    spans: int
    per_second: int
    late: float = 0.02
    too_late: float = 0.005
    broken: float = 0.003
    twice: float = 0.05
    told_again: float = 0.15
    nameless: float = 0.15
    late_for_trace: float = 0.05


class Sender:
    """Sends in a thread of its own from entering to leaving. `known`: set once every partition has a watermark."""

    def __init__(self, settings: Settings, mix: Mix, rng: random.Random) -> None:
        self._settings, self._mix, self._rng = settings, mix, rng
        self._producer = Producer(settings)
        self._again: list[tuple[float, int, bytes]] = []
        self._to_close: dict[str, Call] = {}
        self._asked = 0.0
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
        while not self._stop.is_set() and (self.sent < self._mix.spans or self._again or self._to_close):
            next_slice = steady() + SLICE_S
            due = min(due + self._mix.per_second * SLICE_S, self._allowed())
            messages = [*self._repeats(), *self._late_for_their_traces()]
            while self.sent < due:
                messages += self._request()
            self._producer.send(messages)
            self._producer.confirm()
            self._stop.wait(max(0.0, next_slice - steady()))

    def _allowed(self) -> int:
        """How much may be sent by now: a first part until every partition has a watermark."""
        return self._mix.spans if self.known.is_set() else self._mix.spans // 20

    def _request(self) -> list[Message]:
        """A new request, and what of it comes apart."""
        traces = [self._trace() for _ in range(TRACES)]
        calls = [call for trace in traces for call in trace]
        request, beside, after = ExportTraceServiceRequest.FromString(encode(calls)), set[bytes](), set[bytes]()
        for trace in traces:
            if is_fresh(trace):
                self._retell(request, trace, beside, after)
        too_late = [call for call in calls if now_ns() - call.end_ns > TOO_LATE_S[0] * SECOND]
        self.ledger.drawn(calls, too_late, request.SerializeToString())
        self.sent += sum(1 for _ in spans_of(request))
        if after:
            self._later(taken_out(request, after))
        parts = [taken_out(request, beside)] if beside else []
        return [message for value in (*parts, request.SerializeToString()) for message in self._perhaps_twice(value)]

    def _retell(self, request: ExportTraceServiceRequest, trace: list[Call], beside: set[bytes], after: set[bytes]) -> None:
        """Something happens to it. The spans `beside` go into a record of their own, those `after` come later."""
        trace_id, chance, apart = trace[0].trace_id, self._rng.random(), self._rng.random() < 0.5
        if chance < self._mix.told_again:
            again = tell_again(request, trace, self._rng)
            beside |= again if apart else set()
        elif chance - self._mix.told_again < self._mix.nameless and trace[0].dialect == NAMED_BY_ATTRIBUTES:
            take_names(request, trace_id)
            self.ledger.nameless += len(trace)
            after |= {root_of(request, trace_id)} if apart else set()
        if self._rng.random() < self._mix.late_for_trace and self.sent < self._mix.spans / 2:
            self._to_close[trace_id.hex()] = trace[-1]

    def _late_for_their_traces(self) -> list[Message]:
        """A call for each trace that is over and in which one was forgotten. Asks once a second."""
        if not self._to_close or steady() < self._asked + 1:
            return []
        self._asked, youngest, messages = steady(), now_ns() - LATE_FOR_TRACE_S * SECOND, []
        self._to_close = {trace: call for trace, call in self._to_close.items() if call.end_ns > youngest}
        for trace in closed(self._settings, self._to_close) if self._to_close else ():
            call = forgotten(self._rng, self._to_close.pop(trace))
            request = ExportTraceServiceRequest.FromString(encode([call], around=False))
            if call.dialect == NAMED_BY_ATTRIBUTES and self._rng.random() < 0.5:
                take_names(request, call.trace_id)
            self.ledger.forgotten(call, request.SerializeToString())
            messages += self._perhaps_twice(request.SerializeToString())
        return messages

    def _perhaps_twice(self, value: bytes) -> list[Message]:
        """The record, perhaps twice, perhaps with its repeat only planned."""
        messages = [self._message(value)]
        if self._rng.random() < self._mix.twice:
            if self._rng.random() < 0.5:
                messages.append(self._message(value))
            else:
                self._later(value)
        return messages

    def _later(self, value: bytes) -> None:
        heappush(self._again, (steady() + self._rng.uniform(*RESEND_S), self._rng.getrandbits(32), value))

    def _repeats(self) -> list[Message]:
        """Repeats, and what came apart, whose time has come."""
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


def is_fresh(trace: list[Call]) -> bool:
    """Has it only just ended, and well?"""
    return now_ns() - trace[-1].end_ns < SECOND and trace[-1].start_ns <= trace[-1].end_ns


def closed(settings: Settings, traces: Iterable[str]) -> list[str]:
    """Which of the traces have a row."""
    ids = ", ".join(f"'{trace}'" for trace in traces)
    found = query(settings, f"SELECT DISTINCT trace_id FROM traces WHERE trace_id IN ({ids})")[1]
    return [trace for (trace,) in found]
