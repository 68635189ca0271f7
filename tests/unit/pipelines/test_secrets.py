"""What is shown of URLs and headers."""

import pytest

from eagleray.pipelines.secrets import hide_in_header, hide_in_url


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("http://h/list.txt?protocol=http&limit=5", "http://h/list.txt?protocol=http&limit=5"),
        ("https://u:p@h:8/x", "https://***@h:8/x"),
        ("https://u:p@@h:8/x", "https://***@h:8/x"),
        ("https://h/@scope/list", "https://h/@scope/list"),
        ("u:p@h", "***@h"),
        ("http://u:p/q@h", "***"),
        ("redis:/u:p@h", "***"),
        ("http://[u:p@h", "***"),
        ("http://h/?a=1&api_key=s&token=s#f", "http://h/?a=1&api_key=***&token=***#f"),
        ("http://h/?X-Amz-Signature=s;Password=s", "http://h/?X-Amz-Signature=***;Password=***"),
    ],
    ids=[
        "none",
        "user",
        "at in password",
        "at in path",
        "no scheme",
        "slash",
        "one slash",
        "bracket",
        "query",
        "signature",
    ],
)
def test_url(url, shown):
    assert hide_in_url(url) == shown


@pytest.mark.parametrize(("name", "shown"), [("User-Agent", "v"), ("authorization", "***"), ("X-Odd", "***")])
def test_header(name, shown):
    assert hide_in_header(name, "v") == shown
