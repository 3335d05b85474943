"""Every board in a browser, over the rows of `tests/board_rows.py`: each panel drawn, no error, filtered by its variables.

Needs Chromium and the built viewer (`make viewer`); a machine that lacks one skips this and says which.
"""

from collections.abc import Iterator
from typing import Any

import pytest

from pipeline.app import boards as app
from pipeline.errors import SettingsError
from tests.board_rows import NOON
from tests.browser import NAMES, Page, browser, found
from tests.contracts.boards import Asked

BOARDS = app.boards()
WIDTH, ALL_OF_IT = 1440, 9000
SETTLED = """(() => {
  const panels = [...document.querySelectorAll('[data-panel]')].map((one) => ({ ...one.dataset }));
  return panels.length > 0 && panels.every((one) => !['waiting', 'loading'].includes(one.shows)) && panels;
})()"""
"""What each panel shows, once none waits for an answer."""

DRAWN = """[...document.querySelectorAll('[data-shows=drawn]')].every((one) =>
  one.querySelector('canvas, [role=grid], .markdown-html') || /\\d|too few|–|No data/.test(one.innerText))"""
"""A component is loaded when it is first needed."""


CUT = """[
  ...[...document.querySelectorAll('[role=grid]')].filter((one) => one.scrollWidth > one.clientWidth),
  ...[...document.querySelectorAll('[role=columnheader] button')].filter((one) => one.scrollWidth > one.clientWidth + 1),
  ...[...document.querySelectorAll('.uplot')].filter((one) => one.offsetWidth - one.querySelector('.u-over').offsetWidth
    - one.querySelector('.u-over').offsetLeft < 24),
].map((one) => `${one.closest('[data-title]').dataset.title}: ${one.innerText.slice(0, 40)}`)"""
"""Tables that scroll sideways, headings that are not whole, and charts without room for half of the last time below them."""


def missing() -> str:
    """What this machine lacks."""
    if found() is None:
        return f"no browser: none of {', '.join(NAMES)} is installed (Debian: apt install chromium)"
    try:
        app.bundle()
    except SettingsError as error:
        return str(error)
    return ""


pytestmark = pytest.mark.skipif(bool(missing()), reason=missing() or "nothing is missing")


@pytest.fixture(scope="module")
def address(asked: Asked) -> Iterator[str]:
    with app.viewer(asked.settings) as served:
        yield served


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    with browser(tmp_path_factory.mktemp("browser")) as opened:
        yield opened


def opened(page: Page, address: str, uid: str, *more: str) -> list[dict[str, Any]]:
    """What each panel shows of the day of the rows, once none of them waits."""
    page.size(WIDTH, ALL_OF_IT)
    begin, end = 1000 * (NOON - 43_200), 1000 * (NOON + 43_199)
    asked = (f"from={begin}", f"to={end}", "refresh=", *more)
    page.open(f"{address}d/{uid}?{'&'.join(asked)}")
    page.wait(f"location.pathname == '/d/{uid}' && location.search.includes('{asked[-1]}')")
    return list(page.wait(SETTLED, 60))


@pytest.mark.parametrize("theme", ["dark", "light"])
@pytest.mark.parametrize("uid", BOARDS)
def test_board_is_drawn(page: Page, address: str, uid: str, theme: str) -> None:
    panels = opened(page, address, uid, f"theme={theme}")
    assert len(panels) == len([one for one in BOARDS[uid].document["panels"] if one["type"] != "row"])
    assert [(one["title"], one["shows"], one.get("error")) for one in panels if one["shows"] != "drawn"] == []
    page.wait(DRAWN)
    assert page.ask(CUT) == []
    assert page.complaints == []
    assert page.ask("document.querySelector('footer').innerText") == "Tailrace's viewer of Grafana boards, not Grafana"


@pytest.mark.parametrize("uid", BOARDS)
def test_first_panel_is_soon_there(page: Page, address: str, uid: str) -> None:
    """Printed, not judged: how long until the first panel is drawn."""
    opened(page, address, uid, "kiosk")
    first, painted = (
        page.ask(f"Math.round(performance.getEntriesByName('{name}')[0]?.startTime)")
        for name in ("first-panel", "first-contentful-paint")
    )
    print(f"\n{uid}: first paint {painted} ms, first panel {first} ms")
    assert first > 0


@pytest.mark.parametrize(("chosen", "shown"), [("refresh=", 310), ("var-route=chat", 300), ("var-route=it%27s+search", 10)])
def test_a_variable_filters(page: Page, address: str, chosen: str, shown: int) -> None:
    opened(page, address, "tailrace-performance", chosen)
    page.wait(f"document.querySelector('[data-title=Requests]').innerText.split(/\\s+/).includes('{shown}')")


def test_a_cell_narrows_the_board_without_a_new_page(page: Page, address: str) -> None:
    opened(page, address, "tailrace-performance", "theme=light")
    page.ask("window.same = true")
    page.wait("document.querySelector('[role=grid] a[href*=var-route]') !== null")
    page.ask("document.querySelector('[role=grid] a[href*=var-route]').click()")
    page.wait("location.search.includes('var-route=') && location.search.includes('theme=light')")
    page.wait(SETTLED)
    assert page.ask("window.same") is True
    assert page.complaints == []


def test_an_alert_leads_to_its_slice(page: Page, address: str) -> None:
    opened(page, address, "tailrace-contract", "theme=light")
    page.wait("document.querySelector('[data-title=\"Broken now\"] a[href*=var-cohort]') !== null")
    page.ask("document.querySelector('[data-title=\"Broken now\"] a[href*=var-cohort]').click()")
    page.wait("location.pathname.startsWith('/d/tailrace-performance') && location.search.includes('var-cohort=')")
    assert [one for one in page.wait(SETTLED, 60) if one["shows"] == "error"] == []
    assert page.complaints == []


def test_the_link_of_a_trace_leads_to_its_spans(page: Page, address: str) -> None:
    opened(page, address, "tailrace-traces", "theme=light")
    page.wait("document.querySelector('[data-title=Dearest] a[href*=var-trace]') !== null")
    link = page.ask("document.querySelector('[data-title=Dearest] a[href*=var-trace]').href")
    page.open(link)
    page.wait("location.search.includes('var-trace=')")
    page.wait(SETTLED, 60)
    page.wait("document.querySelector('[data-title=\"Spans of one trace\"]').innerText.includes('Timeout')")
    assert page.complaints == []
