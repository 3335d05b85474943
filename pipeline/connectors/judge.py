"""The judge: a client of any OpenAI-compatible `/chat/completions`, with strict structured output.

A call never raises for what a server does and never invents a value: it is a `Verdict` with a status. Each try has `timeout`
seconds; connections that fail, time-outs and the statuses RETRIED are tried again, with pauses drawn at random up to a bound
that doubles, at most `retries` times. While the circuit is open new calls fail at once: a sample is then `failed`, which is
seen, and the stage goes on; what waits for a judge that is away would only hold everything else. Calls that are under way go on
with their tries. A 429 opens no circuit: who says "slower" is there.

Neither what is judged nor what a judge says stands in a reason or a log.

Source: OpenAI's API reference; full jitter after Brooker, Exponential Backoff and Jitter (AWS, 2015).
"""

import asyncio
import logging
import re
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from random import Random
from typing import Any
from weakref import WeakKeyDictionary

import aiohttp
import orjson

from pipeline.connectors.circuit import Circuit
from pipeline.connectors.clock import steady
from pipeline.connectors.retry_after import seconds
from pipeline.evaluators.asking import boundary, invalid, messages, read_verdict, response_format
from pipeline.evaluators.judging import Question, Verdict
from pipeline.model.scores import ScoreStatus

RETRIED = frozenset({408, 409, 425, 429, 500, 502, 503, 504, 529})

NOT_ILL = frozenset({400, 413, 422, 429})
"""Refusals of one question, or for now, which say nothing of the judge's health."""

MAYBE_BILLED = frozenset({408, 502, 504, 524})
"""What who stands between us and the judge says when it does not know how the judge ended."""

MAX_BODY_BYTES = 1 << 20
FIRST_PAUSE = 0.5
LONGEST_PAUSE = 20.0
"""Seconds; also of what `Retry-After` may ask for."""

AROUND_TOKENS = 64
"""That servers put around messages, more than any does."""

MODEL = re.compile(r"[\w.:/@+-]{1,100}")
"""What a model may call itself; anything else is no name, and may be what a user wrote."""

MAX_TOKENS = 1 << 28
"""Of one answer; a server that claims more has told none. What all askings of a judgement add up to has room in a score."""

ADJUSTED = {"max_tokens": "max_completion_tokens", "temperature": "", "response_format": ""}
"""Parameters that some models refuse, and what is sent in their place."""

LIMITS = ("max_tokens", "max_completion_tokens")
"""Parameters that bound an answer."""

