"""What PostgreSQL and its driver raise, as the errors of `Writer`. The server's own words may hold values."""

import ssl

import asyncpg

from eagleray.actors.sinks.base import RowsRejected, StoreError, StoreUnavailable

# Data, integrity, cardinality, a limit (a value too long for an index): classes of SQLSTATE about rows.
ROWS_AT_FAULT = ("22", "23", "21", "54")
PARTS = ("table", "column", "constraint")
NO_PARTITION = "23514"  # without a constraint's name: a row's partition is missing, which is not its fault

HINTS = {
    "25006": "it takes no writes now (a standby, or default_transaction_read_only)",
    "28000": "it does not let this user in: see the user in the URL, pg_hba.conf and sslmode",
    "28P01": "it refuses the user or the password in the store's URL",
    "3D000": "it has no such database: `CREATE DATABASE` makes it",
    "42501": "the role lacks a right: `eagleray store migrate` as the tables' owner, then the grants of "
    "docs/STORES.md",
    "42883": "its functions are missing: `eagleray store migrate` makes them",
    "42P01": "a table is missing: `eagleray store migrate` makes it",
    "42703": "a column is missing: `eagleray store migrate` makes it",
    "53100": "its disk is full",
    "53300": "it has no connection left: raise max_connections",
    "53400": "a limit of its configuration is reached, such as temp_file_limit",
    "55P03": "a lock is held by another session",
    "57014": "a statement took too long",
    "57P01": "it is being shut down",
    "57P03": "it is starting up",
}


def translated(error: Exception, where: str, rows: bool = False) -> StoreError:
    """The error of `Writer` for one that was raised while talking to `where`; `rows`: while it took rows."""
    if isinstance(error, StoreError):
        return error
    if isinstance(error, asyncpg.PostgresError):
        return of_server(error, where, rows)
    if isinstance(error, TimeoutError):
        return StoreUnavailable(f"{where} did not answer in time")
    if rows and isinstance(error, (asyncpg.DataError, TypeError, ValueError, OverflowError)):
        return RowsRejected(f"{where}: a value is not of its column's kind ({type(error).__name__})")
    if isinstance(error, (ssl.SSLError, asyncpg.ClientConfigurationError)):  # words about files, no secrets
        return StoreUnavailable(f"{where}, TLS: {error}")
    if isinstance(error, FileNotFoundError):
        return StoreUnavailable(f"{where}, TLS: a file that the URL names is not there")
    if isinstance(error, OSError):
        return StoreUnavailable(f"{where}: {error.strerror or type(error).__name__}")
    return StoreUnavailable(f"{where}: {type(error).__name__}")


def of_server(error: asyncpg.PostgresError, where: str, rows: bool) -> StoreError:
    """What the server says, by its code, with the names that it gives but not its words."""
    code = str(error.sqlstate)
    named = [f"{part} {name}" for part in PARTS if (name := getattr(error, f"{part}_name", None))]
    words = HINTS.get(code) or ", ".join([type(error).__name__, *named])
    missing_partition = code == NO_PARTITION and not getattr(error, "constraint_name", None)
    at_fault = rows and code.startswith(ROWS_AT_FAULT) and not missing_partition
    return (RowsRejected if at_fault else StoreUnavailable)(f"{where}: {words} ({code})")
