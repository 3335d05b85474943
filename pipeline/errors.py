"""Every error we raise on purpose.

TailraceError
├── Transient            the world hiccups: its connector retries, with a bound; unheard, an engine is away (exit 3)
└── Fatal                the world is wrong: stop, acknowledge nothing, one clear line, exit code of its own
    ├── SettingsError    a setting is wrong or missing; names it and the fix      (exit 2)
    ├── EngineError      Kafka, ClickHouse or a tool cannot be had or started     (exit 3)
    └── SchemaError      stored tables or topics do not fit this version          (exit 4)

A bad record is no error but a value: see `pipeline.model.reasons`.
"""


class TailraceError(Exception):
    """Base of all of ours."""

    exit_code = 1


class Transient(TailraceError):  # noqa: N818 - the tree reads better so
    """Worth another try after a pause."""

    exit_code = 3


class Fatal(TailraceError):  # noqa: N818
    """Not worth another try."""


class SettingsError(Fatal):
    exit_code = 2


class EngineError(Fatal):
    exit_code = 3


class SchemaError(Fatal):
    exit_code = 4
