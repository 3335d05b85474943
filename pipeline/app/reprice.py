"""`tailrace reprice`: the cost of what is stored, anew, after a price was corrected.

An hour of event time is done at once, and in it a series (a unit) is written wholly or not at all: its panes, all of them, so
that none expires before the roll-ups have followed, then its spans. Whoever is stopped in between and runs again comes to the
same end: what is written depends on what spans say and on today's prices, not on what they cost before.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.app.compose import price_book
from pipeline.connectors import stored_costs as store
from pipeline.connectors.clickhouse import connect
from pipeline.connectors.stored_costs import HOUR_NS
from pipeline.errors import Fatal, SettingsError
from pipeline.model.columns import SERIES
from pipeline.operators.decode.billing import Biller
from pipeline.operators.decode.stored import COUNTS, MONEY, priced_again
from pipeline.operators.pricing.price import PriceBook
from pipeline.operators.repricing import EXPIRED_PANES, PRICED, PROOF, PaneSums, changed, differing, why_not
from pipeline.settings import Settings

CHANGES = 100_000
"""Spans of one statement that writes them."""

MOST_LEFT_ALONE = 1000
"""Series and hours that are told one by one; all are counted."""

Series = tuple[str, ...]
Say = Callable[[str], None]


@dataclass(slots=True)
class Change:
    """What became of the calls of one provider and model. Sums in nano-USD; unpriced: calls."""

    calls: int = 0
    changed: int = 0
    before_nusd: int = 0
    after_nusd: int = 0
    unpriced_before: int = 0
    unpriced_after: int = 0


@dataclass(frozen=True, slots=True)
class LeftAlone:
    """A series in an hour whose cost would change and cannot be written exactly. requests: of its panes; spans: stored."""

    hour: str
    series: Series
    requests: int
    spans: int
    why: str


@dataclass(slots=True)
class Repriced:
    """What was done, or with a dry run would be. calls_without_spans: of hours of which no span is stored any more."""

    from_time: str
    to_time: str
    price_version: str
    dry_run: bool
    spans: int = 0
    panes: int = 0
    changes: dict[tuple[str, str], Change] = field(default_factory=dict)
    left_alone: list[LeftAlone] = field(default_factory=list)
    left_alone_count: int = 0
    calls_without_spans: int = 0

    def told(self) -> dict[str, Any]:
        """What a program reads: the changes of providers and models that have some, most changed calls first."""
        rows = sorted(((key, c) for key, c in self.changes.items() if c.changed), key=lambda row: (-row[1].changed, row[0]))
        changes = [{"provider": provider, "model": model} | asdict(change) for (provider, model), change in rows]
        left = [asdict(found) | {"series": dict(zip(SERIES, found.series, strict=True))} for found in self.left_alone]
        return asdict(self) | {"changes": changes, "left_alone": left}


@dataclass(frozen=True, slots=True)
class Again:
    """How rows are priced."""

    prices: PriceBook
    biller: Biller
    claims_first: bool

    def block(self, rows: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any], NDArray[np.bool_]]:
        """Old money, new money, and which rows change, of a block of rows."""
        new = priced_again(self.biller, self.prices, self.claims_first, rows, rows)
        old = {name: np.array([*rows[name], ""], object)[:-1] for name in MONEY if name != "cost_nusd"}
        old["cost_nusd"] = np.asarray(rows["cost_nusd"], np.int64)
        new["cost_nusd"] = np.array([-1 if cost is None else cost for cost in new["cost_nusd"].tolist()], np.int64)
        return old, new, changed(old, new)


def reprice(settings: Settings, from_ns: int, to_ns: int, dry_run: bool, say: Say) -> Repriced:
    """Price the spans of calls that ended in [from_ns, to_ns), whole hours, again, and write their windows anew.

    Raises SettingsError for no time, Fatal while a window in it is not final.
    """
    from_ns, to_ns = from_ns // HOUR_NS * HOUR_NS, -(-to_ns // HOUR_NS) * HOUR_NS
    if from_ns >= to_ns:
        raise SettingsError("--from is not before --to")
    prices = price_book(settings)
    again = Again(prices, Biller(prices), settings.cost_source == "span")
    done = Repriced(_iso(from_ns), _iso(to_ns), prices.version, dry_run)
    with connect(settings) as client:
        partitions = store.partitions_of_spans(client, settings.spans_partitions)
        _refuse_open(client, from_ns, to_ns, partitions)
        done.calls_without_spans = store.calls_without_spans(client, from_ns, to_ns)
        todo = store.hours(client, from_ns, to_ns)
        for number, start_ns in enumerate(todo, 1):
            _Hour(client, store.hour(client, start_ns), again, partitions, done).run()
            say(f"{_iso(start_ns)}: hour {number} of {len(todo)}; {done.spans:,} spans and {done.panes:,} panes so far")
    return done


def _refuse_open(client: Any, from_ns: int, to_ns: int, partitions: int) -> None:
    """Raise Fatal while windows may change by themselves: a firing to come would bring the old cost back."""
    if found := store.open_panes(client, from_ns, to_ns):
        raise Fatal(f"{found:,} panes between {_iso(from_ns)} and {_iso(to_ns)} are not final yet: name an earlier --to, or wait")
    if waiting := store.open_partitions(client, from_ns, to_ns, partitions):
        raise Fatal(
            f"windows before {_iso(to_ns)} may still come from partition {', '.join(map(str, waiting))} of spans: "
            "name an earlier --to, or wait until later windows are final there"
        )


class _Hour:
    """One hour: add up, judge, write."""

    def __init__(self, client: Any, hour: store.Hour, again: Again, partitions: int, done: Repriced) -> None:
        self.client, self.hour, self.again, self.partitions, self.done = client, hour, again, partitions, done
        series = list(zip(*(hour.panes[name] for name in SERIES), strict=True))
        self.units: dict[Series, int] = {}
        for found in [*series, *hour.held]:
            self.units.setdefault(found, len(self.units))
        self.of_pane = np.array([self.units[found] for found in series], np.int64)
        n = len(self.units)
        self.why: list[str] = [""] * n
        self.wants = np.zeros(n, bool)
        self.rows_of = np.zeros(n, np.int64)

    def run(self) -> None:
        """Judge every unit, then write what may be written."""
        sums = self._added_up()
        self._judge(sums)
        if not self.done.dry_run:
            self._write_panes(sums)
        else:
            self.done.panes += len(self._new_panes(sums))
        self._write_spans()

    def _blocks(self) -> Iterator[tuple[dict[str, Any], NDArray[np.int64]]]:
        """Blocks of the hour's calls, and per row its unit: that of its pane, else of its series, -1 for none."""
        of_pane = np.concatenate((np.array([-1], np.int64), self.of_pane))
        for rows in store.rows(self.client, self.hour, self.units, self.partitions):
            pane = np.asarray(rows["pane"], np.int64)
            yield rows, np.where(pane > 0, of_pane[pane], np.asarray(rows["unit"], np.int64))

    def _added_up(self) -> dict[str, list[int]]:
        """What the rows of each pane add up to under the new prices; notes which units want a change."""
        sums = PaneSums(len(self.of_pane))
        for rows, unit in self._blocks():
            old, new, _ = self.again.block(rows)
            known = unit >= 0
            costs = (old["cost_nusd"] != new["cost_nusd"]) | (old["cost_source"] != new["cost_source"])
            np.logical_or.at(self.wants, unit[known], costs[known])
            np.add.at(self.rows_of, unit[known], 1)
            counted = np.flatnonzero(np.asarray(rows["pane"], np.int64) > 0)
            numbers = {name: np.asarray(rows[name], np.int64)[counted] for name in (*COUNTS, "stream", "ttft_ns", "latency_ns")}
            failed = np.array(rows["status"], object)[counted] == "error"
            cost = np.maximum(new["cost_nusd"][counted], 0)
            pane = np.asarray(rows["pane"], np.int64)[counted] - 1
            sums.add(pane, numbers, failed, cost, new["cost_source"][counted] == "unpriced")
        return sums.columns()

    def _judge(self, sums: Mapping[str, list[int]]) -> None:
        """Why each unit that wants a change must be left alone, if it must."""
        panes = self.hour.panes
        wrong = differing(panes, sums, PROOF)
        live = [set[int]() for _ in self.units]
        for part, unit in zip(panes["part"], self.of_pane.tolist(), strict=True):
            live[unit].add(part)
        for series, unit in self.units.items():
            if not self.hour.held.get(series, frozenset()) <= live[unit]:
                self.why[unit] = EXPIRED_PANES
        requests = np.zeros(len(self.units), np.int64)
        np.add.at(requests, self.of_pane, np.array(panes["requests"], np.int64))
        for pane in np.flatnonzero(wrong).tolist():
            unit, told = int(self.of_pane[pane]), why_not(panes["requests"][pane], sums["requests"][pane])
            self.why[unit] = self.why[unit] or told
            self.wants[unit] |= panes["requests"][pane] > sums["requests"][pane]
        for series, unit in self.units.items():
            if self.why[unit] and self.wants[unit]:
                self.done.left_alone_count += 1
                if len(self.done.left_alone) < MOST_LEFT_ALONE:
                    found = LeftAlone(
                        _iso(self.hour.start_ns), series, int(requests[unit]), int(self.rows_of[unit]), self.why[unit]
                    )
                    self.done.left_alone.append(found)

    def _new_panes(self, sums: Mapping[str, list[int]]) -> list[dict[str, Any]]:
        """The panes of units that may be written and have one whose money is another."""
        panes, differs = self.hour.panes, np.zeros(len(self.units), bool)
        np.logical_or.at(differs, self.of_pane, differing(panes, sums, PRICED))
        keys = (*SERIES, "source", "window_start_ns", "window_end_ns", "revision")
        return [
            {name: panes[name][i] for name in keys} | {name: sums[name][i] for name in PRICED}
            for i, unit in enumerate(self.of_pane.tolist())
            if differs[unit] and not self.why[unit]
        ]

    def _write_panes(self, sums: Mapping[str, list[int]]) -> None:
        new = self._new_panes(sums)
        if not new:
            return
        written = store.replace_panes(self.client, self.hour.start_ns, new)
        self.done.panes += written
        if written != len(new):
            raise Fatal(
                f"panes of {_iso(self.hour.start_ns)} changed meanwhile ({written:,} of {len(new):,} written): run it again"
            )

    def _write_spans(self) -> None:
        """Write the rows that change, but of units that are left alone, and note what changes."""
        alone = np.array([*map(bool, self.why), False])
        pending: list[dict[str, Any]] = []
        for rows, unit in self._blocks():
            old, new, differs = self.again.block(rows)
            free = ~alone[unit]
            _note(self.done.changes, rows, old, new, differs, free)
            where = np.flatnonzero(differs & free)
            self.done.spans += len(where)
            if self.done.dry_run:
                continue
            for i in where.tolist():
                cost = int(new["cost_nusd"][i])
                row = {name: rows[name][i] for name in ("environment", "route", "trace_id", "span_id", "end_ns")}
                pending.append(row | {name: new[name][i] for name in MONEY} | {"cost_nusd": None if cost < 0 else cost})
            while len(pending) >= CHANGES:
                store.replace_spans(self.client, self.hour.start_ns, pending[:CHANGES])
                del pending[:CHANGES]
        if pending:
            store.replace_spans(self.client, self.hour.start_ns, pending)


def _note(
    changes: dict[tuple[str, str], Change],
    rows: Mapping[str, Any],
    old: Mapping[str, Any],
    new: Mapping[str, Any],
    differs: NDArray[np.bool_],
    free: NDArray[np.bool_],
) -> None:
    """Add a block to what is told by provider and model."""
    index: dict[tuple[str, str], int] = {}
    code = np.fromiter((index.setdefault(k, len(index)) for k in zip(rows["provider"], rows["model"], strict=True)), np.int64)
    for key, i in index.items():
        mine = free & (code == i)
        change = changes.setdefault(key, Change())
        change.calls += int(np.count_nonzero(mine))
        change.changed += int(np.count_nonzero(mine & differs))
        change.before_nusd += int(np.maximum(old["cost_nusd"][mine], 0).sum())
        change.after_nusd += int(np.maximum(new["cost_nusd"][mine], 0).sum())
        change.unpriced_before += int(np.count_nonzero(old["cost_source"][mine] == "unpriced"))
        change.unpriced_after += int(np.count_nonzero(new["cost_source"][mine] == "unpriced"))


def _iso(ns: int) -> str:
    return datetime.fromtimestamp(ns // 10**9, UTC).strftime("%Y-%m-%dT%H:%M")
