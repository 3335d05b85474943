"""What a Grafana board says: its queries, its variables, and what becomes of them before the store sees one."""
