"""The evaluators of this installation: the file that the settings name, read."""

import yaml

from pipeline.errors import SettingsError
from pipeline.evaluators.configuration import ConfigurationError, evaluators_in
from pipeline.evaluators.judging import Judge
from pipeline.evaluators.protocol import Configured
from pipeline.settings import Settings

MAX_FILE_BYTES = 1 << 20


def evaluators(settings: Settings, judge: Judge | None = None) -> list[Configured]:
    """Those of `TAILRACE_EVALUATORS`, or the default ones. Raises SettingsError naming file, entry and key."""
    path = settings.evaluators
    if path is None:
        return evaluators_in(None, judge)
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise SettingsError(f"TAILRACE_EVALUATORS: {path} cannot be read: {error.strerror}") from None
    if len(raw) > MAX_FILE_BYTES:
        raise SettingsError(f"TAILRACE_EVALUATORS: {path} is larger than {MAX_FILE_BYTES:,} bytes")
    try:
        document = yaml.safe_load(raw)
    except yaml.YAMLError as error:
        raise SettingsError(f"TAILRACE_EVALUATORS: {path} is no YAML: {' '.join(str(error).split())}") from None
    try:
        return evaluators_in({} if document is None else document, judge)
    except ConfigurationError as error:
        raise SettingsError(f"TAILRACE_EVALUATORS: {path}: {error}") from None
