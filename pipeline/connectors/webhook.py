"""A webhook: one body is posted and taken, or not. Addresses and keys are secrets, so nothing here ever shows them.

What a server says decides what becomes of the body. It is taken (2xx). Or not yet: 429, 5xx, no answer in time, no connection;
that is `Transient`. Or it is of no use to anybody (400, 413, 422 and their like): that is counted and passed over, since it would
hold back all that comes after it. Or the address or the key is wrong (401, 403, 404, a redirect): that is `SettingsError`, since
it would be so for every body.

Source: https://api.slack.com/changelog/2016-05-17-changes-to-errors-for-incoming-webhooks; "API Response Codes & Retry Logic" of
https://developer.pagerduty.com/docs/events-api-v2-overview; RFC 9110, sections 10.2.3 and 15.
"""

import asyncio
from collections.abc import Callable

import aiohttp

from pipeline.connectors.clock import steady
from pipeline.connectors.retry_after import seconds
from pipeline.errors import SettingsError, Transient

NOT_YET = frozenset({408, 425, 429})
"""Besides all of 5xx."""

WRONG_ADDRESS = frozenset({401, 403, 404, 405, 407, 410})
"""Besides all of 3xx: a webhook that has moved is another address."""

LONGEST_REST = 300.0
"""Seconds; of what a server may ask for with `Retry-After`."""


class Webhook:
    """Posts JSON, one body at a time. timeout: seconds of one try, its answer included. complain: told of what is passed over."""

    def __init__(self, url: str, timeout: float, complain: Callable[[str], None]) -> None:
        self._url, self._timeout, self._complain = url, timeout, complain
        self._runner = asyncio.Runner()
        self._rests_until = 0.0
        self.taken = self.passed_over = 0

    def post(self, name: str, body: bytes) -> None:
        """Return when it was taken, or never will be. name: of the body, for people. Raises Transient, SettingsError."""
        if (left := self._rests_until - steady()) > 0:
            raise Transient(f"the webhook asked to be left alone for {left:.0f} s more")
        status, rest = self._runner.run(self._posted(body))
        self._rests_until = steady() + rest
        if status in NOT_YET or status >= 500:
            raise Transient(f"the webhook answered with HTTP {status}")
        if status in WRONG_ADDRESS or status < 200 or 300 <= status < 400:
            raise SettingsError(
                f"the webhook answered with HTTP {status}: check TAILRACE_WEBHOOK_URL; what it refused comes again"
            )
        if status < 300:
            self.taken += 1
            return
        self.passed_over += 1
        self._complain(f"{name} is passed over: the webhook refuses it with HTTP {status}; {self.passed_over} so far")

    def close(self) -> None:
        """Nothing is under way any more."""
        self._runner.close()

    async def _posted(self, body: bytes) -> tuple[int, float]:
        """Status, and for how many seconds the server wants to be left alone."""
        try:
            async with (
                asyncio.timeout(self._timeout),
                aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=None), cookie_jar=aiohttp.DummyCookieJar()) as session,
                session.post(
                    self._url, data=body, headers={"Content-Type": "application/json"}, allow_redirects=False
                ) as response,
            ):
                return response.status, seconds(response.headers.get("Retry-After", ""), LONGEST_REST)
        except TimeoutError:
            raise Transient(f"the webhook did not answer within {self._timeout:g} s (TAILRACE_WEBHOOK_TIMEOUT)") from None
        except (aiohttp.InvalidURL, UnicodeError):
            raise SettingsError("TAILRACE_WEBHOOK_URL: it is no address") from None
        except (aiohttp.ClientError, OSError, ValueError) as error:
            why = f"{type(error).__name__}; if that lasts, check TAILRACE_WEBHOOK_URL"
            raise Transient(f"the webhook cannot be reached: {why}") from None
