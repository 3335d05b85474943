"""Which spans of a trace tell of one call, the slow, obvious way: what `told_twice.py` has to agree with.

Of the fast way it knows the meaning of the columns, the order of the layers and the two spans of time; no bounds, as its traces
are small.
"""

from collections.abc import Callable, Hashable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import groupby, product

from pipeline.operators.told_twice import ABOVE, FAR_NS, RECORD_NS, SLACK_NS, Rule
from tests.told import Said


@dataclass(eq=False)
class Node:
    """A span and what becomes of it. call: all nodes of its call; used: who knows the tokens of what it stands for."""

    said: Said
    up: "Node | None" = None
    call: "set[Node]" = field(default_factory=set)
    rule: Rule = Rule.ALONE
    began_ns: int = 0

    def ancestors(self) -> "Iterator[Node]":
        node, met = self.up, {self}
        while node and node not in met:
            yield node
            met.add(node)
            node = node.up

    @property
    def above(self) -> "Node | None":
        return next((node for node in self.ancestors() if node.said.call), None)

    @property
    def depth(self) -> int:
        return sum(node.said.call for node in self.ancestors())

    @property
    def free(self) -> bool:
        """Does nothing stand between this and the call above that calls something of its own?"""
        between = []
        for node in self.ancestors():
            if node.said.call:
                break
            between.append(node.said.through)
        return all(between)

    @property
    def silent(self) -> bool:
        return self.said.silent

    @property
    def layers(self) -> set[int]:
        return {int(node.said.layer) for node in self.call} - {0}


def link(a: Node, b: Node) -> None:
    call = a.call | b.call
    for node in call:
        node.call = call


def join(a: Node, b: Node, rule: Rule) -> None:
    link(a, b)
    for node in (a, b):
        node.rule = node.rule or rule


def grouped(nodes: Iterable[Node], key: Callable[[Node], Hashable]) -> list[list[Node]]:
    """The nodes of each value of the key, in their order."""
    groups: dict[Hashable, list[Node]] = {}
    for node in nodes:
        groups.setdefault(key(node), []).append(node)
    return list(groups.values())


def same_use(a: Said, b: Said) -> bool:
    return all(x == y or x < 0 or y < 0 for x, y in ((a.input, b.input), (a.output, b.output)))


def nearly(a: Said, b: Said) -> bool:
    if a.input != b.input and a.input >= 0 and b.input >= 0:
        return False
    return a.output < 0 or b.output < 0 or abs(a.output - b.output) in (0, 1, max(a.reasoning, b.reasoning))


def by_response(calls: list[Node]) -> None:
    for group in grouped((c for c in calls if c.said.response), lambda c: (c.said.response, c.said.kind)):
        once = len({c.said.teller for c in group}) == len(group)
        for i, node in enumerate(group):
            before = group[:i]
            a = node.said
            twin = [b for b in before if b.said.teller == a.teller and _written_twice(a, b.said)]
            others = [
                b
                for b in before
                if b.said.teller != a.teller
                and (once or (a.start_ns <= b.said.end_ns and b.said.start_ns <= a.end_ns))
                and not any(c.said.teller == a.teller and c.call is b.call for c in before)
            ]
            if twin or others:
                join(node, (twin or others)[0], Rule.RESPONSE_ID)


def _written_twice(a: Said, b: Said) -> bool:
    """b began first. Does a lie in it, or b in a, and do they say the same?"""
    inside = a.start_ns <= b.end_ns and (a.end_ns <= b.end_ns or a.start_ns == b.start_ns)
    return inside and a.cached == b.cached and same_use(a, b)


def by_parent(calls: list[Node]) -> None:
    used = {c: c for c in calls}
    tops = [c for c in calls if any(other.above is c for other in calls)]
    for top in sorted(tops, key=lambda t: -t.depth):
        t = top.said
        beneath = [c for c in calls if c.above is top]
        if any(c.call is top.call for c in beneath):
            continue
        kin = [c for c in beneath if c.said.kind == t.kind]
        own = [c for c in kin if c.free and c.said.error == t.error]
        told = [c for c in kin if not c.said.error and not used[c].silent]
        alike = all(c.said.model == t.model or not c.said.model or not t.model for c in own)
        says = [
            c
            for c in own
            if c in told and (used[c].said.input, used[c].said.output) == (t.input, t.output) and sum(_tokens([used[c]])) > 0
        ]
        if says:
            join(top, says[-1], Rule.PARENT)
        elif any(
            not top.silent and len(some) > 1 and _tokens([used[c] for c in some]) == _tokens([top])
            for some in (told, [c for c in told if c in own])
        ) or (top.silent and len(own) > 1 and alike and (t.error or any(c in told for c in own))):
            link(top, (own or kin)[-1])
            top.rule = Rule.STEPS
        elif len(own) == 1 and alike:
            c, (child,) = used[own[0]].said, own
            if same_use(c, t) or (child.said.teller != t.teller and nearly(c, t)):
                join(top, child, Rule.PARENT)
                if top.silent:
                    used[top] = used[child]


