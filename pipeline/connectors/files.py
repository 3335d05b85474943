"""Recorded OTLP requests from files: one protobuf request a file, or JSON, one request a line (the OTel file exporter).

`.gz` files are read as what they hold. A file's name does not matter to what comes out, its place in the list does.
"""

import gzip
from collections.abc import Iterator, Sequence
from hashlib import blake2b, file_digest
from pathlib import Path

import orjson

from pipeline.errors import SettingsError
from pipeline.model.stream import Record, Source


def read_text(path: Path, setting: str) -> str:
    """The text of a configuration file. Raises SettingsError naming the setting."""
    try:
        return path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{setting}: {error}") from None


def read_requests(paths: Sequence[Path]) -> Iterator[Record]:
    """All requests in order, offsets counted through. The epoch is a hash of the files' bytes: same files, same rows."""
    source, offset = Source("replay", 0, _epoch(paths)), 0
    for path in paths:
        for value in _requests(path):
            yield Record(source, offset, 0, value)
            offset += 1


def _requests(path: Path) -> Iterator[bytes]:
    """The requests of one file. A file that is one JSON document over many lines is one request."""
    with (gzip.open if path.suffix == ".gz" else Path.open)(path, "rb") as file:
        head = file.readline()
        if not head.lstrip().startswith(b"{"):
            yield head + file.read()
        elif _is_json(head):
            yield head
            yield from (line for line in file if line.strip())
        else:
            yield head + file.read()


def _is_json(line: bytes) -> bool:
    try:
        orjson.loads(line)
    except orjson.JSONDecodeError:
        return False
    return True


def _epoch(paths: Sequence[Path]) -> str:
    """Raises SettingsError for a file that cannot be read."""
    total = blake2b(digest_size=8)
    for path in paths:
        try:
            with path.open("rb") as file:
                total.update(file_digest(file, "blake2b").digest())
        except OSError as error:
            raise SettingsError(f"cannot read {path}: {error.strerror}") from None
    return total.hexdigest()
