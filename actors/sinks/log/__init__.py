"""The durable log, from the bytes up: frames, segments, damage, appender; then the log, and its reader."""
