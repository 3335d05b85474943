"""1,000 slices, five metrics, a look a minute: on how many of 200 days does noise page?

`TAILRACE_RUNS`, `TAILRACE_SLICES` and `TAILRACE_SEED` change it. `tests/laws/test_false_alarms.py` is a small one.
"""

import os

import numpy as np
import pytest

from tests.false_alarms import ALPHA, days_with_alarms, tell

RUNS, SLICES, SEED = (
    int(os.environ.get(f"TAILRACE_{name}", usual)) for name, usual in (("RUNS", "200"), ("SLICES", "1000"), ("SEED", "7"))
)


@pytest.mark.soak
@pytest.mark.timeout(0)
def test_noise_does_not_page() -> None:
    alarms = days_with_alarms(SLICES, RUNS, SEED)
    tell(alarms, RUNS, SLICES)
    most = np.ceil(RUNS * (ALPHA + 2 * np.sqrt(ALPHA * (1 - ALPHA) / RUNS)))
    assert (alarms[:, 3:] <= most).all()
    assert (alarms[:, :3] >= 0.9 * RUNS).all(), "these streams are no trap"
