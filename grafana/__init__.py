"""Boards as code: what `python -m grafana` writes to `grafana/dashboards`, and what provisions it.

A board is data built from three small parts: `sql` (fragments over the views), `panels` (how a number, a line chart, a table, a
heat map look) and one module per board. The JSON beside them is generated, committed and compared by a test.
"""
