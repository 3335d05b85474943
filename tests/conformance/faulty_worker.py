"""A worker of one partition in trouble, a process of its own for `test_worker_faults.py`.

Usage: python -m tests.conformance.faulty_worker FAULT, settings from the environment.

- `lost`: it commits a partition that it does not own, as it does when one was taken away a moment before, then stops itself.
- `hangs`: it raises, and something waits for ever while it stops.
- `drops`: its first fetch comes while messages do not flow, as one does that waits through a rebalance, so Faust drops what it
  brought. Prints `dropped` then, and the offset of the first message that reaches the partition.
- `stopping`: what it waits for raises an error when the worker is stopped. Prints `ready` when it waits.
"""

import asyncio
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, NoReturn, cast

from mode.supervisors import CrashingSupervisor

from pipeline.connectors.faust_worker import Deliveries, _app, _execute, _own
from pipeline.connectors.owned_partition import Delivered, Outside
from pipeline.connectors.progress_log import Takeover
from pipeline.errors import EngineError
from pipeline.settings import Settings

NOT_MINE = 99


async def _lost(deliveries: Deliveries) -> None:
    while deliveries.owned() is None:  # noqa: ASYNC110 - Faust tells nobody
        await asyncio.sleep(0.05)
    await deliveries.commit(NOT_MINE, 1)
    os.kill(os.getpid(), signal.SIGTERM)


def _drop_the_first_fetch(consumer: Any) -> None:
    """Messages stop to flow when the first are there, and flow again once Faust has set the positions back."""
    fetch, seek = consumer._thread._fetch_records, consumer.perform_seek
    dropped: list[Any] = []

    async def fetched(*args: Any, **kwargs: Any) -> Any:
        records = await fetch(*args, **kwargs)
        if records and not dropped:
            dropped.append(records)
            consumer.stop_flow()
        return records

    async def sought() -> None:
        await seek()
        if dropped and not consumer.flow_active:
            consumer.resume_flow()
            print("dropped", flush=True)

    consumer._thread._fetch_records, consumer.perform_seek = fetched, sought


async def _first(deliveries: Deliveries) -> None:
    batch: Sequence[Delivered] | None = ()
    while batch is not None and not batch:
        batch = await deliveries.gather()
    assert batch, "the partition was lost before a message came"
    print(batch[0].offset, flush=True)
    os.kill(os.getpid(), signal.SIGTERM)


async def _waiting(_: int) -> Takeover:
    print("ready", flush=True)
    try:
        await asyncio.Event().wait()
    except asyncio.CancelledError:
        raise EngineError("the engine is gone") from None
    raise AssertionError("nobody sets the event")


async def _raising(_: int) -> Takeover:
    raise EngineError("the engine is gone")


def _outside(topic: str, takeover: Callable[[int], Awaitable[Takeover]]) -> Outside[Any]:
    return Outside(cast("Any", None), topic, takeover, _never, _never, _never, _never, _never)


def main() -> None:
    """Run until it stops or crashes."""
    fault, settings = sys.argv[1], Settings.load()
    topic = settings.topic("spans")
    app = _app(settings, settings.group("faulty"), "faulty")
    channel = app.topic(topic, key_type=bytes, value_type=bytes, key_serializer="raw", value_serializer="raw", acks=False)

    async def own(stream: Any) -> None:
        deliveries = Deliveries(app, topic, stream)
        if fault == "lost":
            await _lost(deliveries)
        elif fault == "drops":
            await _first(deliveries)
        elif fault == "hangs":
            app._stop_consumer = asyncio.Event().wait
            await _own(_outside(topic, _raising), deliveries, set())
        else:
            await _own(_outside(topic, _waiting), deliveries, set())

    app.agent(channel, name="faulty", isolated_partitions=True, supervisor_strategy=CrashingSupervisor)(own)
    if fault == "drops":
        _drop_the_first_fetch(app.consumer)
    _execute(app)


def _never(*_: Any) -> NoReturn:
    raise AssertionError("it never comes to this")


if __name__ == "__main__":
    main()
