"""When a window is whole: every source of its family has said so.

A source is a partition of the log that aggregate (or scores) folds. How many there are stands in what each says. One that is
silent while others are heard is waited for so much log time, then left out and named: it comes back with its next word. Where no
partition of its topic was heard for so long, that was nobody's silence, and all are waited for anew from the next word on; so are
all sources of all families where nobody was heard.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

import msgspec

from pipeline.model.log_time import BEGINNING


class Word(msgspec.Struct):
    """What a source has said last. heard_ns: log time."""

    epoch: str
    on_time_ns: int
    heard_ns: int


class Topic(msgspec.Struct):
    """One log: how many partitions it has, since when it is spoken of, and what each said. resumed_ns: log time of the first word
    after nobody of it, or nobody at all, had said one for longer than the patience.
    """

    partitions: int
    since_ns: int
    words: dict[int, Word]
    resumed_ns: int = BEGINNING


@dataclass(slots=True)
class Frontiers:
    """Of all families. line: by family, up to where windows are whole; it never goes back."""

    patience_ns: int
    topics: dict[str, dict[str, Topic]] = field(default_factory=dict)
    line: dict[str, int] = field(default_factory=dict)

    def heard(self, family: str, source: str, partitions: int, on_time_ns: int, now_ns: int) -> None:
        """A source has spoken. The first word of another incarnation of a log replaces all of the one before, which may have had
        more partitions.
        """
        topic, partition, epoch = source.rsplit(":", 2)
        topics = self.topics.setdefault(family, {})
        known = topics.get(topic)
        if known is None or all(word.epoch != epoch for word in known.words.values()):
            known = topics[topic] = Topic(partitions, now_ns, {})
        known.partitions = max(known.partitions, partitions)
        everyone = [one for of_family in self.topics.values() for one in of_family.values()]
        for resumed in ([known], everyone):
            if now_ns - _last_heard_ns(resumed, now_ns) > self.patience_ns:
                for one in resumed:
                    one.resumed_ns = now_ns
        last = known.words.get(int(partition))
        before = last.on_time_ns if last is not None and last.epoch == epoch else BEGINNING
        known.words[int(partition)] = Word(epoch, max(before, on_time_ns), now_ns)

    def whole_ns(self, family: str, now_ns: int) -> int:
        """Windows of the family that end by then are whole."""
        least, found = None, self.topics.get(family, {})
        for topic in found.values():
            for partition in range(topic.partitions):
                word = topic.words.get(partition)
                if self._is_left_out(topic, word, now_ns):
                    continue
                on_time = word.on_time_ns if word is not None else BEGINNING
                least = on_time if least is None else min(least, on_time)
        self.line[family] = max(self.line.get(family, BEGINNING), BEGINNING if least is None else least)
        return self.line[family]

    def left_out(self, now_ns: int) -> list[str]:
        """Sources nobody waits for any more, as `family topic:partition`."""
        return [name for name, topic, word in self._sources() if self._is_left_out(topic, word, now_ns)]

    def waited_for(self, now_ns: int) -> set[str]:
        """Families of which a source is waited for; of others no window is whole."""
        return {name.split()[0] for name, topic, word in self._sources() if not self._is_left_out(topic, word, now_ns)}

    def silent(self, now_ns: int) -> list[str]:
        """Sources that were not heard for longer than the patience, whether others were or not; named likewise."""
        return [name for name, topic, word in self._sources() if now_ns - _heard_ns(topic, word) > self.patience_ns]

    def _sources(self) -> Iterator[tuple[str, Topic, Word | None]]:
        for family, topics in self.topics.items():
            for name, topic in topics.items():
                for partition in range(topic.partitions):
                    yield f"{family} {name}:{partition}", topic, topic.words.get(partition)

    def _is_left_out(self, topic: Topic, word: Word | None, now_ns: int) -> bool:
        return now_ns - max(_heard_ns(topic, word), topic.resumed_ns) > self.patience_ns


def _last_heard_ns(topics: list[Topic], otherwise_ns: int) -> int:
    return max((word.heard_ns for topic in topics for word in topic.words.values()), default=otherwise_ns)


def _heard_ns(topic: Topic, word: Word | None) -> int:
    return topic.since_ns if word is None else word.heard_ns
