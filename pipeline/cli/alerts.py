"""`tailrace alerts`: what is firing, what is told from now on, and who else is told."""

from typing import Annotated

import orjson
import typer

from pipeline.app import show
from pipeline.cli.terminal import Json, complain, out, say
from pipeline.settings import Settings

alerts_app = typer.Typer(invoke_without_command=True)


@alerts_app.callback()
def alerts(
    context: typer.Context,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="What is told from now on, from Kafka, until Ctrl-C.")] = False,
    everything: Annotated[bool, typer.Option("--all", help="What is over as well.")] = False,
    json: Json = False,
) -> None:
    """What is firing: promises that are not kept, pages first. Times are UTC. With --json one object a line."""
    from pipeline.app import alerts as known  # noqa: PLC0415

    if context.invoked_subcommand:
        return

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


@alerts_app.command("forward")
def forward(
    form: Annotated[str, typer.Option("--as", help="slack, pagerduty or alertmanager: who listens there.")],
    name: Annotated[str, typer.Option(help="Of this consumer, if several forward in the same form.")] = "",
) -> None:
    """Post every alert told from now on to TAILRACE_WEBHOOK_URL, until Ctrl-C; started again it goes on where it was."""
    from pipeline.app.forward import forward as deliver  # noqa: PLC0415 - loads the stages

    deliver(Settings.load(), form, name, complain)
