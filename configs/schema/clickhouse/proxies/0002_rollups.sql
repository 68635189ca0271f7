-- Checks by hour, country and source, summed by the insert itself: what a dashboard asks for reads some thousand rows,
-- not the history, and outlives it. Merges sum what is there, so always ask with sum(…) and GROUP BY:
--
--     SELECT hour, sum(checks), sum(ok), quantilesTimingMerge(0.5, 0.9, 0.99)(latency_quantiles) FROM checks_hourly GROUP BY hour
--
-- Each check counts once: the writer inserts none that is there, and a repeated insert is recognised by its token. Only
-- where a server and the writer die in the same moment, some hours may lack checks: docs/STORES.md has how to sum up anew.
CREATE TABLE IF NOT EXISTS checks_hourly (
    hour DateTime('UTC'),
    country LowCardinality(String),
    source LowCardinality(String),
    checks SimpleAggregateFunction(sum, UInt64),
    ok SimpleAggregateFunction(sum, UInt64),
    latencies SimpleAggregateFunction(sum, UInt64), -- checks that have a latency
    latency_sum SimpleAggregateFunction(sum, Float64), -- milliseconds
    latency_quantiles AggregateFunction(quantilesTiming(0.5, 0.9, 0.99), Nullable(Float64)) -- up to 30 s; merges exactly
) ENGINE = AggregatingMergeTree
PARTITION BY toYYYYMM(hour)
ORDER BY (hour, country, source)
TTL hour + INTERVAL 400 DAY
SETTINGS ttl_only_drop_parts = 1,
    fsync_after_insert = 1, fsync_part_directory = 1, non_replicated_deduplication_window = 1000;

CREATE MATERIALIZED VIEW IF NOT EXISTS checks_hourly_sums TO checks_hourly AS
SELECT
    toStartOfHour(toDateTime(checked_at, 'UTC')) AS hour,
    country,
    source,
    count() AS checks,
    countIf(outcome = 'ok') AS ok,
    count(latency) AS latencies,
    sum(ifNull(latency, 0)) AS latency_sum,
    quantilesTimingState(0.5, 0.9, 0.99)(latency) AS latency_quantiles
FROM checks
GROUP BY hour, country, source;
