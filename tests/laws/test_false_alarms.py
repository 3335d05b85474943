"""Noise does not page, and would page anybody who ignores sessions. In full: `tests/quality/test_false_alarms.py`."""

import pytest

from tests.false_alarms import days_with_alarms, tell


@pytest.mark.slow
def test_noise_does_not_page() -> None:
    alarms = days_with_alarms(150, 20, 11, every=10)
    tell(alarms, 20, 150)
    assert (alarms[:, 3:] <= 3).all()
    assert (alarms[:, 2] >= 15).all(), "these streams are no trap"
