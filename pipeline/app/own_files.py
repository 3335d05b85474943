"""What files of the user say: prices, schemas, series."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import orjson
import yaml

from pipeline.connectors.files import read_text
from pipeline.errors import SettingsError
from pipeline.operators.behaviour.schemas import Schema, UnusableSchemaError, schema_of
from pipeline.operators.pricing.bundled import BundledBook
from pipeline.operators.pricing.own import OwnBook
from pipeline.operators.pricing.price import PriceBook
from pipeline.settings import Settings

Read = TypeVar("Read")


def read_own(path: Path | None, setting: str, read: Callable[[Any], Read], otherwise: Read) -> Read:
    """What a YAML file of the user says, `otherwise` if there is none. Raises SettingsError naming the setting."""
    if path is None:
        return otherwise
    try:
        return read(yaml.safe_load(read_text(path, setting)))
    except (ValueError, TypeError, AttributeError, yaml.YAMLError) as error:
        raise SettingsError(f"{setting}={path}: {' '.join(str(error).split())}") from None


def price_book(settings: Settings) -> PriceBook:
    """The bundled prices, under the user's own if there are any. Raises SettingsError for a file that cannot be used."""
    book: PriceBook = BundledBook()
    return read_own(settings.price_file, "TAILRACE_PRICE_FILE", lambda raw: OwnBook.over(book, raw), book)


def route_schemas(directory: Path | None) -> dict[str, Schema]:
    """The schemas of a directory, by route. Raises SettingsError for one that cannot be used."""
    found = {}
    for path in sorted(directory.glob("*.json")) if directory is not None else ():
        try:
            found[path.stem] = schema_of(orjson.loads(path.read_bytes()))
        except (OSError, orjson.JSONDecodeError, UnusableSchemaError) as error:
            raise SettingsError(f"TAILRACE_SCHEMAS: {path}: {error}") from None
    if directory is not None and not found:
        raise SettingsError(f"TAILRACE_SCHEMAS={directory}: no schemas (<route>.json) are there")
    return found
