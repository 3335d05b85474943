"""The watermark of a log that is fed from several sources: the event time everything has passed, told by the log alone.

A source is a partition of `otlp_spans`. It has reached the largest of min(end of a span, append time of its OTLP
record) over its rows, and of what ticks say of it: "everything appended to it before T is in this log". The watermark
is the least over the sources, less the out-of-orderness, and never goes back. So neither a host with a fast clock, nor
an outage of decode, nor a thin partition read before a thick one makes an honest span too late.

A source that is silent while others are heard holds finality back, up to `source_patience_ns` of log time; then it is
left out, until it is heard again. There is room for MOST_SOURCES; of more, those left out are forgotten, then the last to
come are not heard.

Guarantee: `tests/laws/test_watermark.py`. Source: MillWheel §5 (low watermarks), Flink's per-partition watermarks.
"""

from collections.abc import Iterable, Iterator, Mapping

from pipeline.model.log_time import BEGINNING, MOST_SOURCES, LogClock, SourceMark, WindowPolicy
from pipeline.operators.log_marks import Ticks


class Watermark:
    """State of one log. Every message is `appended` first, then says what it has to say, then `advance` is asked."""

    def __init__(self, policy: WindowPolicy, clock: LogClock, watermark_ns: int) -> None:
        self.policy = policy
        self.ns = watermark_ns
        self._clock = clock
        self._sources = dict(clock.sources)
        self._epochs = dict(map(_topic_and_epoch, self._sources))
        self._lived = clock.lived_ns

    @property
    def appended_ns(self) -> int:
        """Append time of the last message, its running maximum."""
        return self._clock.appended_ns

    def appended(self, append_ns: int) -> None:
        """A message was appended at `append_ns`; whatever it holds, time has passed."""
        before = self._clock.appended_ns
        if append_ns <= before:
            return
        silence = append_ns - before if before > BEGINNING else 0
        outage = silence > self.policy.outage_ns
        self._lived += min(silence, self.policy.outage_ns)
        ticks_from = append_ns + self.policy.allowed_lateness_ns if outage else self._clock.ticks_from_ns
        self._clock = LogClock(append_ns, self._lived, ticks_from)

    def rows(self, reached: Mapping[str, int]) -> None:
        """Rows of these sources reached so far: per log id the largest min(end, append time of its record).

        Only ticks say which epoch of a topic is read: a zombie's rows of another one change nothing.
        """
        epochs = dict(self._epochs)
        by_topic = ((source, *_topic_and_epoch(source)) for source in reached)
        ours = {source: reached[source] for source, topic, epoch in by_topic if epochs.setdefault(topic, epoch) == epoch}
        self._know(ours)
        for source, event_ns in ours.items():
            self._hear(source, min(event_ns, self.appended_ns))

    def ticks(self, said: Ticks) -> None:
        """How many partitions a topic has, and how far some of them are read. Another epoch replaces the one before."""
        ours = f"{said.topic}:"
        gone = [s for s in self._sources if s.startswith(ours) and not s.endswith(f":{said.epoch}")]
        for source in gone:
            del self._sources[source]
            self._epochs.pop(said.topic, None)
        self._know(map(said.source, sorted({*range(said.partitions), *said.partition})))
        for partition, read_to_ns in zip(said.partition, said.read_to_ns, strict=True):
            counts = self.appended_ns >= self._clock.ticks_from_ns
            self._hear(said.source(partition), min(read_to_ns, self.appended_ns) if counts else BEGINNING)

    def advance(self) -> None:
        """Move to the least of the sources that are waited for."""
        waited_for = [mark.event_ns for source, mark in self._sources.items() if not self._is_left_out(mark)]
        least = min(waited_for, default=BEGINNING)
        if least > BEGINNING:
            self.ns = max(self.ns, least - self.policy.out_of_orderness_ns)

    def at_least(self, ns: int, clock: LogClock) -> None:
        """Somebody was further: what they knew of the log holds."""
        self.ns = max(self.ns, ns)
        mine = self._clock
        self._clock = LogClock(max(mine.appended_ns, clock.appended_ns), 0, max(mine.ticks_from_ns, clock.ticks_from_ns))
        self._lived = max(self._lived, clock.lived_ns)
        self._know(source for source, _ in clock.sources)
        for source, mark in clock.sources:
            if known := self._sources.get(source):
                self._sources[source] = SourceMark(max(known.event_ns, mark.event_ns), max(known.heard_ns, mark.heard_ns))

    def left_out(self) -> Iterator[tuple[str, int]]:
        """Sources that have held finality back for longer than the patience, and for how much log time."""
        return ((source, self._lived - mark.heard_ns) for source, mark in self._sources.items() if self._is_left_out(mark))

    def slowest(self) -> tuple[str, int] | None:
        """The source waited for that has reached least, and how far; None if there is none."""
        marks = [(mark.event_ns, source) for source, mark in self._sources.items() if not self._is_left_out(mark)]
        event_ns, source = min(marks, default=(BEGINNING, ""))
        return (source, event_ns) if source else None

    def snapshot(self) -> LogClock:
        """What a successor needs."""
        c = self._clock
        return LogClock(c.appended_ns, self._lived, c.ticks_from_ns, tuple(sorted(self._sources.items())))

    def _know(self, sources: Iterable[str]) -> None:
        """From now on they are waited for, as far as there is room."""
        new = [source for source in sources if source not in self._sources]
        if len(self._sources) + len(new) > MOST_SOURCES:
            self._sources = {source: mark for source, mark in self._sources.items() if not self._is_left_out(mark)}
            self._epochs = dict(map(_topic_and_epoch, self._sources))
        room = new[: MOST_SOURCES - len(self._sources)]
        self._sources |= dict.fromkeys(room, SourceMark(BEGINNING, self._lived))
        self._epochs |= dict(map(_topic_and_epoch, room))

    def _hear(self, source: str, event_ns: int) -> None:
        if known := self._sources.get(source):
            self._sources[source] = SourceMark(max(event_ns, known.event_ns), self._lived)

    def _is_left_out(self, mark: SourceMark) -> bool:
        return self._lived - mark.heard_ns > self.policy.source_patience_ns


def _topic_and_epoch(source: str) -> tuple[str, str]:
    return source.partition(":")[0], source.rpartition(":")[2]