def _tokens(nodes: list[Node]) -> tuple[int, int]:
    return sum(max(n.said.input, 0) for n in nodes), sum(max(n.said.output, 0) for n in nodes)


def by_record(calls: list[Node]) -> None:
    for group in grouped(calls, lambda c: (c.said.model, c.said.kind, c.said.teller, c.said.parent)):
        waiting: list[Node] = []
        for node in group:
            s = node.said
            if s.error:
                continue
            if node.silent and not s.response:
                waiting.append(node)
            elif s.stream and s.end_ns - s.start_ns <= RECORD_NS:
                before = [w for w in waiting if w.said.end_ns <= s.start_ns]
                if before:
                    waiting.remove(before[-1])
                    join(node, before[-1], Rule.RECORD)
                    node.began_ns = before[-1].said.start_ns


def strangers(a: Node, b: Node) -> bool:
    over_a, over_b = list(a.ancestors()), list(b.ancestors())
    if b in over_a or a in over_b:
        return True
    return bool(a.up and b.up and a.up is not b.up and b.up not in over_a and a.up not in over_b)


def by_time(calls: list[Node]) -> None:
    for high, low in ABOVE:
        keys: list[tuple[Callable[[Node], bool], Callable[[Node], Hashable]]] = [
            (lambda c: bool(c.said.model), lambda c: (c.said.input, c.said.output, c.said.model)),
            (lambda c: bool(c.said.model), lambda c: c.said.model),
        ]
        if low == ABOVE[2][1]:
            keys.insert(1, (lambda c: not c.silent, lambda c: (c.said.input, c.said.output)))
        for reach, (wanted, key) in product((SLACK_NS, FAR_NS), keys):
            some = [c for c in calls if wanted(c) and c.said.layer in (high, low)]
            for group in grouped(some, lambda c: (key(c), c.said.kind, c.said.error)):  # noqa: B023
                _match(sorted(group, key=lambda c: c.said.start_ns - SLACK_NS * (c.said.layer == high)), high, reach)


def _match(group: list[Node], high: int, reach: int) -> None:
    free: list[Node] = []
    for node in group:
        if node.said.layer == high:
            free.append(node)
            continue
        n = node.said
        fits = [
            o
            for o in free
            if -SLACK_NS <= o.said.end_ns - n.end_ns <= reach
            and not o.layers & node.layers
            and (o.said.response == n.response or not o.said.response or not n.response)
            and same_use(o.said, n)
            and not strangers(o, node)
        ]
        if fits:
            o = min(fits, key=lambda o: o.said.end_ns)
            free.remove(o)
            join(o, node, Rule.BESIDE)


def plain(spans: list[Said]) -> dict[int, tuple[object, ...]]:
    """Per span id of a call: ids of what stands, of who knows tokens and first token (0: nobody), stream, rule, start."""
    answer: dict[int, tuple[object, ...]] = {}
    for _, group in groupby(sorted(spans, key=lambda s: (s.trace, s.start_ns, s.end_ns, s.span)), lambda s: s.trace):
        nodes = [Node(s, began_ns=s.start_ns) for s in group]
        ids = {n.said.span: n for n in nodes}
        for node in nodes:
            node.call = {node}
            node.up = ids.get(node.said.parent) if node.said.parent != node.said.span else None
        calls = [n for n in nodes if n.said.call]
        for rule in (by_response, by_parent, by_record, by_time):
            rule(calls)
        answer |= {c.said.span: _stands(c) for c in calls}
    return answer


def _stands(node: Node) -> tuple[object, ...]:
    def best(*wanted: Callable[[Node], int]) -> Node:
        return min(node.call, key=lambda c: (*(-int(w(c)) for w in wanted), c.said.span))

    near = (lambda c: c.depth, lambda c: int(c.said.layer))
    closest = best(lambda c: not c.silent, *near)

    def agrees(c: Node) -> bool:
        if closest.silent:
            return True
        return not c.silent and (c.said.input, c.said.output) == (closest.said.input, closest.said.output)

    row = best(agrees, lambda c: c.said.cached, lambda c: c.said.priced, lambda c: c.said.details, *near)
    usage = best(agrees, lambda c: c.said.details, *near)
    ttft = best(lambda c: c.said.ttft, *near)
    stream = any(c.said.stream for c in node.call)
    return row.said.span, usage.said.span, ttft.said.span if ttft.said.ttft else 0, stream, node.rule, node.began_ns
