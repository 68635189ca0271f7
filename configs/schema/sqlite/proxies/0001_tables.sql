-- The tables as they were before scripts were numbered: files of that time have them, hence IF NOT EXISTS.
-- INT, not INTEGER: as a key, INTEGER would make up a number for null. Times are Unix seconds, latencies
-- milliseconds, lists comma-separated. Not WITHOUT ROWID: with the wide rows in the tree of a random key, writing
-- took twice as long.
CREATE TABLE IF NOT EXISTS proxies (
    ip TEXT NOT NULL,
    port INT NOT NULL,
    username TEXT NOT NULL,
    password TEXT NOT NULL,
    alive INT NOT NULL,
    outcome TEXT NOT NULL,
    protocols TEXT NOT NULL,
    claimed TEXT NOT NULL,
    country TEXT NOT NULL,
    anonymity TEXT NOT NULL,
    claimed_anonymity TEXT NOT NULL,
    exit_ip TEXT NOT NULL,
    source TEXT NOT NULL,
    quality REAL NOT NULL,
    reliability REAL NOT NULL,
    reliability_lower REAL NOT NULL,
    samples REAL NOT NULL,
    latency_p50 REAL,
    latency_p90 REAL,
    score REAL NOT NULL,
    checks INT NOT NULL,
    failures_in_row INT NOT NULL,
    first_seen REAL NOT NULL,
    first_ok REAL,
    last_ok REAL,
    checked_at REAL NOT NULL,
    next_due REAL NOT NULL,
    lease_id INT NOT NULL,
    PRIMARY KEY (ip, port, username)
) STRICT;

CREATE INDEX IF NOT EXISTS proxies_alive_score ON proxies (alive, score);
CREATE INDEX IF NOT EXISTS proxies_next_due ON proxies (next_due);

CREATE TABLE IF NOT EXISTS checks (
    ip TEXT NOT NULL,
    port INT NOT NULL,
    username TEXT NOT NULL,
    lease_id INT NOT NULL,
    checked_at REAL NOT NULL,
    node TEXT NOT NULL,
    outcome TEXT NOT NULL,
    anonymity TEXT NOT NULL,
    exit_ip TEXT NOT NULL,
    latency REAL,
    confirmed INT NOT NULL,
    protocols TEXT NOT NULL,
    PRIMARY KEY (ip, port, username, lease_id)
) STRICT;

CREATE INDEX IF NOT EXISTS checks_checked_at ON checks (checked_at);

CREATE TABLE IF NOT EXISTS source_polls (
    source TEXT NOT NULL,
    polled_at REAL NOT NULL,
    documents INT NOT NULL,
    bytes INT NOT NULL,
    entries INT NOT NULL,
    candidates INT NOT NULL,
    refused TEXT NOT NULL,
    error TEXT NOT NULL,
    seconds REAL NOT NULL,
    PRIMARY KEY (source)
) STRICT;
