"""Recorded OTLP requests from files: one protobuf request a file, or JSON, one request a line (the OTel file exporter).

What a file holds is told by its first byte that is not blank: `{` or `[` is JSON, anything else protobuf. `.gz` files are read as
what they hold. Apart from that a file's name does not matter to what comes out, its place in the list does.
"""

import gzip
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from hashlib import blake2b, file_digest
from io import BufferedReader
from pathlib import Path

import orjson

from pipeline.errors import SettingsError
from pipeline.model.stream import Record, Source

Headers = tuple[tuple[str, bytes], ...]
Opened = BufferedReader | gzip.GzipFile

JSON: Headers = (("content-type", b"application/json"),)
PROTOBUF: Headers = (("content-type", b"application/x-protobuf"),)
"""A file says itself what it is: the setting for the topic does not speak of it."""

BYTE_ORDER_MARK = b"\xef\xbb\xbf"

SCOPE_SPANS = b"\x12"
"""First byte of the spans in protobuf's ResourceSpans; JSON has no such character."""


def read_text(path: Path, setting: str) -> str:
    """The text of a configuration file. Raises SettingsError naming the setting."""
    try:
        return path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{setting}: {error}") from None


def epoch_of(paths: Sequence[Path]) -> str:
    """A hash of what the files hold, unpacked, in their order: same requests, same rows.

    Every file is read to its end, so one that cannot be is known before anything is done with the others.

    Raises:
        SettingsError: a file cannot be read; names it and says why.
    """
    total = blake2b(digest_size=8)
    for path in paths:
        with _opened(path) as file:
            total.update(file_digest(file, "blake2b").digest())
    return total.hexdigest()


def read_requests(paths: Sequence[Path]) -> Iterator[Record]:
    """All requests in order, offsets counted through; their source carries `epoch_of(paths)`, taken at the call.

    Raises:
        SettingsError: a file cannot be read: at the call, or on the way if it has changed since.
    """
    source = Source("replay", 0, epoch_of(paths))
    requests = (request for path in paths for request in _requests(path))
    return (Record(source, offset, 0, value, headers=headers) for offset, (value, headers) in enumerate(requests))


def _requests(path: Path) -> Iterator[tuple[bytes, Headers]]:
    """The requests of one file; a blank one has none."""
    with _opened(path) as file:
        first = next(_lines(file), b"")
        file.seek(0)
        if first.startswith((b"{", b"[")) and not _is_short_protobuf(file):
            yield from ((value, JSON) for value in _json_requests(file, first))
        elif first:
            yield file.read(), PROTOBUF


def _is_short_protobuf(file: Opened) -> bool:
    """Is the newline before `{` or `[` the first tag of a protobuf request, and the bracket the length of what follows it?"""
    head = file.read(2 + ord("{"))
    file.seek(0)
    return head.startswith((b"\n{", b"\n[")) and SCOPE_SPANS in head[: 2 + head[1]]


def _json_requests(file: Opened, first: bytes) -> Iterator[bytes]:
    """One request if the whole text is one JSON value, else one a line, the broken ones too.

    Only a first line that is no value itself makes the whole be looked at, so many lines need the memory of one.
    """
    if not _is_json(first):
        whole = file.read().removeprefix(BYTE_ORDER_MARK)
        if _is_json(whole):
            yield whole
            return
        del whole
        file.seek(0)
    yield from _lines(file)


def _lines(file: Iterable[bytes]) -> Iterator[bytes]:
    """The lines that are not blank, without the blanks around them and the byte order mark before the first."""
    for number, line in enumerate(file):
        text = (line if number else line.removeprefix(BYTE_ORDER_MARK)).strip()
        if text:
            yield text


def _is_json(text: bytes) -> bool:
    try:
        orjson.loads(text)
    except orjson.JSONDecodeError:
        return False
    return True


@contextmanager
def _opened(path: Path) -> Iterator[Opened]:
    """The file, unpacked if its name ends in `.gz`. Raises SettingsError if it cannot be opened, read or unpacked."""
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            yield file
    except (OSError, EOFError, zlib.error) as error:
        raise SettingsError(f"cannot read {path}: {getattr(error, 'strerror', None) or error}") from None
