"""`tailrace boards`: the shipped boards in a browser."""

import webbrowser
from typing import Annotated

import orjson
import typer

from pipeline.cli.terminal import Json, say
from pipeline.settings import Settings


def boards(
    port: Annotated[int, typer.Option(min=0, max=65535, help="Of 127.0.0.1; 0: any that is free.")] = 0,
    browser: Annotated[bool, typer.Option("--open/--no-open", help="Open them in the browser of this machine.")] = False,
    json: Json = False,
) -> None:
    """The Grafana boards in a browser, without a Grafana server, for this machine alone; runs until Ctrl-C."""
    from pipeline.app.boards import boards as known  # noqa: PLC0415 - loads the server
    from pipeline.app.boards import viewer  # noqa: PLC0415
    from pipeline.app.compose import stop_on_signal  # noqa: PLC0415 - loads what talks to Kafka

    stop = stop_on_signal()
    with viewer(Settings.load(), port) as address:
        if json:
            told = [{"uid": uid, "title": board.title, "url": f"{address}d/{uid}"} for uid, board in known().items()]
            print(orjson.dumps({"url": address, "boards": told}).decode(), flush=True)
        else:
            say(f"the boards are at {address} for this machine alone; Ctrl-C stops")
        if browser:
            webbrowser.open(address)
        stop.wait()
