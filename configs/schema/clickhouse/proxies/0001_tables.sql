-- Eagleray's tables. Every statement may run twice, also at once with another: ClickHouse has no lock for this. Tables
-- that are there already, say as Replicated… made by you, are taken as they are, if the columns are the same.
--
-- Types. Addresses are String, not IPv6: '' stays '', 192.0.2.1 is not ::ffff:192.0.2.1, isIPAddressInRange works on it,
-- and the client writes twice as many rows a second (224 000 against 96 000, measured); compressed, it takes no more.
-- LowCardinality wherever there are few distinct values: written as fast, and stored as numbers. Lists are
-- comma-separated in one LowCardinality: there are few combinations, and splitByChar works on each of them once.
-- Times are DateTime64(6): the microseconds of the program. Nullable only where null has a meaning: it costs a file.
--
-- Settings. fsync: rows that were answered for survive a power cut (the log behind them is cut then).
-- non_replicated_deduplication_window: how many inserts' tokens are remembered; Replicated tables have a window anyway.

-- The current state of each proxy. Of rows with the same key the highest lease_id stays, at the next merge: read it with
-- FINAL. No partitions: merges work within one, so that an old row would stay in its own for ever.
CREATE TABLE IF NOT EXISTS proxies (
    ip String,
    port UInt16,
    username String,
    password String,
    alive Bool,
    outcome LowCardinality(String),
    protocols LowCardinality(String), -- comma-separated
    claimed LowCardinality(String), -- comma-separated
    country LowCardinality(String),
    anonymity LowCardinality(String),
    claimed_anonymity LowCardinality(String),
    exit_ip String,
    source LowCardinality(String),
    quality Float64,
    reliability Float64,
    reliability_lower Float64,
    samples Float64,
    latency_p50 Nullable(Float64), -- milliseconds
    latency_p90 Nullable(Float64), -- milliseconds
    score Float64,
    checks UInt32,
    failures_in_row UInt32,
    first_seen DateTime64(6, 'UTC'),
    first_ok Nullable(DateTime64(6, 'UTC')),
    last_ok Nullable(DateTime64(6, 'UTC')),
    checked_at DateTime64(6, 'UTC'),
    next_due DateTime64(6, 'UTC'),
    lease_id UInt64
) ENGINE = ReplacingMergeTree(lease_id)
ORDER BY (ip, port, username)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1, non_replicated_deduplication_window = 1000;

-- The history: a row for each check. The order is the identity: the history of one proxy is one stretch, and repeats of
-- its address compress to nothing. Days are partitions, so that the TTL drops whole parts and rewrites none.
-- Codecs, measured on 200 000 checks of 50 000 proxies, 38 bytes a row with them: ZSTD(1) against the default LZ4 makes
-- addresses 44 % smaller, leases and times 25 %, JSON 53 %; ZSTD(3) gains 9 % more of JSON, which is not worth its
-- time. DoubleDelta and Gorilla gain nothing: times grow within one proxy only.
CREATE TABLE IF NOT EXISTS checks (
    ip String CODEC(ZSTD(1)),
    port UInt16,
    username String,
    lease_id UInt64 CODEC(ZSTD(1)),
    checked_at DateTime64(6, 'UTC') CODEC(ZSTD(1)),
    node LowCardinality(String),
    outcome LowCardinality(String),
    anonymity LowCardinality(String),
    exit_ip String CODEC(ZSTD(1)),
    latency Nullable(Float64), -- milliseconds
    confirmed Bool,
    protocols String CODEC(ZSTD(1)), -- JSON
    country LowCardinality(String),
    source LowCardinality(String),
    evidence String CODEC(ZSTD(1)), -- JSON
    -- Leases only grow: where all of a granule are older, a look for new ones needs nothing of it.
    INDEX lease_id_range lease_id TYPE minmax GRANULARITY 1
) ENGINE = MergeTree
PARTITION BY toDate(checked_at)
ORDER BY (ip, port, username, lease_id)
TTL toDateTime(checked_at) + INTERVAL 30 DAY
SETTINGS ttl_only_drop_parts = 1,
    fsync_after_insert = 1, fsync_part_directory = 1, non_replicated_deduplication_window = 1000;

-- The latest poll of each source.
CREATE TABLE IF NOT EXISTS source_polls (
    source String,
    polled_at DateTime64(6, 'UTC'),
    documents UInt64,
    bytes UInt64,
    entries UInt64,
    candidates UInt64,
    refused String CODEC(ZSTD(1)), -- JSON
    error String,
    seconds Float64
) ENGINE = ReplacingMergeTree(polled_at)
ORDER BY source
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1, non_replicated_deduplication_window = 1000;

-- Rounds through the lists. A row that goes on is written again, with a later end.
CREATE TABLE IF NOT EXISTS cycles (
    started_at DateTime64(6, 'UTC'),
    ended_at DateTime64(6, 'UTC'),
    sources UInt32,
    source_errors UInt32,
    candidates UInt64,
    checked UInt64,
    alive UInt64,
    outcomes String CODEC(ZSTD(1)) -- JSON
) ENGINE = ReplacingMergeTree(ended_at)
ORDER BY started_at
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1, non_replicated_deduplication_window = 1000;
