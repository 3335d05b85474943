"""Of the paths of all fields those at which a scan may hold something: mostly a few of some hundred, found at once."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.operators.decode.resolve import Resolver
from pipeline.operators.decode.scan import Asked
from pipeline.operators.dialects.paths import Path


@dataclass(frozen=True, slots=True)
class Sought:
    """p paths of some fields, one after the other.

    fields: every name; paths: (p,) pairs of the field's name and a path; place: (p,) index into `Scan.seen`, flat, with a
    True behind it for what is always looked at.
    """

    fields: tuple[str, ...]
    paths: tuple[tuple[str, Path], ...]
    place: NDArray[np.intp]

    @classmethod
    def of(cls, fields: Mapping[str, Sequence[Path]], asked: Asked) -> "Sought":
        """fields: per name the paths, all of them among those `asked` for."""
        slots = asked.attributes.slots
        starts = {"span": 0, "like": 0, "resource": len(slots)}
        found = tuple((name, path) for name, candidates in fields.items() for path in candidates)
        places = [starts[path.where] + slots[path.attribute] if path.where in starts else 2 * len(slots) for _, path in found]
        return cls(tuple(fields), found, np.array(places, np.intp))

    def seen(self, resolver: Resolver) -> dict[str, Sequence[Path]]:
        """Per field the paths worth asking, in their order."""
        found: dict[str, list[Path]] = {name: [] for name in self.fields}
        for i in np.flatnonzero(np.append(resolver.scanned.seen, True)[self.place]).tolist():
            name, path = self.paths[i]
            if not path.scopes or resolver.is_seen(path):
                found[name].append(path)
        return dict(found)
