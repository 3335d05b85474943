"""`tailrace report`: one file to hand around."""

from pathlib import Path
from typing import Annotated

import typer

from pipeline.cli.terminal import out, say
from pipeline.errors import SettingsError
from pipeline.settings import Settings

FORMATS = (".html", ".pdf")


def report(
    route: Annotated[str, typer.Option(help="The route it is about.")],
    environment: Annotated[str, typer.Option(help="Where; needed if the route is served in several.")] = "",
    since: Annotated[str, typer.Option("--from", help="A day or time of ISO 8601, UTC; none: a week before --to.")] = "",
    until: Annotated[str, typer.Option("--to", help="The same; none: now.")] = "",
    out_file: Annotated[
        Path | None, typer.Option("--out", help="FILE.html or FILE.pdf; none: report-ROUTE.html here.", dir_okay=False)
    ] = None,
) -> None:
    """Write one self-contained page about a route: its contract and how it stands, trends, cohorts, cost, releases.

    With plots, sample sizes and intervals, for a review or for people without access. HTML holds no script and fetches nothing.
    """
    try:
        from pipeline.app.report import gathered  # noqa: PLC0415 - loads the evidence
        from pipeline.operators.report.page import page  # noqa: PLC0415 - loads what draws
    except ModuleNotFoundError as error:
        raise SettingsError(f"a report needs {error.name}: pip install 'tailrace[report]', with PDF 'tailrace[pdf]'") from None
    from pipeline.app.prices import time_ns  # noqa: PLC0415
    from pipeline.connectors.pdf import pdf_of  # noqa: PLC0415

    path = out_file or Path(f"report-{''.join(c if c.isalnum() or c in '-_' else '_' for c in route)[:60] or 'route'}.html")
    if path.suffix not in FORMATS:
        raise SettingsError(f"--out {path} ends with neither {' nor '.join(FORMATS)}")
    if not path.absolute().parent.is_dir():
        raise SettingsError(f"--out: there is no folder {path.absolute().parent}")
    span = (time_ns(since) if since else None, time_ns(until) if until else None)
    html = page(gathered(Settings.load(), route, environment, span, say))
    if path.suffix == ".pdf":
        say("drawing pages")
        path.write_bytes(pdf_of(html))
    else:
        path.write_text(html)
    out.print(f"{path}: {path.stat().st_size / 1024:,.0f} kB", highlight=False)
