-- Which proxies live, best first, with all that readers filter by: rows that are not wanted are passed over here, without
-- looking at the table. The dead, nearly all of a public list, are not in it, so writing them costs nothing here.
-- SQLite takes it where a statement says `alive = 1`, not `alive = ?`.
CREATE INDEX proxies_living ON proxies (score, country, anonymity, latency_p50, protocols) WHERE alive = 1;
DROP INDEX IF EXISTS proxies_alive_score;

-- Nothing asks by it, and every check of every proxy had to change it.
DROP INDEX IF EXISTS proxies_next_due;
