"""One hour of `tailrace reprice`: add up what is stored, judge, write.

A series in it (a unit) is written wholly or not at all: its panes, all of them, so that none expires before the roll-ups have
followed, then its spans. Whoever is stopped in between and runs again comes to the same end: what is written depends on what
spans say and on today's prices, not on what they cost before.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.connectors import stored_costs as store
from pipeline.errors import Fatal
from pipeline.model.columns import SERIES, SPEND
from pipeline.model.repriced import Change, LeftAlone, Repriced, Series
from pipeline.operators.decode.billing import Biller
from pipeline.operators.decode.stored import COUNTS, MONEY, priced_again
from pipeline.operators.pricing.price import PriceBook
from pipeline.operators.repricing import EXPIRED_PANES, PRICED, PROOF, PaneSums, changed, differing, why_not

COSTS = ("cost_nusd", *SPEND)

CHANGES = 100_000
"""Spans of one statement that writes them."""

MOST_LEFT_ALONE = 1000
"""Series and hours that are told one by one; all are counted."""


@dataclass(frozen=True, slots=True)
class Again:
    """How rows are priced."""

    prices: PriceBook
    biller: Biller
    claims_first: bool

    def block(self, rows: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any], NDArray[np.bool_]]:
        """Old money, new money, and which rows change, of a block of rows."""
        new = priced_again(self.biller, self.prices, self.claims_first, rows, rows)
        old = {name: np.array([*rows[name], ""], object)[:-1] for name in MONEY if name not in COSTS}
        old |= {name: np.asarray(rows[name], np.int64) for name in COSTS}
        new["cost_nusd"] = np.array([-1 if cost is None else cost for cost in new["cost_nusd"].tolist()], np.int64)
        return old, new, changed(old, new)


class RepricedHour:
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
        self.rolled_up: list[dict[str, Any]] = []
        self.wants = np.zeros(n, bool)
        self.rows_of = np.zeros(n, np.int64)

    def run(self) -> None:
        """Judge every unit, then write what may be written."""
        sums, whole = self._added_up()
        self._judge(sums, whole)
        if not self.done.dry_run:
            self._write_panes(sums)
            self._write_hours()
        else:
            self.done.panes += len(self._new_panes(sums))
            self.done.roll_ups += len(self._new_hours())
        self._write_spans()

    def _blocks(self) -> Iterator[tuple[dict[str, Any], NDArray[np.int64]]]:
        """Blocks of the hour's calls, and per row its unit: that of its pane, else of its series, -1 for none."""
        of_pane = np.concatenate((np.array([-1], np.int64), self.of_pane))
        for rows in store.rows(self.client, self.hour, self.units, self.partitions):
            pane = np.asarray(rows["pane"], np.int64)
            yield rows, np.where(pane > 0, of_pane[pane], np.asarray(rows["unit"], np.int64))

    def _added_up(self) -> tuple[dict[str, list[int]], dict[str, list[int]]]:
        """What the rows of each pane, and of each unit, add up to under the new prices; notes which units want a change."""
        sums, whole = PaneSums(len(self.of_pane)), PaneSums(len(self.units))
        for rows, unit in self._blocks():
            old, new, _ = self.again.block(rows)
            known = unit >= 0
            costs = np.logical_or.reduce([old[name] != new[name] for name in (*COSTS, "cost_source")])
            np.logical_or.at(self.wants, unit[known], costs[known])
            np.add.at(self.rows_of, unit[known], 1)
            numbers = {name: np.asarray(rows[name], np.int64) for name in (*COUNTS, "stream", "ttft_ns", "latency_ns")}
            failed, unpriced = np.array([*rows["status"], ""], object)[:-1] == "error", new["cost_source"] == "unpriced"
            for added, slots in ((sums, np.asarray(rows["pane"], np.int64) - 1), (whole, unit)):
                in_one = np.flatnonzero(slots >= 0)
                some = {name: values[in_one] for name, values in numbers.items()}
                paid = {name: np.maximum(new[name][in_one], 0) for name in COSTS}
                added.add(slots[in_one], some, failed[in_one], paid, unpriced[in_one])
        return sums.columns(), whole.columns()

    def _judge(self, sums: Mapping[str, list[int]], whole: Mapping[str, list[int]]) -> None:
        """Why each unit that wants a change must be left alone, if it must.

        Where panes have expired the roll-up is not made of them any more: it is written itself, if all spans of the hour are it.
        """
        panes = self.hour.panes
        wrong = differing(panes, sums, PROOF)
        live = [set[int]() for _ in self.units]
        for part, unit in zip(panes["part"], self.of_pane.tolist(), strict=True):
            live[unit].add(part)
        for series, held in self.hour.held.items():
            unit = self.units[series]
            if live[unit].issuperset(held["parts"]):
                continue
            if any(held[name] != whole[name][unit] for name in PROOF):
                self.why[unit] = EXPIRED_PANES
            elif any(held[name] != whole[name][unit] for name in PRICED):
                money = {name: whole[name][unit] for name in PRICED}
                self.rolled_up.append(dict(zip(SERIES, series, strict=True)) | money | {"seen_ms": held["seen_ms"]})
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
                        iso(self.hour.start_ns), series, int(requests[unit]), int(self.rows_of[unit]), self.why[unit]
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
                f"panes of {iso(self.hour.start_ns)} changed meanwhile ({written:,} of {len(new):,} written): run it again"
            )

    def _new_hours(self) -> list[dict[str, Any]]:
        """The roll-ups of units that may be written and are not made of panes any more."""
        return [row for row in self.rolled_up if not self.why[self.units[tuple(row[name] for name in SERIES)]]]

    def _write_hours(self) -> None:
        new = self._new_hours()
        if not new:
            return
        if store.rollups_are_behind(self.client):
            raise Fatal("the roll-ups are behind: wait for the next refresh (five minutes), then run it again")
        store.replace_hours(self.client, self.hour.start_ns, new)
        self.done.roll_ups += len(new)

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
                words = {name: new[name][i] for name in MONEY if name not in COSTS}
                spent = {name: int(new[name][i]) for name in SPEND}
                pending.append(row | words | spent | {"cost_nusd": None if cost < 0 else cost})
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


def iso(ns: int) -> str:
    """A time as people write it, to the minute, UTC."""
    return datetime.fromtimestamp(ns // 10**9, UTC).strftime("%Y-%m-%dT%H:%M")
