"""A DSN as people write it: `http(s)://user:password@host:port/database`, whatever the password holds.

What is before the last `@` is user and password, percent-encoded or as they are: in a password `/`, `@`, `#` and `?` stand
for themselves. A `%` is one too, unless two hexadecimal digits follow it.
"""

import re
from urllib.parse import quote, unquote

from pipeline.errors import SettingsError

FORM = re.compile(r"(https?)://(?:(.*)@)?([^@/?#]+)/(\w+)(\?[^@]*)?", re.DOTALL)


def encoded(dsn: str, name: str) -> str:
    """The same with user and password percent-encoded, as URL parsers want it. Raises SettingsError without the value."""
    found = FORM.fullmatch(dsn)
    if found is None:
        raise SettingsError(f"{name} must read http(s)://user:password@host:port/database")
    scheme, who, where, database, more = found.groups(default="")
    user, colon, password = who.partition(":")
    credentials = f"{_quoted(user)}{colon}{_quoted(password)}@" if who else ""
    return f"{scheme}://{credentials}{where}/{database}{more}"


def _quoted(text: str) -> str:
    return quote(unquote(text), safe="")
