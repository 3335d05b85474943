"""What is asked for inside JSON texts and maps, and what of a document that leaves."""

from collections.abc import Iterable, Mapping
from typing import Any

from pipeline.operators.decode.values import document, read_utf8
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
        return {key: pruned(found[key], keys[key]) for key in found.keys() & keys.keys()}
    if isinstance(found, list):
        places = ((key, int(key), below) for key, below in keys.items() if key.isdecimal() and len(key) < 6)
        return {key: pruned(found[place], below) for key, place, below in places if place < len(found)}
    return found


def json_document(raw: bytes) -> Any:
    """The JSON object or list in UTF-8, {} if it is neither."""
    return document(read_utf8(raw) or "")
