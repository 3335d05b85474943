"""HTML as PDF, by WeasyPrint. It fetches nothing: a page of ours holds all it needs."""

import logging

from pipeline.errors import SettingsError


def pdf_of(html: str) -> bytes:
    """The pages. Raises SettingsError where WeasyPrint, or the Pango it draws with, is not there."""
    try:
        from weasyprint import HTML  # noqa: PLC0415 - an extra; loads Pango
        from weasyprint.urls import URLFetcher  # noqa: PLC0415
    except (ImportError, OSError) as error:
        raise SettingsError(
            "a PDF needs WeasyPrint and Pango (pip install 'tailrace[pdf]'; Debian: apt install libpango-1.0-0 "
            f"libpangoft2-1.0-0): {error}"
        ) from None
    logging.getLogger("weasyprint").setLevel(logging.ERROR)  # it warns of every property of a page it does not know
    made: bytes = HTML(string=html, url_fetcher=URLFetcher(allowed_protocols=())).write_pdf()
    return made
