"""Benchmarks: figures beside a baseline of the same run, never a timed test."""
