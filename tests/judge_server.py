"""A judge on loopback: real HTTP, OpenAI's shape, whatever it is told to answer, honest or not."""

import asyncio
import re
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Any, Self

import orjson
from aiohttp import web

Asked = dict[str, Any]
Reply = Callable[[web.Request, Asked], Awaitable[web.StreamResponse]]

BOUNDARY = re.compile(r"The boundary of this message is (\w+)$")


class JudgeServer:
    """Answers every request by `reply`, which may be exchanged at any time, and keeps what it was asked."""

    def __init__(self, reply: Reply) -> None:
        self.reply = reply
        self.asked: list[Asked] = []
        self.headers: list[dict[str, str]] = []
        self.url = ""

    async def __aenter__(self) -> Self:
        app = web.Application(client_max_size=64 << 20)
        app.router.add_post("/v1/chat/completions", self._answer)
        self._closing = asyncio.Event()
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}/v1"
        return self

    async def __aexit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._closing.set()
        await self._runner.cleanup()

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        asked = orjson.loads(await request.read())
        self.asked.append(asked)
        self.headers.append(dict(request.headers))
        return await self.reply(request, asked)

    async def never(self, _request: web.Request, _asked: Asked) -> web.StreamResponse:
        """No answer for as long as the server is there."""
        await self._closing.wait()
        return web.Response(status=503)


def parts(asked: Asked) -> dict[str, str]:
    """What stands between the boundaries of a request, by the name of the part, as a careful judge reads it."""
    system, user = (message["content"] for message in asked["messages"])
    found = BOUNDARY.search(system)
    assert found, "no boundary is named"
    drawn = found[1]
    return dict(re.findall(rf"^{drawn} begin ([\w ]+)\n(.*?)\n{drawn} end \1$", user, re.DOTALL | re.MULTILINE))


def outside(asked: Asked) -> str:
    """What of the user's message stands in no part."""
    found = BOUNDARY.search(asked["messages"][0]["content"])
    assert found
    return re.sub(rf"{found[1]} begin ([\w ]+)\n.*?\n{found[1]} end \1", "", asked["messages"][1]["content"], flags=re.DOTALL)


def completion(content: Any, **more: Any) -> dict[str, Any]:
    """A chat completion with this content."""
    choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": content}}
    usage = {"prompt_tokens": 100, "completion_tokens": 20, "prompt_tokens_details": {"cached_tokens": 40}}
    return {"id": "x", "object": "chat.completion", "model": "judge-2026-01-01", "choices": [choice], "usage": usage} | more


def said(reasoning: str = "Because.", **verdict: Any) -> str:
    """A verdict as JSON."""
    return orjson.dumps({"reasoning": reasoning} | verdict).decode()


def json(document: Any, status: int = 200, **headers: str) -> web.Response:
    """A response with a JSON body."""
    return web.Response(body=orjson.dumps(document), status=status, content_type="application/json", headers=headers)


def always(document: Any, status: int = 200, **headers: str) -> Reply:
    """The same answer to everything."""

    async def reply(_request: web.Request, _asked: Asked) -> web.StreamResponse:
        return json(document, status, **headers)

    return reply


def one_after_another(*replies: Reply) -> Reply:
    """A reply each, the last for ever."""
    left = list(replies)

    async def reply(request: web.Request, asked: Asked) -> web.StreamResponse:
        return await (left.pop(0) if len(left) > 1 else left[0])(request, asked)

    return reply


async def closed(request: web.Request, _asked: Asked) -> web.StreamResponse:
    """The connection is closed without an answer."""
    assert request.transport
    request.transport.abort()
    return web.Response()


async def half(request: web.Request, _asked: Asked) -> web.StreamResponse:
    """The connection is closed in the middle of an answer."""
    response = web.StreamResponse(headers={"Content-Length": "1000", "Content-Type": "application/json"})
    await response.prepare(request)
    await response.write(b'{"choices": [{"message": {"content": "')
    assert request.transport
    request.transport.abort()
    return response


def raw(body: bytes, status: int = 200) -> Reply:
    """Any bytes."""

    async def reply(_request: web.Request, _asked: Asked) -> web.StreamResponse:
        return web.Response(body=body, status=status)

    return reply