log = logging.getLogger("tailrace.judge")


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of one answer; cached ones lie inside those of the input."""

    input_tokens: int
    cached_tokens: int
    output_tokens: int


Cost = Callable[[Usage, str], int | None]
"""What tokens cost, in nano-USD, by the model as it calls itself; None without a price."""


@dataclass(frozen=True, slots=True)
class JudgePolicy:
    """url: the base, e.g. `https://api.openai.com/v1`. timeout: seconds of one try. body: more parameters of the request; one
    that is None is left out.
    """

    url: str
    model: str
    key: str = field(default="", repr=False)
    timeout: float = 30.0
    concurrency: int = 64
    retries: int = 3
    max_tokens: int = 1000
    circuit_failures: int = 20
    circuit_pause: float = 30.0
    body: Mapping[str, Any] = field(default_factory=dict)


class Failure(Exception):  # noqa: N818 - it is a verdict that is not one yet
    """A try without an answer. again: worth another one, after `after` seconds at least. ill: it says that the judge is."""

    def __init__(self, reason: str, status: ScoreStatus = ScoreStatus.FAILED, again: bool = True, after: float = 0.0) -> None:
        super().__init__(reason)
        self.verdict = Verdict(status, reason=reason)
        self.again, self.after, self.ill = again, after, True
        self.maybe_billed = False


@dataclass(slots=True)
class _Open:
    """What belongs to one event loop."""

    session: aiohttp.ClientSession
    slots: asyncio.Semaphore


class HttpJudge:
    """Fulfils `pipeline.evaluators.judging.Judge`. One for a process; any number of calls at once, of which so many go out."""

    def __init__(self, policy: JudgePolicy, cost: Cost, random: Random | None = None) -> None:
        self.policy = policy
        self.cost = cost
        self.random = random or Random()  # noqa: S311 - pauses
        self.circuit = Circuit(policy.circuit_failures, policy.circuit_pause)
        self.refused: set[str] = set()
        self._open: WeakKeyDictionary[asyncio.AbstractEventLoop, _Open] = WeakKeyDictionary()

    @property
    def model(self) -> str:
        """The model that is asked."""
        return self.policy.model

    @property
    def longest(self) -> float:
        """As the protocol says."""
        return self.policy.timeout * (1 + self.policy.retries) + LONGEST_PAUSE * self.policy.retries

    def most_nusd(self, question: Question) -> int | None:
        """As the protocol says: every try billed."""
        once = self._once_nusd(question)
        return None if once is None else once * (1 + self.policy.retries)

    def _once_nusd(self, question: Question) -> int | None:
        """What one try may cost: as many tokens as the prompt has bytes, and the longest answer; None if nothing bounds it."""
        longest = self._longest_answer()
        if longest is None:
            return None
        prompt = sum(len(message["content"].encode("utf-8", "replace")) for message in messages(question, "0" * 32))
        form = len(orjson.dumps(response_format(question)))
        return self.cost(Usage(prompt + form + AROUND_TOKENS, 0, longest), self.model)

    def _longest_answer(self) -> int | None:
        """Tokens of all answers to one request, as `body` says where it says otherwise; None if it takes the limit away."""
        said = {"max_tokens": self.policy.max_tokens} | dict(self.policy.body)
        limits = [said[name] for name in LIMITS if said.get(name) is not None]
        answers = said.get("n") or 1
        known = bool(limits) and all(isinstance(one, int) and one >= 0 for one in (*limits, answers))
        return max(limits) * max(1, answers) if known else None

    async def ask(self, question: Question) -> Verdict:
        """As the protocol says."""
        here = self._here()
        async with here.slots:
            return await self._tried(here.session, question)

    async def close(self) -> None:
        """Close what this event loop has open."""
        here = self._open.pop(asyncio.get_running_loop(), None)
        if here is not None:
            await here.session.close()

    def _here(self) -> _Open:
        loop = asyncio.get_running_loop()
        if loop not in self._open:
            session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=30),
                timeout=aiohttp.ClientTimeout(total=None),  # ours counts, the reading of the body included
                headers={"Content-Type": "application/json", "Accept-Encoding": "identity"}
                | ({"Authorization": f"Bearer {self.policy.key}"} if self.policy.key else {}),
                auto_decompress=False,  # a kilobyte may hold a gigabyte
                cookie_jar=aiohttp.DummyCookieJar(),
            )
            self._open[loop] = _Open(session, asyncio.Semaphore(self.policy.concurrency))
        return self._open[loop]

    async def _tried(self, session: aiohttp.ClientSession, question: Question) -> Verdict:
        """One try after another, until there is a verdict or no try is left."""
        if not self.circuit.admits(steady()):
            return Verdict(ScoreStatus.FAILED, reason="circuit open: the judge has failed too often in a row")
        left, unsure = self.policy.retries, 0
        longest_pause = FIRST_PAUSE
        while True:
            try:
                verdict = await self._once(session, question)
            except Failure as failure:
                if failure.maybe_billed:
                    unsure += self._once_nusd(question) or 0
                if failure.ill:
                    self.circuit.failed_at(steady())
                if not failure.again or left == 0:
                    log.info("no verdict: %s", failure)
                    return replace(failure.verdict, unsure_nusd=unsure)
                left -= 1
                await asyncio.sleep(max(failure.after, self.random.uniform(0, longest_pause)))
                longest_pause = min(2 * longest_pause, LONGEST_PAUSE)
            else:
                self.circuit.succeeded()
                unsure += (self._once_nusd(question) or 0) if verdict.cost_nusd is None else 0
                return replace(verdict, unsure_nusd=unsure)

    async def _once(self, session: aiohttp.ClientSession, question: Question) -> Verdict:
        """One request. Raises Failure where no answer comes."""
        body = orjson.dumps(self._request(question))
        try:
            async with (
                asyncio.timeout(self.policy.timeout),
                session.post(f"{self.policy.url}/chat/completions", data=body, allow_redirects=False) as response,
            ):
                raw = await _bounded(response)
                status, after = response.status, seconds(response.headers.get("Retry-After", ""), LONGEST_PAUSE)
        except TimeoutError:
            failure = Failure("the judge did not answer in time", ScoreStatus.TIMEOUT)
            failure.maybe_billed = True
            raise failure from None
        except (aiohttp.ClientError, OSError, ValueError) as error:
            failure = Failure(f"the judge cannot be reached: {type(error).__name__}")
            failure.maybe_billed = not isinstance(error, aiohttp.ClientConnectorError)
            raise failure from None
        if status == 200:
            return self._answered(raw, question)
        if status == 400 and self._adjusts(raw):
            return await self._once(session, question)
        failure = Failure(f"the judge answered with HTTP {status}", again=status in RETRIED, after=after)
        failure.ill, failure.maybe_billed = status not in NOT_ILL, status in MAYBE_BILLED
        raise failure

    def _request(self, question: Question) -> dict[str, Any]:
        drawn = boundary(question, lambda: secrets.token_hex(16))
        wanted = {
            "model": self.policy.model,
            "messages": [
                {"role": said["role"], "content": said["content"].encode("utf-8", "replace").decode()}
                for said in messages(question, drawn)
            ],
            "temperature": question.temperature,
            "max_tokens": self.policy.max_tokens,
            "response_format": response_format(question),
        }
        sent = {(ADJUSTED[name] if name in self.refused else name): value for name, value in wanted.items()}
        return {name: value for name, value in (sent | dict(self.policy.body)).items() if name and value is not None}

    def _adjusts(self, raw: bytes) -> bool:
        """Whether a server refuses a parameter that can be left out or called otherwise, for the first time."""
        try:
            name = orjson.loads(raw)["error"]["param"]
        except (ValueError, TypeError, KeyError):
            return False
        if not isinstance(name, str) or name not in ADJUSTED or name in self.refused:
            return False
        log.warning("the judge's model takes no %s; it gets %s", name, ADJUSTED[name] or "none")
        self.refused.add(name)
        return True

    def _answered(self, raw: bytes, question: Question) -> Verdict:
        """The verdict in an answer, with what it used."""
        try:
            said = orjson.loads(raw)
        except ValueError:
            return invalid("the judge's server answered with no JSON")
        usage = _usage(said)
        model = said.get("model") if isinstance(said, dict) else None
        model = model if isinstance(model, str) and MODEL.fullmatch(model) else ""
        return replace(
            _verdict(said, question),
            model=model,
            input_tokens=usage.input_tokens if usage else 0,
            output_tokens=usage.output_tokens if usage else 0,
            cost_nusd=self.cost(usage, model) if usage else None,
        )


async def _bounded(response: aiohttp.ClientResponse) -> bytes:
    """The body. Raises Failure if it is too long; of what is no answer its beginning will do, for its status counts."""
    found = bytearray()
    async for chunk in response.content.iter_any():
        found += chunk
        if len(found) > MAX_BODY_BYTES:
            if response.status != 200:
                break
            failure = Failure("the judge's answer is too long", ScoreStatus.INVALID, again=False)
            failure.maybe_billed = True
            raise failure
    return bytes(found)


def _usage(said: Any) -> Usage | None:
    """The tokens that an answer tells, None if it tells none that can be."""
    found = said.get("usage") if isinstance(said, dict) else None
    if not isinstance(found, dict):
        return None
    details = found.get("prompt_tokens_details")
    cached = details.get("cached_tokens") if isinstance(details, dict) else None
    counts: list[Any] = [found.get("prompt_tokens"), cached or 0, found.get("completion_tokens")]
    if not all(type(count) is int and 0 <= count <= MAX_TOKENS for count in counts) or counts[1] > counts[0]:
        return None
    return Usage(*counts)


def _verdict(said: Any, question: Question) -> Verdict:
    """What the first choice of an answer says."""
    choices = said.get("choices") if isinstance(said, dict) else None
    choice = choices[0] if isinstance(choices, list) and choices else None
    message = choice.get("message") if isinstance(choice, dict) else None
    if not isinstance(choice, dict) or not isinstance(message, dict):
        return invalid("the judge's server answered in another form")
    if message.get("refusal"):
        return invalid("the judge refused")
    ended = choice.get("finish_reason")
    if ended == "length":
        return invalid("the judge's answer was cut off")
    if ended == "content_filter":
        return invalid("the judge's answer was held back")
    return read_verdict(message.get("content"), question)
