"""Tailrace: continuous production evaluation of deployed models. Start reading at `ARCHITECTURE.md`."""
