"""What `eagleray check` accepts as input, and what it says of the rest."""

import json
import os
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from eagleray.cluster.proving_ground import Kind, read_truth

PADDING = "# a comment\n" * 6000  # more than is read at first


@pytest.fixture(scope="module")
def pair(ground):
    """A live endpoint and one that refuses."""
    truth = read_truth(ground.truth)
    return [next(each for each in truth if each.kind is kind) for kind in (Kind.HTTP_CONNECT, Kind.REFUSED)]


@pytest.fixture
def check(eagleray, ground):
    """Check inputs, quickly; gives the result and {endpoint: outcome}."""

    def run(*words, **options):
        flags = ["--judge", ground.judge, "--allow", "127.0.0.0/8", "--depth", "quick", "--type", "http"]
        result = eagleray("check", *words, *flags, "--all", "--format", "ndjson", **options)
        rows = [json.loads(line) for line in result.stdout.splitlines()]
        return result, {row["endpoint"]: row["outcome"] for row in rows}

    return run


def lines(pair):
    return "".join(f"{each.address}\n" for each in pair)


def as_json(pair, indent=None):
    return json.dumps([{"ip": each.ip, "port": each.port} for each in pair], indent=indent)


LISTS = {
    "LF": lambda pair: lines(pair).encode(),
    "CRLF": lambda pair: lines(pair).replace("\n", "\r\n").encode(),
    "no line end": lambda pair: lines(pair).strip().encode(),
    "BOM": lambda pair: lines(pair).encode("utf-8-sig"),
    "UTF-16": lambda pair: lines(pair).encode("utf-16"),
    "JSON": lambda pair: as_json(pair).encode(),
    "JSON with a BOM, indented": lambda pair: as_json(pair, indent=2).encode("utf-8-sig"),
    "JSON in UTF-16": lambda pair: as_json(pair).encode("utf-16"),
    "CSV": lambda pair: b"ip,port\n" + b"".join(f"{each.ip},{each.port}\n".encode() for each in pair),
    "HTML": lambda pair: f"<html><pre>{lines(pair)}</pre></html>".encode(),
    "two lists with a BOM each": lambda pair: b"".join(lines([each]).encode("utf-8-sig") for each in pair),
    "comments": lambda pair: (lines(pair).replace("\n", " # was 127.0.0.1:9\n") + "; 127.0.0.1:9\n").encode(),
    "CSV behind a comment": lambda pair: b"# a list\n" + LISTS["CSV"](pair),
    "credentials": lambda pair: f"{pair[0].address}:user:pass\n1,http://u:p@{pair[1].address}\n".encode(),
    "our own rows": lambda pair: "".join(
        f'{{"endpoint":"{each.address}","protocols":{{}},"urls":[]}}\n' for each in pair
    ).encode(),
    "a NUL later on": lambda pair: (lines(pair) + PADDING).encode() + bytes(1000),
    "a line of 10 MB before": lambda pair: b"a" * 10_000_000 + b"\n" + lines(pair).encode(),
}


@pytest.mark.parametrize("make", LISTS.values(), ids=LISTS.keys())
def test_list(check, pair, tmp_path, make):
    (tmp_path / "list").write_bytes(make(pair))
    result, outcomes = check("list")
    assert outcomes == {pair[0].address: "ok", pair[1].address: "refused"}
    assert result.returncode == 0


