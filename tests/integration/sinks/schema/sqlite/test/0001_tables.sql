CREATE TABLE state (
    host TEXT NOT NULL,
    port INT NOT NULL,
    tags TEXT NOT NULL,
    alive INT NOT NULL,
    score REAL,
    version INT NOT NULL,
    PRIMARY KEY (host, port)
) STRICT;
