"""A headless Chromium, driven over its DevTools protocol: opens a page, waits for a condition, says what the console said.

Source: https://chromedevtools.github.io/devtools-protocol/ (Page, Runtime, Log, Network, Emulation).
"""

import asyncio
import base64
import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from shutil import which
from typing import Any

import aiohttp

from pipeline.connectors.clock import steady

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
START_SECONDS = 60.0
ANSWER_SECONDS = 60.0
LOOK_SECONDS = 0.05
"""Between two looks at a condition of a page."""


def found() -> str | None:
    """The browser of this machine."""
    return next(filter(None, map(which, NAMES)), None)


class Page:
    """One tab. `complaints`: errors of the console, exceptions, and requests that failed, in the order they came."""

    def __init__(self, runner: asyncio.Runner, session: aiohttp.ClientSession, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._runner, self._session, self._socket, self._ids = runner, session, socket, count(1)
        self.complaints: list[str] = []
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **params: Any) -> Any:
        """The answer to a command."""
        return self._runner.run(self._called(method, params))

    def size(self, width: int, height: int) -> None:
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)

    def open(self, url: str) -> None:
        """Begin to load a page; nothing of the one before is left."""
        self.complaints.clear()
        self.call("Page.navigate", url=url)

    def ask(self, script: str) -> Any:
        """The value of an expression in the page; a promise is awaited."""
        answer = self.call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def wait(self, script: str, seconds: float = 30.0) -> Any:
        """The value of an expression as soon as it is true. Fails with the page's complaints when `seconds` are over."""
        deadline = steady() + seconds
        while not (value := self.ask(script)):
            assert steady() < deadline, f"never true: {script}; {self.complaints}; {self.ask('document.body.innerText')[:2000]}"
            self._runner.run(asyncio.sleep(LOOK_SECONDS))
        return value

    def picture(self, path: Path) -> None:
        path.write_bytes(base64.b64decode(self.call("Page.captureScreenshot", format="png")["data"]))

    async def _called(self, method: str, params: dict[str, Any]) -> Any:
        number = next(self._ids)
        await self._socket.send_str(json.dumps({"id": number, "method": method, "params": params}))
        async with asyncio.timeout(ANSWER_SECONDS):
            while True:
                said = json.loads((await self._socket.receive()).data)
                if said.get("id") == number:
                    assert "error" not in said, said
                    return said["result"]
                self._heard(said.get("method", ""), said.get("params", {}))

    def _heard(self, method: str, params: dict[str, Any]) -> None:
        if method == "Runtime.exceptionThrown":
            details = params["exceptionDetails"]
            self.complaints.append(details.get("exception", {}).get("description", details["text"]))
        elif method == "Runtime.consoleAPICalled" and params["type"] in {"error", "warning", "assert"}:
            self.complaints.append(" ".join(str(one.get("value", one.get("description"))) for one in params["args"]))
        elif method == "Log.entryAdded" and params["entry"]["level"] == "error":
            self.complaints.append(f"{params['entry']['text']} {params['entry'].get('url', '')}")
        elif method == "Network.loadingFailed" and not params.get("canceled"):
            self.complaints.append(f"not loaded: {params['errorText']} {params.get('blockedReason', '')}")


@contextmanager
def browser(folder: Path) -> Iterator[Page]:
    """A page of a browser of its own, whose profile is in `folder`."""
    program = found()
    assert program is not None, f"no browser: none of {', '.join(NAMES)} is installed"
    profile = folder / "profile"
    command = [
        *(program, "--headless=new", "--remote-debugging-port=0", f"--user-data-dir={profile}", "--no-first-run"),
        *("--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars", "--force-color-profile=srgb"),
        *("--disable-background-networking", "--disable-component-update", "--no-default-browser-check", "about:blank"),
    ]
    with (folder / "browser.log").open("wb") as log, subprocess.Popen(command, stdout=log, stderr=log) as process:
        try:
            with asyncio.Runner() as runner:
                session, socket = runner.run(_connected(profile / "DevToolsActivePort", process))
                try:
                    yield Page(runner, session, socket)
                finally:
                    runner.run(_closed(session, socket))
        finally:
            process.terminate()
            process.wait(20)


async def _connected(
    where: Path, process: "subprocess.Popen[bytes]"
) -> tuple[aiohttp.ClientSession, aiohttp.ClientWebSocketResponse]:
    async with asyncio.timeout(START_SECONDS):
        while not (port := _port(where)):
            assert process.poll() is None, "the browser ended while it started"
            await asyncio.sleep(LOOK_SECONDS)
        session = aiohttp.ClientSession()
        async with session.get(f"http://127.0.0.1:{port}/json/list") as answer:
            pages = [one for one in await answer.json() if one["type"] == "page"]
        return session, await session.ws_connect(pages[0]["webSocketDebuggerUrl"], max_msg_size=1 << 27)


def _port(where: Path) -> str:
    """What the browser writes once it listens, in two lines."""
    first, line_end, _ = where.read_text().partition("\n") if where.exists() else ("", "", "")
    return first if line_end else ""


async def _closed(session: aiohttp.ClientSession, socket: aiohttp.ClientWebSocketResponse) -> None:
    await socket.close()
    await session.close()
