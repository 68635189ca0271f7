"""Eagleray: a pool of live, proven public proxies."""
