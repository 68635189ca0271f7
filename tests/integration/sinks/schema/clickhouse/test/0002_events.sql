ALTER TABLE state ADD COLUMN IF NOT EXISTS seen Nullable(DateTime64(6, 'UTC'));

-- No TTL: the suite's rows are older than theirs. test_clickhouse has it on the tables of the pipeline.
CREATE TABLE IF NOT EXISTS events (
    id Int64,
    at DateTime64(6, 'UTC'),
    note String
) ENGINE = MergeTree ORDER BY id
SETTINGS non_replicated_deduplication_window = 1000;
