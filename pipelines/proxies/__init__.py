"""The proxy pipeline: from lines of a list to scored, ranked proxies."""
