"""`python warm.py FILE`: run recorded requests through the stages once, so that numba's cache holds their kernels."""

import sys
from pathlib import Path

from pipeline.app.replay import run
from pipeline.connectors.files import read_requests
from pipeline.settings import Settings

written = sum(1 for _ in run(Settings(), read_requests([Path(sys.argv[1])])))
assert written, "the file holds requests"
