CREATE TABLE IF NOT EXISTS state (
    host String,
    port UInt16,
    tags LowCardinality(String),
    alive Bool,
    score Nullable(Float64),
    version Int64
) ENGINE = ReplacingMergeTree(version) ORDER BY (host, port);
