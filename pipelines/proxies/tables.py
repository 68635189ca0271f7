"""The tables of the proxy pipeline and the row that each record becomes."""

from eagleray.pipelines.tables import Column, Kind, Table

DAY = 86_400.0

PROXIES = Table(
    name="proxies",
    version=1,
    columns=(
        Column("ip", Kind.ADDRESS),
        Column("port", Kind.INTEGER),
        Column("username", Kind.TEXT),
        Column("password", Kind.TEXT),
        Column("alive", Kind.BOOLEAN),
        Column("outcome", Kind.TEXT),
        Column("protocols", Kind.TEXT),  # those that worked at the last success, comma-separated
        Column("claimed", Kind.TEXT),  # what the sources say, comma-separated
        Column("country", Kind.TEXT),
        Column("anonymity", Kind.TEXT),
        Column("claimed_anonymity", Kind.TEXT),
        Column("exit_ip", Kind.ADDRESS),
        Column("source", Kind.TEXT),
        Column("quality", Kind.REAL),
        Column("reliability", Kind.REAL),
        Column("reliability_lower", Kind.REAL),
        Column("samples", Kind.REAL),
        Column("latency_p50", Kind.REAL, nullable=True),  # milliseconds
        Column("latency_p90", Kind.REAL, nullable=True),  # milliseconds
        Column("score", Kind.REAL),
        Column("checks", Kind.INTEGER),
        Column("failures_in_row", Kind.INTEGER),
        Column("first_seen", Kind.TIME),
        Column("first_ok", Kind.TIME, nullable=True),
        Column("last_ok", Kind.TIME, nullable=True),
        Column("checked_at", Kind.TIME),
        Column("next_due", Kind.TIME),
        Column("lease_id", Kind.INTEGER),
    ),
    key=("ip", "port", "username"),
    newest="lease_id",
    indexes=(("alive", "score"), ("next_due",)),
)

CHECKS = Table(
    name="checks",
    version=1,
    columns=(
        Column("ip", Kind.ADDRESS),
        Column("port", Kind.INTEGER),
        Column("username", Kind.TEXT),
        Column("lease_id", Kind.INTEGER),
        Column("checked_at", Kind.TIME),
        Column("node", Kind.TEXT),
        Column("outcome", Kind.TEXT),
        Column("anonymity", Kind.TEXT),
        Column("exit_ip", Kind.ADDRESS),
        Column("latency", Kind.REAL, nullable=True),  # milliseconds, first byte of the judge's answer
        Column("confirmed", Kind.BOOLEAN),
        Column("protocols", Kind.JSON),  # {protocol: ProtocolReport}
    ),
    key=("ip", "port", "username", "lease_id"),
    indexes=(("checked_at",),),
    partition="checked_at",
    time_to_live=30 * DAY,
)

SOURCE_POLLS = Table(
    name="source_polls",
    version=1,
    columns=(
        Column("source", Kind.TEXT),
        Column("polled_at", Kind.TIME),
        Column("documents", Kind.INTEGER),
        Column("bytes", Kind.INTEGER),
        Column("entries", Kind.INTEGER),
        Column("candidates", Kind.INTEGER),  # unique and dialable
        Column("refused", Kind.JSON),  # {reason: count}
        Column("error", Kind.TEXT),
        Column("seconds", Kind.REAL),
    ),
    key=("source",),
    newest="polled_at",
)

TABLES = (PROXIES, CHECKS, SOURCE_POLLS)
