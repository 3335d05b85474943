"""What watch makes of panes.

`frontiers.py` says when a window is whole, `panes_read.py` reads panes and keeps those of windows that are not, `slices.py` says
which slices of a contract a series lies in, `questions.py` what a contract asks of them. `judged.py` is the state of one question
over all slices, `contract_watch.py` of one contract. `drafts.py` says what of that is
written down, `packed.py` as which bytes, `written.py` how much fits into a message; `snapshots.py` reads it.
"""
