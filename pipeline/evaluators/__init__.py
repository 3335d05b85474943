"""The evaluators: one file each, behind one protocol."""
