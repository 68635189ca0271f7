"""The tables of the proxy pipeline and the row that each record becomes."""

from eagleray.pipelines.tables import Column, Keyspace, Kind, Table

DAY = 86_400.0
FRESH = 3600.0  # seconds that a store of keys vouches for a proxy after its last success

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
        # Those that worked at the last success: `http+tls` is HTTP spoken to the proxy over TLS.
        Column("protocols", Kind.LIST),
        Column("claimed", Kind.LIST),  # what the sources say
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
    keyspace=Keyspace(
        prefix="proxy",
        alive="alive",
        fresh="last_ok",
        seconds=FRESH,
        sets=(
            ("proxies:{}", "protocols"),
            ("proxies:country:{}", "country"),
            ("proxies:anonymity:{}", "anonymity"),
        ),
        rankings=(("proxies:score", "score"),),
    ),
)

CHECKS = Table(
    name="checks",
    version=2,
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
        Column("country", Kind.TEXT, since=2),
        Column("source", Kind.TEXT, since=2),
        # What else a check found: {"tampered", "tls", "targets", "dnsbl"}, each where it was looked at.
        Column("evidence", Kind.JSON, since=2),
    ),
    key=("ip", "port", "username", "lease_id"),
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

CYCLES = Table(  # one row a run, brought up to date while it goes on
    name="cycles",
    version=1,
    columns=(
        Column("started_at", Kind.TIME),
        Column("ended_at", Kind.TIME),  # or the latest figures, while it goes on
        Column("sources", Kind.INTEGER),
        Column("source_errors", Kind.INTEGER),
        Column("candidates", Kind.INTEGER),  # endpoints known, by this run and those before
        Column("checked", Kind.INTEGER),  # checks of this run that are on record
        Column("alive", Kind.INTEGER),  # proxies that are alive now, checked by this run or before
        Column("outcomes", Kind.JSON),  # {latest outcome: endpoints that this run has checked}
    ),
    key=("started_at",),
    newest="ended_at",
)

TABLES = (PROXIES, CHECKS, SOURCE_POLLS, CYCLES)
