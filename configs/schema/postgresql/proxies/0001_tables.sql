-- Text that stands in a key compares by bytes: faster, and an index outlives an upgrade of the system's collations.
-- Times are timestamptz, latencies milliseconds, empty addresses null, lists arrays. Numbers are bigint and
-- double precision, as they are on the wire.
CREATE TABLE proxies (
    ip inet NOT NULL,
    port bigint NOT NULL,
    username text COLLATE "C" NOT NULL, -- two accounts on one endpoint are two proxies
    password text NOT NULL,
    alive boolean NOT NULL,
    outcome text NOT NULL,
    protocols text[] NOT NULL, -- those that worked at the last success
    claimed text[] NOT NULL, -- what the sources say
    country text NOT NULL,
    anonymity text NOT NULL,
    claimed_anonymity text NOT NULL,
    exit_ip inet,
    source text NOT NULL,
    quality double precision NOT NULL,
    reliability double precision NOT NULL,
    reliability_lower double precision NOT NULL,
    samples double precision NOT NULL,
    latency_p50 double precision,
    latency_p90 double precision,
    score double precision NOT NULL,
    checks bigint NOT NULL,
    failures_in_row bigint NOT NULL,
    first_seen timestamptz NOT NULL,
    first_ok timestamptz,
    last_ok timestamptz,
    checked_at timestamptz NOT NULL,
    next_due timestamptz NOT NULL,
    lease_id bigint NOT NULL,
    -- The name under which many ask for the time a proxy was first found.
    extracted_at timestamptz GENERATED ALWAYS AS (first_seen) STORED,
    CONSTRAINT proxies_key PRIMARY KEY (ip, port, username)
);

CREATE INDEX proxies_protocols ON proxies USING gin (protocols); -- protocols && '{socks5}'
CREATE INDEX proxies_country ON proxies (country);
CREATE INDEX proxies_anonymity ON proxies (anonymity);
CREATE INDEX proxies_extracted_at ON proxies (extracted_at);
CREATE INDEX proxies_score ON proxies (score);
CREATE INDEX proxies_next_due ON proxies (next_due);

-- History, one partition for each day of UTC; the writer makes and drops them. A unique index of a partitioned
-- table holds its time, so it alone can't keep a check that came twice with two times apart: the writer's INSERT
-- looks for it in the days around. json, not jsonb: the document stays as it was sent.
CREATE TABLE checks (
    ip inet NOT NULL,
    port bigint NOT NULL,
    username text COLLATE "C" NOT NULL,
    lease_id bigint NOT NULL,
    checked_at timestamptz NOT NULL,
    node text NOT NULL,
    outcome text NOT NULL,
    anonymity text NOT NULL,
    exit_ip inet,
    latency double precision, -- first byte of the judge's answer
    confirmed boolean NOT NULL,
    protocols json NOT NULL, -- {protocol: {outcome, connect_ms, first_byte_ms, total_ms, …}}
    country text NOT NULL,
    source text NOT NULL,
    evidence json NOT NULL, -- what else was looked at: {tampered, tls, targets, dnsbl}
    CONSTRAINT checks_key PRIMARY KEY (ip, port, username, lease_id, checked_at)
) PARTITION BY RANGE (checked_at);

-- Rows come in the order of time, so a few pages of BRIN find an hour within a day.
CREATE INDEX checks_checked_at ON checks USING brin (checked_at);

-- Times that are neither kept nor near: a node's clock was wrong.
CREATE TABLE checks_other PARTITION OF checks DEFAULT;

CREATE TABLE source_polls (
    source text COLLATE "C" NOT NULL,
    polled_at timestamptz NOT NULL,
    documents bigint NOT NULL,
    bytes bigint NOT NULL,
    entries bigint NOT NULL,
    candidates bigint NOT NULL, -- unique and dialable
    refused json NOT NULL, -- {reason: count}
    error text NOT NULL,
    seconds double precision NOT NULL,
    CONSTRAINT source_polls_key PRIMARY KEY (source)
);

CREATE TABLE cycles (
    started_at timestamptz NOT NULL,
    ended_at timestamptz NOT NULL, -- or the latest figures, while it goes on
    sources bigint NOT NULL,
    source_errors bigint NOT NULL,
    candidates bigint NOT NULL,
    checked bigint NOT NULL,
    alive bigint NOT NULL,
    outcomes json NOT NULL, -- {outcome: count}
    CONSTRAINT cycles_key PRIMARY KEY (started_at)
);
