"""A report as one page: what it holds (`content.py`, `cells.py`), its plots (`plots.py`), and how it is written (`page.py`)."""
