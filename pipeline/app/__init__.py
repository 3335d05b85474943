"""Composition: which stage runs with which connectors, under which settings. The only place that knows them all."""
