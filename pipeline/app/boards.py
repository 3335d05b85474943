"""The shipped boards in a browser: `tailrace boards`, and beside `tailrace up`."""

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path

from pipeline.connectors.board_server import application, serving
from pipeline.connectors.board_store import BoardStore
from pipeline.errors import SettingsError
from pipeline.operators.boards.board import Board
from pipeline.settings import Settings
from pipeline.topics import shipped

BUILD = "the viewer of the boards is not built: run `make viewer` in a checkout (needs Node.js with npm)"


def boards() -> dict[str, Board]:
    """Every provisioned board by its uid, in the order of their files."""
    folder = shipped("boards")
    paths = sorted((folder if folder.is_dir() else shipped("grafana") / "dashboards").glob("*.json"))
    return {board.uid: board for board in (Board.read(path.read_text()) for path in paths)}


def bundle() -> Path:
    """Where the viewer was built. Raises SettingsError with what to do if it was not."""
    folder = Path(str(files("pipeline"))) / "_viewer"
    if not (folder / "index.html").is_file():
        raise SettingsError(BUILD)
    return folder


@contextmanager
def viewer(settings: Settings, port: int = 0) -> Iterator[str]:
    """The address of the viewer, for the length of the block. Raises SettingsError: no store, not built, port taken."""
    if not settings.clickhouse_dsn.get_secret_value() and not settings.clickhouse_reader_dsn.get_secret_value():
        raise SettingsError("no ClickHouse: run `tailrace local up` or set TAILRACE_CLICKHOUSE_READER_DSN")
    known, built, store = boards(), bundle(), BoardStore(settings)
    try:
        with serving(lambda: application(known, store.columns, built), port) as address:
            yield address
    finally:
        store.close()
