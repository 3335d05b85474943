"""What is wrong with a contract file: where, and what to do."""

from dataclasses import dataclass

KeyPath = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake, or where is_note something that may be one.

    line: from 1; 0: of the whole file. path: keys and indexes down to it. says: what is wrong and what would be right.
    """

    file: str
    line: int
    path: KeyPath
    says: str
    is_note: bool = False

    def __str__(self) -> str:
        """`contracts/support.yaml:14 objectives[2].metric: no metric "latency.p98"; nearest: latency.p99`."""
        where = f"{self.file}:{self.line}" if self.line else self.file
        keys = key_path(self.path)
        return f"{where} {keys}: {self.says}" if keys else f"{where}: {self.says}"


def key_path(path: KeyPath) -> str:
    """Keys as people write them: `objectives[2].metric`."""
    return "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in path).removeprefix(".")
