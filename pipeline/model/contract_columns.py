"""The columns of the topic `contracts`: a message is a block of one row, and its key is the contract's name."""

from dataclasses import dataclass

from pipeline.model.columns import Column

CONTRACTS: tuple[Column, ...] = (
    Column("name", "string", "of the contract; the message's key"),
    Column("version", "integer", "the author's"),
    Column("hash", "string", "of what it means, 32 hex digits"),
    Column("owner", "string", "who is told, in the author's words"),
    Column("text", "string", "the file as it was applied"),
    Column("applied_ns", "integer", "when it was applied, nanoseconds since 1970"),
    Column("applied_by", "string", "who applied it, if that was said"),
    Column("removed", "boolean", "it is no longer in force"),
    Column("meaning", "string", "what it promises as JSON, in base units, for the store's views; empty without it", absent=""),
)


@dataclass(frozen=True, slots=True)
class Applied:
    """A contract as it was applied, or taken out of force."""

    name: str
    version: int
    hash: str
    owner: str
    text: str
    applied_ns: int
    applied_by: str = ""
    removed: bool = False
    meaning: str = ""
