"""Machine code for the few loops that are too hot for Python, kept on disk between runs.

numba's cache looks only at the file a kernel stands in: a kernel would keep yesterday's copy of what it calls in another
file. So the cache is named after all operators' sources, and any change of theirs is compiled anew (about ten seconds).
It lies beside the sources, or below NUMBA_CACHE_DIR.
"""

from hashlib import blake2b
from pathlib import Path
from typing import Any

from numba import config, njit

_HERE = Path(__file__).parent
_SOURCES = blake2b(b"".join(path.read_bytes() for path in sorted(_HERE.rglob("*.py"))), digest_size=8).hexdigest()
config.CACHE_DIR = str(Path(config.CACHE_DIR or _HERE / "__pycache__") / f"kernels-{_SOURCES}")  # type: ignore[attr-defined]


def compiled(function: Any) -> Any:
    """`function` as machine code that lets go of the interpreter's lock while it runs."""
    return njit(cache=True, nogil=True)(function)
