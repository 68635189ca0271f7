CREATE TABLE state (
    host inet NOT NULL,
    port bigint NOT NULL,
    tags text[] NOT NULL,
    alive boolean NOT NULL,
    score double precision,
    version bigint NOT NULL,
    copied_tags text[] GENERATED ALWAYS AS (tags) STORED, -- no column of the description
    PRIMARY KEY (host, port)
);
CREATE INDEX state_tags ON state USING gin (tags);
