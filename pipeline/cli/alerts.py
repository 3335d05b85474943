"""`tailrace alerts`: what is firing, and what is told from now on."""

from typing import Annotated

import orjson
import typer

from pipeline.app import show
from pipeline.cli.terminal import Json, complain, out, say
from pipeline.settings import Settings


def alerts(
    follow: Annotated[bool, typer.Option("--follow", "-f", help="What is told from now on, from Kafka, until Ctrl-C.")] = False,
    everything: Annotated[bool, typer.Option("--all", help="What is over as well.")] = False,
    json: Json = False,
) -> None:
    """What is firing: promises that are not kept, pages first. Times are UTC. With --json one object a line."""
    from pipeline.app import alerts as known  # noqa: PLC0415

    if follow:
        from pipeline.connectors.alert_log import follow as told  # noqa: PLC0415
        from pipeline.operators.alerts.cloud_event import data  # noqa: PLC0415

        for alert in told(Settings.load(), complain):
            said = data(alert)
            print(orjson.dumps(said).decode() if json else "  ".join(filter(None, known.row(said))), flush=True)
        return
    found = known.standing(Settings.load(), everything)
    if json:
        for one in found:
            print(orjson.dumps(one).decode())
    elif found:
        out.print(show.table(known.NAMES, [known.row(one) for one in found]))
    else:
        say("no alert was ever told" if everything else known.NOTHING)
