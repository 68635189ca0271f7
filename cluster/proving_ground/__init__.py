"""A world of proxies on loopback whose truth is known: what the demo, the tests and the benchmarks check against."""
