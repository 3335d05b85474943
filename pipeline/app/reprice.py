"""`tailrace reprice`: the cost of what is stored, anew, after a price was corrected. An hour of event time is done at once."""

from collections.abc import Callable
from typing import Any

from pipeline.app.own_files import price_book
from pipeline.app.reprice_hour import Again, RepricedHour, iso
from pipeline.connectors import stored_costs as store
from pipeline.connectors.clickhouse import connect
from pipeline.connectors.stored_costs import HOUR_NS
from pipeline.errors import Fatal, SettingsError
from pipeline.model.repriced import Repriced
from pipeline.operators.decode.billing import Biller
from pipeline.settings import Settings

Say = Callable[[str], None]


def reprice(settings: Settings, from_ns: int, to_ns: int, dry_run: bool, say: Say) -> Repriced:
    """Price the spans of calls that ended in [from_ns, to_ns), whole hours, again, and write their windows anew.

    Raises SettingsError for no time, Fatal while a window in it is not final.
    """
    from_ns, to_ns = from_ns // HOUR_NS * HOUR_NS, -(-to_ns // HOUR_NS) * HOUR_NS
    if from_ns >= to_ns:
        raise SettingsError("--from is not before --to")
    prices = price_book(settings)
    again = Again(prices, Biller(prices), settings.cost_source == "span")
    done = Repriced(iso(from_ns), iso(to_ns), prices.version, dry_run)
    with connect(settings) as client:
        partitions = store.partitions_of_spans(client, settings.spans_partitions)
        _refuse_open(client, from_ns, to_ns, partitions)
        done.calls_without_spans = store.calls_without_spans(client, from_ns, to_ns)
        todo = store.hours(client, from_ns, to_ns)
        for number, start_ns in enumerate(todo, 1):
            RepricedHour(client, store.hour(client, start_ns), again, partitions, done).run()
            say(f"{iso(start_ns)}: hour {number} of {len(todo)}; {done.spans:,} spans and {done.panes:,} panes so far")
    return done


def _refuse_open(client: Any, from_ns: int, to_ns: int, partitions: int) -> None:
    """Raise Fatal while windows may change by themselves: a firing to come would bring the old cost back."""
    if found := store.open_panes(client, from_ns, to_ns):
        raise Fatal(f"{found:,} panes between {iso(from_ns)} and {iso(to_ns)} are not final yet: name an earlier --to, or wait")
    if waiting := store.open_partitions(client, from_ns, to_ns, partitions):
        raise Fatal(
            f"windows before {iso(to_ns)} may still come from partition {', '.join(map(str, waiting))} of spans: "
            "name an earlier --to, or wait until later windows are final there"
        )
