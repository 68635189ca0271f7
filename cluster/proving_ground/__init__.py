"""A world of proxies on loopback whose truth is known: the demo, tests and benchmarks check against it."""
