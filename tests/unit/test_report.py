"""A report as a page: it holds what it was given, whatever names say, and nothing else."""

import re
from html.parser import HTMLParser

import numpy as np
import pytest

from pipeline.connectors.pdf import pdf_of
from pipeline.errors import SettingsError
from pipeline.model.metrics import Unit
from pipeline.operators.report.cells import LEVELS, quantile, ratio
from pipeline.operators.report.content import Grid, Line, Mark, Plot, Report, Section
from pipeline.operators.report.page import page

HOSTILE = "</style><script>alert(1)</script>{{ 7*7 }} $x_1$ \"'&"
BEGIN = 1_790_000_000


def report(name: str) -> Report:
    line = Line([BEGIN, BEGIN + 60, BEGIN + 120], [1e9, None, 2e9], [9e8, None, 1.8e9], [1.1e9, None, 2.2e9])
    plot = Plot(name, name, Unit.NS, {name: line, "other": line})
    grid = Grid(name, (name, "n"), [[name, "5 (4 – 6)"]], [Mark.BAD], frozenset({"n"}))
    return Report(name, [name], BEGIN, BEGIN + 180, [Section(name, name, [plot], [grid])], [name])


class Seen(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.links: list[str] = []
        self.texts: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.links += [value or "" for key, value in attrs if key in ("href", "src", "xlink:href") or key.startswith("on")]

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def seen(html: str) -> Seen:
    found = Seen()
    found.feed(html)
    return found


def test_names_are_text_everywhere() -> None:
    found = seen(page(report(HOSTILE)))
    assert "script" not in found.tags
    assert all(link.startswith("#") for link in found.links), "nothing is fetched"
    said = " ".join(found.texts)
    assert said.count(HOSTILE) >= 8, "title, summary, headings, captions, cells"
    assert "49" not in re.sub(r"\d{3,}", "", "".join(t for t in found.texts if "{{" in t))


def test_the_same_report_is_the_same_page() -> None:
    assert page(report("a")) == page(report("a"))


def test_a_row_that_is_bad_says_so_without_its_colour() -> None:
    assert "✗ " in page(report("a"))


def test_intervals_of_quantiles_hold_the_truth() -> None:
    rng, held = np.random.default_rng(5), 0
    for _ in range(200):
        values = np.quantile(rng.exponential(1e9, 400), LEVELS)
        low, high = re.findall(r"[\d.]+(?=m?s)", quantile(list(values), 0.95, 400, Unit.NS))[1:]
        held += float(low) <= np.log(20) <= float(high)
    assert 180 <= held <= 198


def test_what_a_sample_cannot_hold_is_not_said() -> None:
    assert quantile([1e9] * len(LEVELS), 0.99, 99, Unit.NS) == "–"
    assert quantile([None] * len(LEVELS), 0.5, 1000, Unit.NS) == "–"
    assert ratio(0, 0) == "–"
    assert ratio(3, 3).startswith("100% (")


def test_a_table_of_cohorts_fits_on_paper() -> None:
    """What lies beyond the edge of a page is lost."""
    try:
        from weasyprint import HTML  # noqa: PLC0415 - an extra; loads Pango
    except (ImportError, OSError) as error:
        pytest.skip(str(error))
    names = ("cohort", "language", "n", "p50", "p95", "p99", "TTFT p95", "errors", "refusals", "a call")
    row = ["enterprise", "de", "1,631", *["22.8s (21.5s – 23.4s)"] * 3, "592ms (549ms – 636ms)"]
    row += ["0.797% (0.0274% – 3.05%)", "6.39% (4.91% – 8.28%)", "$0.000601"]
    section = Section("Cohorts", "", [], [Grid("", names, [row], [], frozenset(names[2:]))])
    made = HTML(string=page(Report("search", [], BEGIN, BEGIN + 180, [section], []))).render()
    boxes = [box for one in made.pages for box in one._page_box.descendants()]
    (paper,) = {one._page_box.content_box_x() + one._page_box.width for one in made.pages}
    edges = [box.position_x + box.margin_width() for box in boxes if box.element_tag == "td"]
    assert len(edges) >= len(names)
    assert max(edges) <= paper + 1


def test_a_page_becomes_a_pdf_that_fetches_nothing(caplog: pytest.LogCaptureFixture) -> None:
    try:
        made = pdf_of(page(report(HOSTILE)) + '<img src="http://127.0.0.1:9/x.png">')
    except SettingsError as error:
        pytest.skip(str(error))
    assert made.startswith(b"%PDF-")
    assert "disallowed protocol: http://127.0.0.1:9" in caplog.text
