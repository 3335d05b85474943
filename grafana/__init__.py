"""Boards as code: what `python -m grafana` writes to `grafana/dashboards`, and what provisions it.

A board is data built from three small parts: `sql` (fragments over the `performance` views), `panels` (how a stat, a line
chart and a table look) and one module per board. The JSON beside them is generated, committed and compared by a test.
"""
