"""What decode skips because nothing is there says nothing indeed."""

import numpy as np
import orjson
from hypothesis import given
from hypothesis import strategies as st

from pipeline.operators.decode.held import opens
from pipeline.operators.decode.texts import decoded, head
from pipeline.operators.decode.values import document
from tests.otlp import DECODER, RECORDED, record

blanks = st.text(" \t\n\r\x0b\x0c\x1c\xa0", max_size=3)
leaves = st.integers(-9, 9) | st.text(max_size=3)
trees = st.recursive(leaves, lambda below: st.lists(below) | st.dictionaries(st.text(max_size=3), below), max_leaves=5)
bodies = trees.map(lambda tree: orjson.dumps(tree).decode()) | st.text("{}[]a1 ", max_size=6)


def laid_out(texts: list[bytes]) -> tuple[bytes, np.ndarray, np.ndarray]:
    """The texts behind each other, where each begins and its length."""
    lengths = np.array([len(text) for text in texts], np.int32)
    return b"".join(texts) or b"\0", (np.cumsum(lengths) - lengths).astype(np.int64), lengths


@given(st.lists(st.tuples(blanks, bodies).map("".join), max_size=8))
def test_what_does_not_open_is_no_document(texts: list[str]) -> None:
    raw, offsets, lengths = laid_out([text.encode() for text in texts])
    may = opens(np.frombuffer(raw, np.uint8), offsets, lengths)
    assert all(opened or document(text) == {} for text, opened in zip(texts, may.tolist(), strict=True))


@given(
    st.lists(st.one_of(st.binary(max_size=9), st.text(max_size=9).map(str.encode)), max_size=8), st.integers(1, 9), st.booleans()
)
def test_texts_all_at_once_are_texts_one_by_one(texts: list[bytes], limit: int, whole: bool) -> None:
    raw, offsets, lengths = laid_out(texts)
    each = [head(raw, int(at), int(n), limit, whole) for at, n in zip(offsets, lengths, strict=True)]
    assert decoded(raw, offsets, lengths, limit, whole) == each


def test_the_paths_sought_are_those_that_may_hold_something() -> None:
    for file in sorted(RECORDED.glob("*.pb")):
        resolver, _ = DECODER.open([record(file.read_bytes(), 0, "application/x-protobuf")])
        found = DECODER.sought.seen(resolver)
        assert 10 < sum(map(len, found.values())) < 200
        assert found == {name: [path for path in paths if resolver.is_seen(path)] for name, paths in DECODER.fields.items()}
