"""A command of `tailrace` as a user runs it: a process, its exit code, what it said."""

import os
import subprocess
import sys
from collections.abc import Mapping

from pipeline.settings import Settings
from tests.e2e.stages import ROOT, environment

Outcome = tuple[int, str, str]
"""Exit code, standard output, standard error."""


def started(*arguments: str, settings: Settings | None = None, env: Mapping[str, str] | None = None) -> subprocess.Popen[str]:
    """The command under way, in an environment of these settings alone and then `env`."""
    plain = {name: value for name, value in os.environ.items() if not name.startswith("TAILRACE_")}
    return subprocess.Popen(
        [sys.executable, "-m", "pipeline", *arguments],
        cwd=ROOT,
        env=plain | (environment(settings) if settings else {}) | dict(env or {}),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finished(process: subprocess.Popen[str], within: float = 60.0) -> Outcome:
    """What came of it."""
    try:
        out, err = process.communicate(timeout=within)
    finally:
        process.kill()
    return process.returncode, out, err
