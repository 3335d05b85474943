"""Alerts, posted to a webhook: a consumer of its own of the topic `alerts`, as anybody could write one.

One alert after another, in the order they were told, and each is committed once the webhook has taken it. So a process that dies
in between delivers that one again, with the same key to tell it by, and none is lost: what cannot be delivered within
`TAILRACE_RETRY_LIMIT` ends the process uncommitted.

A group that never committed begins at the end of the topic: nobody wants last month's alerts at night.
"""

from collections.abc import Callable, Sequence
from functools import partial

import orjson

from pipeline.app.compose import overtaken_by_retention, stop_on_signal
from pipeline.connectors.alert_log import TOPIC, begin_at_the_end
from pipeline.connectors.heartbeat import beating
from pipeline.connectors.kafka_batches import Limits, run_batches
from pipeline.connectors.webhook import Webhook
from pipeline.errors import SettingsError
from pipeline.model.stream import Effects, Message, Record
from pipeline.operators.alerts.cloud_event import NoAlertError, decode
from pipeline.operators.alerts.webhooks import FORMATS
from pipeline.settings import Settings

PAGERDUTY_URL = "https://events.pagerduty.com/v2/enqueue"
PAGERDUTY_KEY_CHARS = 32

ONE = Limits(records=1, size_bytes=1, linger=1.0)
"""One alert at a time: what is tried again is that one, and nothing that was already taken."""


def forward(settings: Settings, form: str, name: str, complain: Callable[[str], None]) -> None:
    """Deliver until SIGTERM or SIGINT. form: a name of FORMATS. name: of this consumer, "" for that of the form.

    Raises SettingsError for an address or a key that is missing or refused, EngineError after `TAILRACE_RETRY_LIMIT`.
    """
    key = settings.webhook_key.get_secret_value()
    webhook = Webhook(_address(settings, form, key), settings.webhook_timeout, complain)
    group = settings.group(f"forward-{name or form}")
    stop = stop_on_signal()
    begin_at_the_end(settings, group)

    def carry_out(effects: Effects) -> None:
        for message in effects.messages:
            webhook.post((message.key or b"").decode(), message.value)

    with beating(settings.local_dir, "forward") as beat:
        run_batches(
            settings,
            group=group,
            topic_keys=[TOPIC],
            step=partial(posts, form, key, complain),
            carry_out=carry_out,
            stop=stop,
            limits=ONE,
            overtaken=overtaken_by_retention(settings, "forward"),
            beat=beat,
        )
    webhook.close()


def posts(form: str, key: str, complain: Callable[[str], None], batch: Sequence[Record], _now_ns: int) -> Effects:
    """What is posted for these records, each under the id of its alert; what is no alert is complained of and passed over."""
    messages = []
    for record in batch:
        try:
            alert = decode(record.value or b"")
        except NoAlertError as error:
            complain(f"message {record.offset} of {record.source.topic} is passed over: {error}")
            continue
        messages.append(Message(form, 0, orjson.dumps(FORMATS[form](alert, key)), alert.id.encode()))
    return Effects(messages=tuple(messages))


def _address(settings: Settings, form: str, key: str) -> str:
    """Where to post. Raises SettingsError."""
    if form not in FORMATS:
        raise SettingsError(f"--as {form}: there are {', '.join(FORMATS)}")
    if form == "pagerduty" and len(key) != PAGERDUTY_KEY_CHARS:
        raise SettingsError(f"TAILRACE_WEBHOOK_KEY: PagerDuty's integration key has {PAGERDUTY_KEY_CHARS} characters")
    url = settings.webhook_url.get_secret_value() or (PAGERDUTY_URL if form == "pagerduty" else "")
    if not url:
        raise SettingsError("TAILRACE_WEBHOOK_URL: set it to the address of the webhook")
    return url
