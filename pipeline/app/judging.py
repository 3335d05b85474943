"""The judge of this installation, made from the settings, and what its tokens cost by our own price book."""

import atexit
import logging

import numpy as np

from pipeline.app.own_files import price_book
from pipeline.connectors.clock import now_ns
from pipeline.connectors.judge import Cost, HttpJudge, JudgePolicy, Usage
from pipeline.errors import SettingsError
from pipeline.evaluators.base import run
from pipeline.operators.pricing.billing import who_bills
from pipeline.operators.pricing.cost import PARTS, cost
from pipeline.operators.pricing.price import STANDARD, Price, PriceBook
from pipeline.settings import Settings

log = logging.getLogger("tailrace.judge")

NOTHING = {f"{name}_tokens": np.zeros(1, np.int64) for name in PARTS} | {"searches": np.zeros(1, np.int64)}


def judge_of(settings: Settings) -> HttpJudge | None:
    """The judge, None if the settings name none. Raises SettingsError where they name half of one.

    A model without a price is warned of once: its scores carry tokens and no cost.
    """
    if not settings.judge_url:
        if settings.judge_model:
            raise SettingsError("TAILRACE_JUDGE_MODEL is set and TAILRACE_JUDGE_URL is not; it is the base of an endpoint, …/v1")
        return None
    if not settings.judge_model:
        raise SettingsError("TAILRACE_JUDGE_URL is set and TAILRACE_JUDGE_MODEL is not; it is the model that judges")
    policy = JudgePolicy(
        url=settings.judge_url.rstrip("/").removesuffix("/chat/completions").rstrip("/"),
        model=settings.judge_model,
        key=settings.judge_key.get_secret_value(),
        timeout=settings.judge_timeout,
        concurrency=settings.judge_concurrency,
        retries=settings.judge_retries,
        max_tokens=settings.judge_max_tokens,
        circuit_failures=settings.judge_circuit_failures,
        circuit_pause=settings.judge_circuit_pause,
        body=settings.judge_body,
    )
    priced = cost_by(price_book(settings), policy.model, policy.url)
    if priced(Usage(1, 0, 1), "") is None:
        log.warning("%s has no price: what judging costs is not known; TAILRACE_PRICE_FILE can say it", policy.model)
    return HttpJudge(policy, priced)


def judge_of_environment() -> HttpJudge | None:
    """The same of the environment's settings: for evaluators that are called directly."""
    judge = judge_of(Settings.load())
    if judge is not None:
        atexit.register(lambda: run(judge.close()))
    return judge


def cost_by(book: PriceBook, asked: str, url: str) -> Cost:
    """What a judge's tokens cost now. asked: the model that is asked, the one that answers goes before it."""

    def of(usage: Usage, model: str) -> int | None:
        bill = who_bills("", (model, asked) if model else (asked,), url, book.knows)
        price = book.price(bill, STANDARD, now_ns())
        if not isinstance(price, Price):
            return None
        counts = {"input": usage.input_tokens, "cache_read": usage.cached_tokens, "output": usage.output_tokens}
        tokens = NOTHING | {f"{name}_tokens": np.array([count], np.int64) for name, count in counts.items()}
        nusd = int(cost(price.tiers, tokens).nusd[0])
        return None if nusd < 0 else nusd

    return of
