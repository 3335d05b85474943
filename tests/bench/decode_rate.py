"""`python -m tests.bench.decode_rate [three|unsampled]`: spans decoded a second of CPU, of the demo's calls and of recordings.

`three`: with the tables of OpenTelemetry, OpenInference and traceAI alone; the others keep their fields and say nothing. The
tables are module constants, so each choice is a process of its own. `unsampled`: without samples. `tests.bench` compares them.
"""

import sys
import time
from collections.abc import Callable
from pathlib import Path as File

from pipeline.operators.dialects import records, vocabulary
from pipeline.operators.dialects.dialect import Dialect
from pipeline.operators.dialects.paths import Path

KEPT = ("otel_genai", "openinference", "traceai")
REPEATS = 5
SPANS = 8_000


def silent(dialect: Dialect) -> Dialect:
    """The dialect without anything to look for."""
    return dialect if dialect.name in KEPT else Dialect(dialect.name, fields=dict.fromkeys(dialect.fields, ()))


def quieten() -> None:
    """Only the tables KEPT speak from here on; before decode is imported."""
    for order in ("DIALECTS", "KIND_ORDER", "NAME_ORDER"):
        setattr(vocabulary, order, tuple(map(silent, getattr(vocabulary, order))))
    for name, found in list(vars(records).items()):
        if isinstance(found, tuple) and all(isinstance(path, Path) for path in found):
            setattr(records, name, ())


def main() -> None:
    if "three" in sys.argv:
        quieten()
    from pipeline.app.decode import decode_stage  # noqa: PLC0415 - after the tables are chosen
    from pipeline.model.stream import Record  # noqa: PLC0415
    from pipeline.settings import Settings  # noqa: PLC0415
    from tests.bench.traffic import NOW_NS, OTLP, otlp_records  # noqa: PLC0415

    stage = decode_stage(Settings(sample_ceiling=0.0) if "unsampled" in sys.argv else Settings())
    data = File("tests/data")
    recorded = [path.read_bytes() for name in ("otlp", "dialects") for path in sorted((data / name).glob("*.pb"))]
    once = sum(account.spans for account in stage.decoder.decode([Record(OTLP, 0, NOW_NS, r) for r in recorded]).ledger)
    mixed = [Record(OTLP, i, NOW_NS, payload) for i, payload in enumerate(recorded * (SPANS // once + 1))]
    for batch in (otlp_records(SPANS, around=False), mixed):
        print(rate(lambda batch=batch: sum(a.spans for part in stage.parts(batch) for a in stage.decoder.decode(part).ledger)))


def rate(work: Callable[[], int]) -> float:
    """Best of a few runs, items per second of one core: other processes only ever make it slower."""
    best = 0.0
    for _ in range(REPEATS):
        begin = time.process_time()
        items = work()
        best = max(best, items / (time.process_time() - begin))
    return best


if __name__ == "__main__":
    main()
