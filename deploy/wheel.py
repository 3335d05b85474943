"""Says so when a wheel is built without the viewer of the boards; it is whole otherwise."""

from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class Hook(BuildHookInterface):  # type: ignore[type-arg]
    """What hatch calls before it builds."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:  # noqa: ARG002 - hatch calls it so
        if version != "editable" and not (Path(self.root) / "pipeline/_viewer/index.html").is_file():
            self.app.display_warning("this wheel lacks the viewer of `tailrace boards`: run `make viewer` before it is built")
