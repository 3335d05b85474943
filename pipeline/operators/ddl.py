"""The store's DDL: a file of `schemas/clickhouse` becomes statements.

A file is SQL with `${name}` for what differs between one node and a cluster. Lines `-- each: name=value; name=value` on
its top say what else to fill in: its statements are rendered once for each such line, so that equal tables and views
over minutes, hours and days are written once.
"""

import hashlib
import re
from dataclasses import dataclass
from string import Template
from typing import Final

EACH: Final = re.compile(r"^-- each: (.*)\n", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Migration:
    """One file: applied once, in the order of names, and never changed after."""

    name: str
    text: str

    @property
    def hash(self) -> str:
        """Identity of the text. What is filled in does not count: another cluster name is no other schema."""
        return hashlib.blake2b(self.text.encode(), digest_size=16).hexdigest()


def dialect(cluster: str) -> dict[str, str]:
    """What differs between one node ("") and a cluster of replicas."""
    if not cluster:
        return {"on_cluster": "", "replicated": ""}
    return {"on_cluster": f"ON CLUSTER `{cluster}`", "replicated": "Replicated"}


def statements(migration: Migration, cluster: str) -> list[str]:
    """The file's statements in order, without comments. Raises KeyError for a name nothing fills in."""
    body = re.sub(r"^--.*\n", "", migration.text, flags=re.MULTILINE)
    fillings = [_assignments(line) for line in EACH.findall(migration.text)] or [{}]
    rendered = [Template(body).substitute(dialect(cluster) | filling) for filling in fillings]
    return [part.strip() for text in rendered for part in re.split(r";\s*\n", text) if part.strip()]


def _assignments(line: str) -> dict[str, str]:
    pairs = (item.split("=", 1) for item in line.split(";"))
    return {name.strip(): value.strip() for name, value in pairs}
