ALTER TABLE state ADD COLUMN seen timestamptz;

CREATE TABLE events (
    id bigint NOT NULL,
    at timestamptz NOT NULL,
    note text NOT NULL,
    PRIMARY KEY (id, at)
) PARTITION BY RANGE (at);
CREATE TABLE events_other PARTITION OF events DEFAULT;
