"""Files of DDL become statements, on one node and on a cluster."""

import pytest

from pipeline.operators.ddl import Migration, statements
from pipeline.topics import schemas_dir

FILES = [Migration(path.stem, path.read_text()) for path in sorted((schemas_dir() / "clickhouse").glob("*.sql"))]

SQL = """-- each: table=minutes; from=x
-- each: table=hours; from=y
-- About both; with a semicolon;
CREATE TABLE ${table} ${on_cluster} (n Int64) ENGINE = ${replicated}MergeTree ORDER BY n;

CREATE VIEW v_${table} AS SELECT n FROM ${from};
"""


def test_statements_are_rendered_for_each_line() -> None:
    one_node = statements(Migration("f", SQL), "")
    assert [s.split(" ")[2] for s in one_node] == ["minutes", "v_minutes", "hours", "v_hours"]
    assert one_node[3] == "CREATE VIEW v_hours AS SELECT n FROM y"
    clustered = statements(Migration("f", SQL), "main")
    assert clustered[0] == "CREATE TABLE minutes ON CLUSTER `main` (n Int64) ENGINE = ReplicatedMergeTree ORDER BY n"


def test_a_name_nothing_fills_in_is_an_error() -> None:
    with pytest.raises(KeyError):
        statements(Migration("f", "SELECT ${nothing};\n"), "")


def test_the_hash_is_of_the_text() -> None:
    assert Migration("a", SQL).hash == Migration("b", SQL).hash != Migration("a", SQL + " ").hash


@pytest.mark.parametrize("migration", FILES, ids=[m.name for m in FILES])
def test_every_statement_of_ours_runs_on_the_cluster(migration: Migration) -> None:
    """Each changes something ON CLUSTER, and every table with an engine of its own is replicated: so a copy is made once."""
    rendered = statements(migration, "main")
    assert rendered
    for sql in rendered:
        assert sql.startswith("INSERT INTO ") or " ON CLUSTER `main`" in sql.splitlines()[0], sql
        assert sql.count("MergeTree(") == sql.count("ENGINE = Replicated"), sql
        assert "$" not in sql
        assert " ON CLUSTER" not in "".join(statements(migration, ""))
