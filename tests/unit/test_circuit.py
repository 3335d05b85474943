"""When a judge is left alone, by hand-written time."""

from pipeline.connectors.circuit import Circuit


def test_it_opens_after_failures_in_a_row_and_tries_once_a_pause() -> None:
    circuit = Circuit(failures=3, pause=10)
    circuit.failed_at(0)
    circuit.failed_at(1)
    circuit.succeeded()
    circuit.failed_at(2)
    circuit.failed_at(3)
    assert circuit.admits(3)
    circuit.failed_at(4)
    assert not circuit.admits(4)
    assert not circuit.admits(13.9)
    assert circuit.admits(14)
    assert not circuit.admits(14), "one try alone"
    circuit.failed_at(15)
    assert not circuit.admits(24.9)
    assert circuit.admits(25)
    circuit.succeeded()
    assert circuit.admits(25)
    assert circuit.admits(25)


def test_a_try_that_never_ends_does_not_keep_it_open() -> None:
    circuit = Circuit(failures=1, pause=10)
    circuit.failed_at(0)
    assert circuit.admits(10)
    assert circuit.admits(20)
