"""What people see of rows."""

import io
import json

import pytest
from rich.console import Console

from pipeline.app import show
from pipeline.app.status import Status
from pipeline.cli import print_json_lines
from pipeline.cli.terminal import complain, say


def printed(names: list[str], rows: list[list[object]], width: int) -> list[str]:
    out = io.StringIO()
    show.answer(names, rows, Console(file=out, width=width))
    return [line.rstrip() for line in out.getvalue().splitlines()]


def test_rows_that_fit_are_a_table() -> None:
    assert printed(["route", "n"], [["support", 3], ["search", 12]], 80) == ["route     n", "support   3", "search   12"]


def test_rows_that_do_not_fit_have_a_line_per_value_and_no_name_is_cut() -> None:
    names = [f"a_long_name_{i}" for i in range(40)]
    lines = printed(names, [list(range(40)), [None] * 40], 80)
    assert [line for line in lines if line.startswith("row")] == ["row 1", "row 2"]
    assert [line.split()[0] for line in lines if not line.startswith("row")] == names * 2
    assert lines[40].split() == ["a_long_name_39", "39"]


def test_a_table_without_rows_shows_its_columns() -> None:
    assert printed(["route", "n"], [], 80) == ["route  n"]


def test_rows_too_wide_stand_under_what_they_share_with_the_last_cell_below() -> None:
    names, out = ["verdict", "rule", "slice", "why"], io.StringIO()
    rows = [["broken", "latency", "cohort pro", "for a long time"], ["kept", "errors", "all", ""], ["kept", "latency", "de", ""]]
    for width in (80, 30):
        show.under_headings(names, rows, [1], Console(file=out, width=width))
    assert [line.rstrip() for line in out.getvalue().splitlines()] == [
        "verdict  rule     slice       why",
        "broken   latency  cohort pro  for a long time",
        "kept     errors   all",
        "kept     latency  de",
        "  verdict  slice",
        "",
        "latency",
        "  broken   cohort pro",
        "      for a long time",
        "  kept     de",
        "",
        "errors",
        "  kept     all",
    ]


def test_status_names_traces_that_never_fall_silent() -> None:
    said = dict.fromkeys(("delay_ns", "open_windows", "series", "overflow", "held_offsets", "reported_s_ago"), 0.0)
    for told, expected in (
        ((0, 0), ""),
        ((256, 0), "silent: 256\n"),
        ((256, 2), "silent: 258; 2 of them hold the committed offset\n"),
    ):
        out, seen = io.StringIO(), Status()
        seen.partitions = [said | {"source": "spans:0", "unending": told[0], "unending_held": told[1]}]
        show.status(seen, Console(file=out, width=200))
        assert out.getvalue().partition("traces that are over and never fall ")[2] == expected


def test_json_has_numbers_of_128_bits(capsys: pytest.CaptureFixture[str]) -> None:
    print_json_lines(["route", "cost_nusd"], [["für", 2**100], ["", -(2**127)]])
    first, second = capsys.readouterr().out.splitlines()
    assert first == f'{{"route":"für","cost_nusd":{2**100}}}'
    assert json.loads(second)["cost_nusd"] == -(2**127)


def test_what_others_chose_cannot_write_on_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    hostile = "red \x1b[31m title \x1b]0;x\x07 back \u202egnp.exe"
    Console(width=200).print(show.table(["name"], [[hostile], ["two\nlines"]]))
    complain(hostile)
    say(hostile)
    said = capsys.readouterr()
    assert not {"\x1b", "\x07", "\u202e"} & {*said.out, *said.err}
    assert "two\nlines" in "\n".join(line.strip() for line in said.out.splitlines())
