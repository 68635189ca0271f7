import pytest
from clickhouse_connect.driver.exceptions import DatabaseError, OperationalError
from clickhouse_connect.driver.summary import QuerySummary

from eagleray.actors.sinks.base import RowsRejected, StoreUnavailable
from eagleray.actors.sinks.clickhouse_client import complete, translated


@pytest.mark.parametrize(
    ("code", "name", "error"),
    [
        (27, "CANNOT_PARSE_INPUT_ASSERTION_FAILED", StoreUnavailable),  # cut off data, too
        (33, "CANNOT_READ_ALL_DATA", StoreUnavailable),
        (164, "READONLY", StoreUnavailable),
        (202, "TOO_MANY_SIMULTANEOUS_QUERIES", StoreUnavailable),
        (241, "MEMORY_LIMIT_EXCEEDED", StoreUnavailable),
        (242, "TABLE_IS_READ_ONLY", StoreUnavailable),
        (243, "NOT_ENOUGH_SPACE", StoreUnavailable),
        (252, "TOO_MANY_PARTS", StoreUnavailable),
        (497, "ACCESS_DENIED", StoreUnavailable),
        (999, None, StoreUnavailable),
        (6, "CANNOT_PARSE_TEXT", RowsRejected),
        (69, "ARGUMENT_OUT_OF_BOUND", RowsRejected),
        (469, "VIOLATED_CONSTRAINT", RowsRejected),
    ],
)
def test_what_a_servers_error_means_is_said_without_its_words(code, name, error):
    said = rf"^ClickHouse host:1/pool: .*{name or 'error'}"
    with pytest.raises(error, match=said) as raised, translated("host:1/pool"):
        raise DatabaseError("Cannot parse 'hunter2'", code=code, name=name)
    assert "hunter2" not in str(raised.value)


def test_a_connection_that_breaks_shows_no_url():
    said = r"^ClickHouse host:1/pool: no answer \(TimeoutError\)$"
    with pytest.raises(StoreUnavailable, match=said), translated("host:1/pool"):
        raise OperationalError("http://host:1/?param_v0=hunter2") from TimeoutError("hunter2")


@pytest.mark.parametrize("summary", [{}, {"query_id": "7"}])
def test_an_answer_whose_headers_were_cut_off_is_none(summary):
    with pytest.raises(StoreUnavailable, match="cut off"):
        complete(QuerySummary(summary))


def test_an_answer_with_all_its_headers_is_one():
    complete(QuerySummary({"query_id": "7", "read_rows": "0"}))
