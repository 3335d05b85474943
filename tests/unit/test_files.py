"""What is read from files of requests: where one ends, what it is, and that an unreadable file is said before the start."""

import gzip
from pathlib import Path

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from pipeline.connectors.files import JSON, PROTOBUF, epoch_of, read_requests
from pipeline.errors import SettingsError
from pipeline.model.stream import Record
from tests.otlp import DECODER, RECORDED, decoder

A, B, C = b'{"resourceSpans":[]}', b'{"resourceSpans":[{}]}', b'{"resourceSpans":[{"scopeSpans":[]}]}'
PRETTY = b'{\n  "resourceSpans": [\n    {}\n  ]\n}\n'
ARRAY = b"[\n" + A + b",\n" + B + b"\n]\n"
CUT = B[5:]
BROKEN = B[:-3]
BOM = b"\xef\xbb\xbf"
PB = min(RECORDED.glob("*.pb")).read_bytes()


def written(path: Path, content: bytes) -> Path:
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
    return path


def values(*paths: Path) -> list[bytes | None]:
    return [record.value for record in read_requests(paths)]


def read(*paths: Path) -> list[Record]:
    return list(read_requests(paths))


def request_of(resource_spans_bytes: int) -> bytes:
    """A request whose only resource's spans take exactly so many bytes."""
    request = ExportTraceServiceRequest()
    span = request.resource_spans.add().scope_spans.add().spans.add(trace_id=b"\x22" * 16, span_id=b"\x22" * 8)
    span.name = " " * (resource_spans_bytes - request.resource_spans[0].ByteSize() - 2)
    assert request.resource_spans[0].ByteSize() == resource_spans_bytes
    encoded: bytes = request.SerializeToString()
    return encoded


JSON_FILES = {
    "a request a line": (A + b"\n" + B + b"\n" + C + b"\n", [A, B, C]),
    "no newline at the end": (A + b"\n" + B, [A, B]),
    "lines of another system": (A + b"\r\n" + B + b"\r\n", [A, B]),
    "one line": (A, [A]),
    "one document of many lines": (PRETTY, [PRETTY]),
    "blank lines": (b"\n \n\n" + A + b"\n\n\t\n" + B + b"\n\n", [A, B]),
    "a blank line before a document": (b"\n" + PRETTY, [b"\n" + PRETTY]),
    "blanks before the first": (b"  " + A + b"\n" + B, [A, B]),
    "a byte order mark": (BOM + A + b"\n" + B, [A, B]),
    "a byte order mark before a document": (BOM + PRETTY, [PRETTY]),
    "a byte order mark on a line of its own": (BOM + b"\n" + A + b"\n" + B, [A, B]),
    "a first line cut short": (BROKEN + b"\n" + A + b"\n" + B + b"\n", [BROKEN, A, B]),
    "a last line cut short": (A + b"\n" + B + b"\n" + BROKEN, [A, B, BROKEN]),
    "a line that begins in the middle": (A + b"\n" + CUT + b"\n" + B, [A, CUT, B]),
    "an array over many lines": (ARRAY, [ARRAY]),
    "an array a line": (b"[" + A + b"]\n" + B, [b"[" + A + b"]", B]),
    "nothing but a broken line": (BROKEN, [BROKEN]),
}


@pytest.mark.parametrize("suffix", ["", ".gz"])
@pytest.mark.parametrize("case", JSON_FILES)
def test_json(case: str, suffix: str, tmp_path: Path) -> None:
    content, expected = JSON_FILES[case]
    records = read(written(tmp_path / f"requests.jsonl{suffix}", content))
    assert [record.value for record in records] == expected
    assert {record.headers for record in records} == {JSON}


@pytest.mark.parametrize("suffix", ["", ".gz"])
@pytest.mark.parametrize("content", [PB, *map(request_of, range(88, 94)), *map(request_of, range(120, 128))], ids=len)
def test_protobuf(content: bytes, suffix: str, tmp_path: Path) -> None:
    """Whatever its second byte, the length of what follows: 91 and 123 look like `[` and `{` behind a blank line."""
    (record,) = read(written(tmp_path / f"request.pb{suffix}", content))
    assert (record.value, record.headers) == (content, PROTOBUF)


