"""Do the stage processes of this machine turn? Read from their heartbeats alone, so it costs next to nothing.

Healthy means that the process does what it can: its loop turns. That holds while it waits for an engine that is away,
since starting it again would not bring the engine back; it is degraded then, and says why. A loop that has not turned for
`TAILRACE_HEALTHY_WITHIN` seconds hangs, and a process without a heartbeat is none.
"""

from dataclasses import dataclass

from pipeline.connectors.heartbeat import heartbeats
from pipeline.errors import SettingsError
from pipeline.settings import Settings
from pipeline.topics import STAGES


@dataclass(frozen=True, slots=True)
class Heart:
    """One process. `waits_for`: what keeps it from working, "" if nothing does."""

    stage: str
    pid: int
    turned_s_ago: float
    waits_for: str
    healthy: bool

    @property
    def line(self) -> str:
        """For people."""
        state = ("degraded, " + self.waits_for if self.waits_for else "healthy") if self.healthy else "hangs"
        return f"{self.stage} (process {self.pid}): {state}; its loop turned {self.turned_s_ago:.1f} s ago"


def hearts(settings: Settings, stage: str = "") -> list[Heart]:
    """Every live process of a stage, or of all. Raises SettingsError for a stage there is not."""
    if stage not in ("", *STAGES):
        raise SettingsError(f"no stage {stage!r}; there are {', '.join(STAGES)}")
    return [
        Heart(beat.stage, beat.pid, beat.age, beat.waits_for, beat.age <= settings.healthy_within)
        for beat in heartbeats(settings.local_dir)
        if stage in ("", beat.stage)
    ]
