"""Rows of `eagleray check`."""

from eagleray.cluster.cli.sheet import row
from eagleray.pipelines.proxies.model import CheckReport, Endpoint
from eagleray.pipelines.proxies.outcome import Outcome


def test_a_row_shows_what_block_lists_say():
    verdicts = {"bl.example": "127.0.0.2", "zen.example": "", "gone.example": "unknown: no answer within 3 s"}
    report = CheckReport(Endpoint("192.0.2.1", 8080), Outcome.OK, {}, dnsbl=verdicts)
    assert row(report)["dnsbl"] == verdicts
