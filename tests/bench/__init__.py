"""Figures, not tests: `make bench` measures on this machine and prints each beside its bound."""
