"""Nouns: frozen values that everything else speaks about. Imports nothing of ours."""
