"""evaluate made from settings, and run on Kafka with the evaluators and the judge of this installation."""

import logging
from functools import partial

from pipeline.app.compose import as_on_broker, overtaken_by_retention, window_policy
from pipeline.app.evaluators import evaluators
from pipeline.app.judging import judge_of
from pipeline.connectors.evaluating import Asking, Bench
from pipeline.connectors.faust_worker import run_worker
from pipeline.connectors.heartbeat import Heartbeat
from pipeline.connectors.kafka import sources
from pipeline.errors import SettingsError
from pipeline.evaluators.judging import Judge
from pipeline.evaluators.protocol import Configured
from pipeline.model.samples import Sample
from pipeline.operators.sampled_traces import Room
from pipeline.operators.sampling import sampling_key
from pipeline.settings import SECOND, Settings
from pipeline.stages.evaluate import Evaluate, JudgePolicy, Outputs

JUDGED_WITHIN = 3600.0
"""Seconds after which a judgement is given up; a judge keeps times of its own, and this ends a wait that should not be."""

log = logging.getLogger("tailrace.stages")


def evaluate_stage(settings: Settings, chosen: list[Configured]) -> Evaluate:
    """evaluate under `settings`. What may be spent and what is to be judged at least is divided among the partitions."""
    among = settings.spans_partitions
    judging = JudgePolicy(
        tuple(chosen),
        settings.sample_rate,
        settings.sample_floor / among,
        sampling_key(settings.sample_key.get_secret_value()),
        _nusd(settings.judge_hourly_usd, among),
        _nusd(settings.judge_daily_usd, among),
        settings.judgements,
    )
    outputs = Outputs(
        settings.topic("scores"), settings.topic("dead-letters"), settings.topic("status"), settings.panes_partitions
    )
    return Evaluate(window_policy(settings), judging, outputs, Room(), int(settings.progress_every * SECOND))


def _nusd(usd: float | None, among: int) -> int | None:
    return None if usd is None else int(usd * 1e9 / among)


def run_evaluate(settings: Settings, instance: str, beat: Heartbeat) -> None:
    """Run one evaluate worker until SIGTERM or SIGINT. Raises SettingsError for evaluators or a judge that cannot be used."""
    judge = judge_of(settings)
    chosen = evaluators(settings, judge)
    _say_what_is_missing(settings, chosen, judge)
    partitions = len(sources(settings, "samples"))
    bench = Bench(chosen, settings.evaluator_timeout, JUDGED_WITHIN)
    run_worker(
        settings,
        evaluate_stage(as_on_broker(settings), chosen),
        "samples",
        instance=instance,
        partitions=partitions,
        overtaken=overtaken_by_retention(settings, "evaluate"),
        beat=beat,
        asking=partial(Asking, bench.answer),
    )


def _say_what_is_missing(settings: Settings, chosen: list[Configured], judge: Judge | None) -> None:
    """Once, in the log: evaluators that ask without a judge, and samples that are switched off."""
    asking = [each.evaluator.name for each in chosen if each.evaluator.judge]
    limited = settings.judge_hourly_usd is not None or settings.judge_daily_usd is not None
    if asking and judge is None:
        log.warning("no judge is configured (TAILRACE_JUDGE_URL): %s are skipped", ", ".join(asking))
    if limited and judge is not None and not _has_price(chosen):
        raise SettingsError(
            "TAILRACE_JUDGE_HOURLY_USD or TAILRACE_JUDGE_DAILY_USD is set, and nobody knows what the judge's model costs: "
            "give it a price in TAILRACE_PRICE_FILE"
        )
    if not settings.sample_ceiling:
        log.warning("TAILRACE_SAMPLE_CEILING is 0: there is nothing to judge")


def _has_price(chosen: list[Configured]) -> bool:
    full = Sample(input="a", output="a", context=("a",), reference="a")
    asking = [each.evaluator for each in chosen if each.evaluator.judge]
    return all(getattr(evaluator, "most_nusd", lambda _: None)(full) is not None for evaluator in asking)
