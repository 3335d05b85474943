"""A folder of local engines for one test, and who works in it."""

from pathlib import Path

from pipeline.connectors.local_setup import setup_engines
from pipeline.settings import Settings
from tests.conftest import ROOT


def linked_to_cache(directory: Path) -> Path:
    """`directory` over the cache of this checkout, so nothing is fetched twice."""
    cache = ROOT / ".local"
    setup_engines(Settings(local_dir=cache), print)
    for engine in ("kafka", "clickhouse"):
        (directory / engine).symlink_to(cache / engine)
    return directory


def processes_of(directory: Path) -> set[int]:
    """Those that name the directory in their command or were given it in their environment."""
    found = set()
    for process in Path("/proc").glob("[0-9]*"):
        try:
            told = (process / "cmdline").read_bytes() + (process / "environ").read_bytes()
        except (FileNotFoundError, ProcessLookupError, PermissionError):
            continue
        if str(directory).encode() in told:
            found.add(int(process.name))
    return found
