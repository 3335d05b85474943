"""DSNs: a password may hold anything, written as it is or percent-encoded."""

from urllib.parse import quote, unquote, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.connectors.dsn import encoded
from pipeline.errors import SettingsError


@pytest.mark.parametrize("password", ["a/b", "a@b", "a:b", "a#b?c", "/", "@", "ü", "100%", "p+q", "a/b@c/d"])
@pytest.mark.parametrize("written", [str, lambda text: quote(text, safe="")])
def test_a_password_is_what_was_meant(password: str, written: "type[str]") -> None:
    url = urlsplit(encoded(f"http://me:{written(password)}@host:8123/db?secure=0", "X"))
    assert (url.username, unquote(url.password or ""), url.hostname, url.port) == ("me", password, "host", 8123)
    assert (url.path, url.query) == ("/db", "secure=0")


@given(st.text())
def test_every_encoded_password_comes_through(password: str) -> None:
    url = urlsplit(encoded(f"https://me:{quote(password, safe='')}@host/db", "X"))
    assert unquote(url.password or "") == password


@pytest.mark.parametrize(
    "dsn", ["http://host:8123", "tcp://u:hush@host/db", "u:hush@host/db", "http://u:hush@host/", "http://u:hush@/db"]
)
def test_what_is_no_dsn_is_refused_without_its_password(dsn: str) -> None:
    with pytest.raises(SettingsError, match="X must read") as refused:
        encoded(dsn, "X")
    assert "hush" not in str(refused.value)