def sparse(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(1 << 30)


UNUSABLE = {
    "empty": (lambda path: path.touch(), "is empty"),
    "missing": (lambda path: None, "neither a file"),
    "directory": (lambda path: path.mkdir(), "Is a directory"),
    "unreadable": (lambda path: path.symlink_to("/proc/self/mem"), "cannot read list: Input/output error"),
    "dangling link": (lambda path: path.symlink_to("nowhere"), "neither a file"),
    "binary": (lambda path: path.write_bytes(b"\x7fELF\x00\x01"), "is binary"),
    "sparse file of 1 GB": (sparse, "more than the 512 MB"),
    "no valid line": (lambda path: path.write_text("hello\n1.2.3.4:0\n"), "refused: bad_port 1"),
    "one line of 10 MB": (lambda path: path.write_bytes(b"a" * 10_000_000), "line_too_long 1"),
    "names instead of addresses": (lambda path: path.write_text("proxy.example:80"), "not_an_address 1"),
}


@pytest.mark.parametrize(("make", "said"), UNUSABLE.values(), ids=UNUSABLE.keys())
def test_unusable_file(check, tmp_path, make, said):
    make(tmp_path / "list")
    result, outcomes = check("list")
    assert (result.returncode, outcomes) == (2, {})
    assert said in result.stderr
    assert result.stderr.count("\n") <= 4  # what it does, which judge, what is wrong, what to do


@pytest.mark.parametrize("word", ["", "foo", "a" * 5000, "::1", "http://[bad/list", "bob:hunter2@nowhere"])
def test_unusable_word(check, word):
    result, _ = check("127.0.0.1:9", word)
    assert result.returncode == 2
    assert "neither a file, nor the URL of a list, nor an endpoint" in result.stderr
    assert "hunter2" not in result.stderr


def test_standard_input(check, pair):
    result, outcomes = check("-", stdin=None, input=lines(pair) * 2)
    assert set(outcomes) == {each.address for each in pair}
    assert "duplicates passed over: 2" in result.stderr


@pytest.mark.parametrize(
    "options",
    [{}, {"preexec_fn": partial(os.close, 0)}],
    ids=["empty", "closed"],
)
def test_no_standard_input(check, options):
    result, _ = check("-", **options)
    assert result.returncode == 2
    assert "the standard input" in result.stderr


def test_endpoints_and_files_together(check, pair, tmp_path):
    (tmp_path / "list").write_text(lines(pair))
    result, outcomes = check("[::1]:9", "list", f"http://{pair[0].address}", "list")
    assert outcomes == {"[::1]:9": "blocked_address", pair[0].address: "ok", pair[1].address: "refused"}
    assert "duplicates passed over: 1" in result.stderr


def test_what_was_found_before_a_bad_input_is_written(check, pair, tmp_path):
    (tmp_path / "empty").touch()
    result, outcomes = check(pair[0].address, "empty")
    assert (result.returncode, outcomes) == (2, {pair[0].address: "ok"})
    assert "1 checked, 1 alive" in result.stderr
    assert "empty is empty" in result.stderr


def test_output_that_is_an_input_stays_as_it_is(check, pair, tmp_path):
    (tmp_path / "list").write_text(lines(pair))
    result, _ = check("list", "--output", "./list")
    assert result.returncode == 2
    assert (tmp_path / "list").read_text() == lines(pair)


class Lists(BaseHTTPRequestHandler):
    """Serves `body` at /list.txt."""

    body = b""

    def do_GET(self):
        found = self.path == "/list.txt"
        self.send_response(200 if found else 404)
        self.end_headers()
        self.wfile.write(self.body if found else b"")

    def log_message(self, *_):
        pass


@pytest.fixture
def site(pair):
    """The address of a web server with a list of the pair."""
    handler = type("PairLists", (Lists,), {"body": lines(pair).encode()})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"127.0.0.1:{server.server_port}"
        server.shutdown()


def test_url_of_a_list(check, pair, site):
    _, outcomes = check(f"http://{site}/list.txt")
    assert outcomes == {pair[0].address: "ok", pair[1].address: "refused"}


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("http://bob:hunter2@{site}/none.txt?token=hunter2", "HTTP status 404"),
        ("http://bob:hunter2@127.0.0.1:1/list.txt", "Connect"),
        ("http://bob:hunter2@{site}/a list.txt", "no URL that can be fetched"),
        ("http://list.invalid/list.txt", "cannot fetch http://list.invalid/list.txt"),
    ],
    ids=["not found", "refused", "white space", "unknown name"],
)
def test_url_that_fails(check, site, url, said):
    result, _ = check(url.format(site=site))
    assert result.returncode == 2
    assert said in result.stderr
    assert "hunter2" not in result.stderr
