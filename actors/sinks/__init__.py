"""The durable log and what follows it: one file per kind of store."""