@pytest.mark.parametrize("suffix", ["", ".gz"])
@pytest.mark.parametrize("content", [b"", b"\n", b" \n\t\n", BOM])
def test_a_blank_file_holds_no_request(content: bytes, suffix: str, tmp_path: Path) -> None:
    assert values(written(tmp_path / f"blank{suffix}", content)) == []


def test_several_files_are_one_log_in_their_order(tmp_path: Path) -> None:
    lines, empty = written(tmp_path / "lines", A + b"\n" + B), written(tmp_path / "empty", b"")
    packed, proto = written(tmp_path / "packed.gz", C), written(tmp_path / "proto", PB)
    records = read(lines, empty, packed, proto, lines)
    assert [record.value for record in records] == [A, B, C, PB, A, B]
    assert [record.offset for record in records] == list(range(6))
    assert {str(record.source) for record in records} == {f"replay:0:{epoch_of([lines, empty, packed, proto, lines])}"}


def test_the_epoch_is_of_what_the_files_hold_in_their_order(tmp_path: Path) -> None:
    one, same, packed = (written(tmp_path / name, A) for name in ("one", "same", "same.gz"))
    other = written(tmp_path / "other", B)
    assert epoch_of([one, other]) == epoch_of([same, other]) == epoch_of([packed, other])
    assert len({epoch_of(paths) for paths in ([one], [other], [one, other], [other, one], [])}) == 5


@pytest.mark.parametrize("setting", ["auto", "protobuf", "json"])
@pytest.mark.parametrize("name", ["oinf.traces.001.pb", "oinf.traces.001.otlp.json"])
def test_a_file_is_decoded_as_what_it_is_whatever_the_topic_holds(name: str, setting: str) -> None:
    decoded = decoder(encoding=setting).decode(read(RECORDED / name))
    assert (len(decoded.columns["trace_id"]), decoded.dead) == (10, [])


def test_a_broken_line_is_a_dead_letter_of_its_own(tmp_path: Path) -> None:
    recorded = (RECORDED / "oinf.traces.001.otlp.json").read_bytes().replace(b"\n", b"")
    decoded = DECODER.decode(read(written(tmp_path / "cut", recorded[:-9] + b"\n" + recorded)))
    assert len(decoded.columns["trace_id"]) == 10
    assert [(letter.record.offset, letter.reason) for letter in decoded.dead] == [(0, "malformed_json")]


PACKED = gzip.compress(b"".join(b'{"n":%d}\n' % (n * 7919) for n in range(20_000)))
UNREADABLE = {
    "not packed": (A, "Not a gzipped file"),
    "cut short": (PACKED[: len(PACKED) // 2], "end-of-stream"),
    "damaged on the way": (PACKED[:9000] + b"\xff" * 64 + PACKED[9064:], ""),
    "damaged at the end": (PACKED[:-8] + b"\0" * 8, "CRC"),
    "followed by something else": (PACKED + b"more", "Not a gzipped file"),
}


@pytest.mark.parametrize("case", UNREADABLE)
def test_what_cannot_be_unpacked_is_said_at_the_call(case: str, tmp_path: Path) -> None:
    content, word = UNREADABLE[case]
    good, bad = written(tmp_path / "good", A), tmp_path / "bad.gz"
    bad.write_bytes(content)
    for call in (epoch_of, read_requests):
        with pytest.raises(SettingsError, match=rf"^cannot read {bad}: .*{word}"):
            call([good, bad])


def test_what_cannot_be_opened_is_said_at_the_call(tmp_path: Path) -> None:
    good = written(tmp_path / "good", A)
    for bad, word in ((tmp_path / "none", "No such file"), (tmp_path / "none.gz", "No such file"), (tmp_path, "Is a directory")):
        for call in (epoch_of, read_requests):
            with pytest.raises(SettingsError, match=rf"^cannot read {bad}: {word}"):
                call([good, bad])


def test_a_file_that_changes_on_the_way(tmp_path: Path) -> None:
    packed = tmp_path / "packed.gz"
    packed.write_bytes(PACKED)
    requests = read_requests([packed])
    packed.write_bytes(PACKED[: len(PACKED) // 2])
    with pytest.raises(SettingsError, match=f"^cannot read {packed}: "):
        list(requests)
