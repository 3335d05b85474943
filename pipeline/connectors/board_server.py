"""The boards over HTTP, on this machine alone: pages of the viewer, the boards, and answers to their queries.

Who else runs in the browser must not read from it. A page of another site that has its name point here (DNS rebinding) sends
that name as Host and is refused; a query comes as JSON from a page of ours, and no header lets other origins in. Pages may load
nothing from elsewhere. A query is named by its place in a board, so no SQL comes from outside.
"""

import asyncio
import json
import threading
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, is_dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec
from aiohttp import web

from pipeline.errors import EngineError, SettingsError, TailraceError, Transient
from pipeline.operators.boards.board import Ask, AskedWronglyError, Board
from pipeline.operators.boards.macros import NotExpandedError

LOOPBACK: Final = "127.0.0.1"
OUR_NAMES: Final = frozenset({"127.0.0.1", "localhost", "::1"})
MOST_BYTES: Final = 1 << 20
"""Of a request."""

AT_ONCE: Final = 4
"""Queries that are asked at the same time; others wait."""

START_SECONDS: Final = 10.0

HEADERS: Final = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; font-src 'self'; "
        "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
}
"""Of every answer. The components write their styles into the page, so styles may stand in it; scripts may not."""

Answer = Callable[[str], Sequence[Any]]
"""Of a statement its columns; raises our errors."""

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def application(boards: Mapping[str, Board], answer: Answer, bundle: Path) -> web.Application:
    """What is served. `bundle` is the folder the viewer was built into; `answer` is called in threads."""
    app = web.Application(middlewares=[_guarded], client_max_size=MOST_BYTES)
    pool = ThreadPoolExecutor(AT_ONCE, "boards")

    async def page(_: web.Request) -> web.StreamResponse:
        return web.FileResponse(bundle / "index.html", headers={"Cache-Control": "no-cache"})

    async def listed(_: web.Request) -> web.StreamResponse:
        told = ({name: b.document.get(name) for name in ("uid", "title", "description", "tags")} for b in boards.values())
        return _json(sorted(told, key=lambda one: str(one["title"])))

    async def one(request: web.Request) -> web.StreamResponse:
        return _json(_board(boards, request.match_info["uid"]).document)

    async def asked(request: web.Request) -> web.StreamResponse:
        ask = msgspec.json.decode(await request.read(), type=Ask)
        sql = _board(boards, ask.board).sql(ask)
        columns = await asyncio.get_running_loop().run_in_executor(pool, answer, sql)
        return _json({"columns": [asdict(column) if is_dataclass(column) else column for column in columns]})  # type: ignore[arg-type]

    async def stop(_: web.Application) -> None:
        pool.shutdown(wait=False, cancel_futures=True)

    app.on_cleanup.append(stop)
    app.router.add_get("/", page)
    app.router.add_get("/d/{uid}", page)
    app.router.add_get("/d/{uid}/{slug}", page)
    app.router.add_get("/api/boards", listed)
    app.router.add_get("/api/boards/{uid}", one)
    app.router.add_post("/api/query", asked)
    app.router.add_static("/assets", bundle / "assets")
    app.router.add_static("/public", bundle / "public")
    return app


@contextmanager
def serving(app: Callable[[], web.Application], port: int) -> Iterator[str]:
    """The address at which it is served, for the length of the block; port 0: any. Raises SettingsError, EngineError."""
    loop = asyncio.new_event_loop()
    started, failed = threading.Event(), list[OSError]()
    bound = list[int]()

    async def start() -> web.AppRunner:
        runner = web.AppRunner(app(), access_log=None, shutdown_timeout=1.0)
        await runner.setup()
        try:
            await web.TCPSite(runner, LOOPBACK, port).start()
            bound.append(runner.addresses[0][1])
        except OSError as error:
            failed.append(error)
        return runner

    def turn() -> None:
        runner = loop.run_until_complete(start())
        started.set()
        if not failed:
            loop.run_forever()
        loop.run_until_complete(runner.cleanup())
        loop.close()

    thread = threading.Thread(target=turn, name="boards", daemon=True)
    thread.start()
    if not started.wait(START_SECONDS):
        raise EngineError(f"the boards were not served within {START_SECONDS:.0f} s")
    if failed:
        raise SettingsError(f"--port {port} cannot be used: {failed[0].strerror}; name another one, or 0 for any that is free")
    try:
        yield f"http://{LOOPBACK}:{bound[0]}/"
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(START_SECONDS)


@web.middleware
async def _guarded(request: web.Request, handler: Handler) -> web.StreamResponse:
    response = _refused(request) or await _answered(request, handler)
    response.headers.update(HEADERS)
    return response


def _refused(request: web.Request) -> web.Response | None:
    """Why a request is not from a page of ours."""
    if _name(f"//{request.host}") not in OUR_NAMES:
        return _error(421, "only this machine is answered: open the address that `tailrace boards` printed")
    origin = request.headers.get("Origin")
    if origin is not None and origin != f"http://{request.host}":
        return _error(403, "another site asks")
    if request.headers.get("Sec-Fetch-Site", "same-origin") not in {"same-origin", "none"} and request.path.startswith("/api/"):
        return _error(403, "another site asks")
    if request.method == "POST" and request.content_type != "application/json":
        return _error(415, "a query is JSON")
    return None


def _name(address: str) -> str | None:
    try:
        return urlsplit(address).hostname
    except ValueError:
        return None


async def _answered(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except web.HTTPException as response:
        return _error(response.status, response.reason)
    except (msgspec.ValidationError, msgspec.DecodeError, AskedWronglyError) as error:
        return _error(400, str(error))
    except NotExpandedError as error:
        return _error(500, f"the viewer does not know what the board says: {error}")
    except Transient as error:
        return _error(503, f"{error}: is it up (`tailrace local up`), and does TAILRACE_CLICKHOUSE_READER_DSN name it?")
    except TailraceError as error:
        return _error(500, str(error))


def _board(boards: Mapping[str, Board], uid: str) -> Board:
    if uid not in boards:
        raise AskedWronglyError(f"there is no board {uid}")
    return boards[uid]


def _error(status: int, words: str) -> web.Response:
    return web.json_response({"error": words}, status=status)


def _json(value: object) -> web.Response:
    """Sums have 128 bits, and orjson refuses more than 64."""
    return web.json_response(
        value, dumps=lambda told: json.dumps(told, separators=(",", ":")), headers={"Cache-Control": "no-store"}
    )
