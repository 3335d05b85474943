"""JSON texts and maps inside attributes: each parsed once a batch, and of each only what somebody asks for is kept.

A parsed document takes up to thirty times its bytes (`[{},{},…]`), so only one is ever held whole.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pipeline.operators.decode.values import document, map_document, read_utf8
from pipeline.operators.dialects.paths import Path

Keys = Mapping[str, Any]
"""The keys somebody asks for: each with the Keys asked for below it."""


def keys_of(paths: Iterable[Path]) -> Keys:
    """The keys that `paths` look for in any attribute; an event's attributes are not searched."""
    keys: dict[str, Any] = {}
    for path in paths:
        here = keys
        for key in path.keys if path.where != "event" else ():
            here = here.setdefault(key, {})
    return keys


def pruned(found: Any, keys: Keys) -> Any:
    """Of a JSON value what stands under `keys`, as `under` would find it; of a list its places, as an object has them."""
    if isinstance(found, dict):
        return {key: pruned(found[key], below) for key, below in keys.items() if key in found}
    if isinstance(found, list):
        places = ((key, int(key), below) for key, below in keys.items() if key.isdecimal() and len(key) < 6)
        return {key: pruned(found[place], below) for key, place, below in places if place < len(found)}
    return found


@dataclass(slots=True)
class Documents:
    """What is asked for of the documents of a batch. Memory: the distinct documents' bytes, and what `keys` finds in them."""

    keys: Keys
    _kept: dict[bytes, Any] = field(default_factory=dict)

    def read(self, raw: bytes, is_map: bool) -> Any:
        """The JSON value, or the map of a serialized KeyValue; {} if it is none."""
        if raw not in self._kept:
            whole = map_document(raw) if is_map else document(read_utf8(raw) or "")
            self._kept[raw] = pruned(whole, self.keys)
        return self._kept[raw]
