"""A report as one HTML file: no script, nothing fetched, every name escaped; it prints as it looks."""

from importlib.resources import files

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from pipeline.operators.report.content import Mark, Report
from pipeline.operators.report.plots import svg

SIGNS = {Mark.BAD: "✗", Mark.DOUBTFUL: "?", Mark.GOOD: "✓", Mark.NONE: ""}


def page(report: Report) -> str:
    """The whole file."""
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    template = environment.from_string((files("pipeline") / "operators/report/page.html.j2").read_text())

    def drawn(plot: object) -> Markup:
        return Markup(svg(plot, report.from_s, report.to_s))  # type: ignore[arg-type]  # noqa: S704 - escaped by the plot

    return template.render(report=report, drawn=drawn, signs=SIGNS)
