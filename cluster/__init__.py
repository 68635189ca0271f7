"""Composition: settings, topology, supervision and the command line put actors and pipelines together."""
