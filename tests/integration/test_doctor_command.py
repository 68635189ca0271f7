"""`eagleray doctor` with judges on loopback."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from typer.testing import CliRunner

from eagleray.cluster.cli.main import build


class Judge(BaseHTTPRequestHandler):
    """Answers as httpbin does, but for /down and /page."""

    def do_GET(self) -> None:
        self.send_response(503 if self.path == "/down" else 200)
        answer = b"{}" if self.path == "/page" else b'{"url": "/get", "headers": {}, "origin": "127.0.0.1"}'
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_args: object) -> None:
        pass


@pytest.fixture
def judge():
    """The base URL of a judge."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Judge) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


@pytest.mark.parametrize(
    ("paths", "statuses", "code"),
    [
        (["/get"], ["ok"], 0),
        (["/get", "/down"], ["ok", "warn"], 0),
        (["/get", "/page"], ["ok", "warn"], 0),
        (["/down", "/down"], ["fail", "fail"], 1),
        ([], ["fail"], 1),
    ],
    ids=["all answer", "one is down", "one is no judge", "all are down", "none"],
)
def test_judges(judge, tmp_path, monkeypatch, paths, statuses, code):
    monkeypatch.setenv("EAGLERAY_DATA_DIR", str(tmp_path / "data"))
    config = tmp_path / "e.yaml"
    config.write_text(
        json.dumps(
            {"pipelines": {"proxies": {"judges": [judge + path for path in paths], "allow": ["127.0.0.0/8"]}}}
        )
    )
    result = CliRunner().invoke(build(["doctor"]), ["doctor", "--config", str(config), "--json"])
    findings = {each["name"]: each for each in json.loads(result.stdout)["findings"]}
    found = [each for each in json.loads(result.stdout)["findings"] if each["name"].startswith("judge")]
    assert [each["status"] for each in found] == statuses
    assert findings["ray"]["status"] == findings["uvloop"]["status"] == "ok"
    assert result.exit_code == code


def test_lines(judge, tmp_path, monkeypatch):
    monkeypatch.setenv("EAGLERAY_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("EAGLERAY_PIPELINES__PROXIES__JUDGES", f"{judge}/get")
    monkeypatch.setenv("EAGLERAY_PIPELINES__PROXIES__ALLOW", "127.0.0.0/8")
    result = CliRunner().invoke(build(["doctor"]), ["doctor"])
    assert f"ok    judge {judge}/get: answers (kind httpbin)\n" in result.stdout
    assert {text.split()[0] for text in result.stdout.splitlines()} <= {"ok", "warn", "fail"}
