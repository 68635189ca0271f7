"""`eagleray check` against real sockets: judges, formats, interrupts, and what is never dialled."""

import csv
import json
import os
import pty
import signal
import socket
import subprocess
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from threading import Thread
from urllib.parse import urlsplit

import pytest

from eagleray.cluster.proving_ground import Kind, read_truth

FIELDS = {
    "endpoint",
    "alive",
    "outcome",
    "protocols",
    "anonymity",
    "exit_ip",
    "tls",
    "confirmed",
    "checked_at",
}
TIMES = {"connect_ms", "handshake_ms", "first_byte_ms", "total_ms"}


@pytest.fixture(scope="module")
def one(ground):
    """The address of one endpoint of a kind."""
    truth = read_truth(ground.truth)
    return lambda kind: next(each.address for each in truth if each.kind is kind)


@pytest.fixture
def flags(ground):
    return ["--judge", ground.judge, "--allow", "127.0.0.0/8"]


@pytest.fixture
def check(eagleray, flags):
    """Check to the end; gives the result."""
    return lambda *words, **options: eagleray("check", *flags, *words, **options)


def rows(result):
    return [json.loads(line) for line in result.stdout.splitlines()]


@pytest.fixture
def listening():
    """A socket that takes connections and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as sock:
        sock.setblocking(False)
        yield sock


def address_of(sock):
    return "127.0.0.1:{1}".format(*sock.getsockname())


class Relay:
    """An HTTP proxy that hands each request to the judge, whatever it is asked for, and counts them."""

    def __init__(self, judge):
        self._judge = (judge.hostname, judge.port)
        self.rewrite = lambda answer: answer
        self.requests = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = address_of(self._listener)
        Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:  # closed
                return
            with client, socket.create_connection(self._judge, timeout=5) as judge:
                self.requests.append(request := client.recv(65536))
                judge.sendall(request)
                client.sendall(self.rewrite(b"".join(iter(lambda: judge.recv(65536), b""))))

    def close(self):
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()


@pytest.fixture
def relay(ground):
    with closing(Relay(urlsplit(ground.judge))) as relay:
        yield relay


# Results


def test_ndjson_has_the_fields_of_the_contract(check, one):
    result = check(one(Kind.SOCKS5), one(Kind.REFUSED), "--all")
    assert result.returncode == 0
    by_endpoint = {row["endpoint"]: row for row in rows(result)}
    alive, dead = by_endpoint[one(Kind.SOCKS5)], by_endpoint[one(Kind.REFUSED)]
    assert set(alive) >= FIELDS
    assert set(dead) >= FIELDS
    assert (alive["alive"], alive["outcome"], alive["confirmed"]) == (True, "ok", True)
    assert alive["anonymity"] == "elite"
    assert set(alive["protocols"]["socks5"]) == {"outcome"} | TIMES
    assert (dead["alive"], dead["outcome"], dead["exit_ip"]) == (False, "refused", None)


READERS = {
    "ndjson": lambda text: [json.loads(line)["endpoint"] for line in text.splitlines()],
    "json": lambda text: [row["endpoint"] for row in json.loads(text)],
    "csv": lambda text: [row["endpoint"] for row in csv.DictReader(text.splitlines())],
    "txt": lambda text: [urlsplit(line).netloc for line in text.splitlines()],
    "table": lambda text: [line.split()[1] for line in text.splitlines() if line.startswith("│")],
}


@pytest.mark.parametrize("form", READERS)
def test_formats(check, one, tmp_path, form):
    words = [one(Kind.HTTP), one(Kind.REFUSED), "--format", form]
    result = check(*words)
    assert READERS[form](result.stdout) == [one(Kind.HTTP)]
    assert "refused 1" in result.stderr
    assert "2 checked, 1 alive; " in result.stderr

    to_file = check(*words, "--output", "results")
    assert to_file.stdout == ""
    assert READERS[form]((tmp_path / "results").read_text()) == [one(Kind.HTTP)]


@pytest.mark.parametrize(
    ("form", "written"),
    [("ndjson", []), ("json", ["[]"]), ("txt", []), ("csv", ["endpoint,alive,outcome"])],
    ids=["ndjson", "json", "txt", "csv"],
)
def test_nothing_alive(check, one, form, written):
    result = check(one(Kind.REFUSED), "--format", form)
    assert result.returncode == 1
    assert [line[: len("endpoint,alive,outcome")] for line in result.stdout.splitlines()] == written


def test_table_shows_brackets_and_hides_control_characters(check):
    with socket.create_server(("127.0.0.1", 0)) as sock:

        def answer():
            client, _ = sock.accept()
            with client:
                client.recv(65536)
                client.sendall(b"\x1b[31mno\x07 HTTP\r\n\r\n")

        Thread(target=answer, daemon=True).start()
        words = ["[::1]:9", address_of(sock), "--all", "--format", "table", "--type", "http"]
        result = check(*words, "--depth", "quick")
    assert "[::1]:9" in result.stdout
    assert "malformed" in result.stdout
    assert {"\x1b", "\x07"}.isdisjoint(result.stdout)


def test_type_restricts(check, one):
    row = rows(check(one(Kind.MIXED), "--type", "socks5", "--type", "socks4"))[0]
    assert row["works_as"] == ["socks5"]
    assert set(row["protocols"]) <= {"socks4", "socks5"}
    assert check(one(Kind.SOCKS5), "--type", "http", "--timeout", "1").returncode == 1


@pytest.mark.parametrize(
    ("depth", "requests"),
    [("quick", 1), ("full", 3)],
    ids=["quick: one", "full: a second one, and the known page"],
)
def test_depth(check, relay, depth, requests):
    result = check(relay.address, "--type", "http", "--depth", depth)
    assert len(relay.requests) == requests
    assert rows(result)[0]["confirmed"] is (depth == "full")


@pytest.mark.parametrize(
    ("old", "new"),
    [(b'"client":"127.0.0.1"', b'"client":"127.0.0.2"'), (b'"Mozilla/5.0"', b'"Mozilla/6.0"')],
    ids=["client", "headers"],
)
def test_who_rewrites_what_our_judge_saw_is_no_proxy(check, relay, old, new):
    assert rows(check(relay.address, "--type", "http"))[0]["outcome"] == "ok"
    relay.rewrite = lambda answer: answer.replace(old, new)
    row = rows(check(relay.address, "--type", "http", "--all"))[0]
    assert (row["outcome"], row["exit_ip"]) == ("not_a_proxy", None)


def test_configuration_is_used_where_it_is_named(eagleray, ground, relay, tmp_path):
    check = "{depth: quick, concurrency: 1}"
    proxies = f"{{judges: ['{ground.judge}'], allow: [127.0.0.0/8], check: {check}}}"
    (tmp_path / "config.yaml").write_text(f"pipelines: {{proxies: {proxies}}}")
    words = ["check", f"http://{relay.address}", "--type", "http", "--config", "config.yaml"]
    assert eagleray(*words).returncode == 0
    assert len(relay.requests) == 1
    assert eagleray(*words, "--depth", "full").returncode == 0
    assert len(relay.requests) == 4


def test_password_is_only_in_urls(check, relay, one):
    words = [f"http://bob:hunter2@{relay.address}", f"bob:hunter2@{one(Kind.REFUSED)}", "--all"]
    result = check(*words, "--type", "http", "--depth", "quick")
    alive, dead = sorted(rows(result), key=lambda row: not row["alive"])
    assert b"Proxy-Authorization: Basic" in relay.requests[0]
    assert alive.pop("urls") == [f"http://bob:hunter2@{relay.address}"]
    assert "hunter2" not in json.dumps([alive, dead]) + result.stderr
    assert "hunter2" not in check(*words, "--format", "table").stdout


# Judges and usage


@pytest.mark.parametrize(
    ("judge", "kind"), [("judge", "eagleray"), ("httpbin", "httpbin")], ids=["ours", "httpbin"]
)
def test_says_which_judge_is_used(eagleray, ground, one, judge, kind):
    url = getattr(ground, judge)
    words = ["--judge", "http://127.0.0.1:1/", "--judge", url, "--allow", "127.0.0.0/8"]
    result = eagleray("check", one(Kind.REFUSED), *words)
    assert f"Judge {urlsplit(url).netloc} (kind {kind})" in result.stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--judge", "http://127.0.0.1:1/", "--allow", "127.0.0.0/8"], "refused"),
        (["--judge", "http://judge.invalid/"], "no address for this name"),
        (["--judge", "{page}", "--allow", "127.0.0.0/8"], "judge {page}: "),
        (["--judge", "{judge}"], "`--allow 127.0.0.1` allows it"),
    ],
    ids=["unreachable", "unknown name", "no judge", "address not allowed"],
)
def test_no_judge(eagleray, ground, words, said):
    places = {"judge": ground.judge, "page": ground.sources[0].url}
    result = eagleray("check", "127.0.0.1:9", *(word.format(**places) for word in words))
    assert (result.returncode, result.stdout) == (3, "")
    assert "cannot judge here" in result.stderr
    assert said.format(**places) in result.stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--judge", "ftp://judge"], "--judge"),
        (["--judge", "http://bob:hunter2@judge/"], "no credentials"),
        (["--allow", "10.0.0.1/8"], "--allow"),
        (["--allow", "localhost"], "--allow"),
        (["--concurrency", "0"], "--concurrency"),
        (["--concurrency", "²"], "--concurrency"),
        (["--concurrency", "9" * 5000], "--concurrency"),
        (["--type", "ftp"], "--type"),
        (["--depth", "deep"], "--depth"),
        (["--timeout", "nan"], "--timeout"),
        (["--tls-target", "example.com"], "--tls-target"),
        (["--target", "ftp://example.com/"], "--target"),
        (["--target", "https://example.com/#state=200"], "--target"),
        (["--ca-file", "no-such-file.pem"], "no-such-file.pem"),
        (["--dnsbl", "https://bl.example"], "--dnsbl"),
        (["--dnsbl", "bl.example"] * 17, "--dnsbl: 17 of them"),
        (["--nameserver", "dns.example"], "--nameserver"),
        (["--format", "xml"], "--format"),
        (["--output", "none/here"], "cannot write"),
        (["--config", "none.yaml"], "none.yaml"),
    ],
    ids=lambda value: " ".join(value)[:30] if isinstance(value, list) else "",
)
def test_malformed_flag(check, words, said):
    result = check("127.0.0.1:9", *words)
    assert (result.returncode, result.stdout) == (2, "")
    assert said in result.stderr
    assert "hunter2" not in result.stderr


@contextmanager
def listening_at(family, host):
    with socket.socket(family) as sock:
        sock.bind((host, 0))
        sock.listen()
        sock.setblocking(False)
        yield sock, sock.getsockname()[1]


def test_guard_dials_nothing_that_is_not_allowed(eagleray, ground):
    """Allowed is one address; neither its neighbour nor its disguise in IPv6 is."""
    with (
        listening_at(socket.AF_INET, "127.0.0.1") as (allowed, port),
        listening_at(socket.AF_INET, "127.0.0.2") as (neighbour, neighbours_port),
        listening_at(socket.AF_INET6, "::1") as (sixth, sixths_port),
    ):
        words = [f"[::ffff:127.0.0.1]:{port}", f"127.0.0.2:{neighbours_port}", f"[::1]:{sixths_port}"]
        words += [
            "169.254.169.254:80",
            "10.0.0.1:80",
            "0.0.0.0:80",
            "224.0.0.1:80",
            f"[::ffff:7f00:1]:{port}",
        ]
        result = eagleray("check", *words, "--judge", ground.judge, "--allow", "127.0.0.1/32", "--all")
        for sock in (allowed, neighbour, sixth):
            with pytest.raises(BlockingIOError):
                sock.accept()
    found = {row["endpoint"]: row["outcome"] for row in rows(result)}
    assert set(found.values()) == {"blocked_address"}
    assert len(found) == 7  # two words name the same address
    assert result.returncode == 1


# Streams and interrupts


@pytest.mark.timeout(30)
def test_report_comes_before_a_slow_pipe_ends(eagleray, flags, one):
    with eagleray.running("check", "-", *flags, stdin=subprocess.PIPE) as process:
        for kind in (Kind.HTTP, Kind.SOCKS5):
            process.stdin.write(one(kind) + "\n")
            process.stdin.flush()
            assert json.loads(process.stdout.readline())["endpoint"] == one(kind)
        process.stdin.close()
        assert process.wait() == 0


def seen(stream, wanted):
    """Read lines until one holds `wanted`; gives all that was read."""
    text = ""
    while wanted not in text:
        line = stream.readline()
        assert line, f"it ended without {wanted!r}:\n{text}"
        text += line
    return text


@pytest.mark.timeout(30)
@pytest.mark.parametrize(
    ("form", "end"),
    [
        *((form, signal.SIGINT) for form in ("json", "csv", "txt", "table", "ndjson")),
        ("json", signal.SIGTERM),
    ],
)
def test_interrupt_writes_what_was_found(eagleray, flags, one, listening, form, end):
    words = [one(Kind.HTTP), address_of(listening), "--timeout", "60", "--format", form]
    with eagleray.running("check", *words, *flags) as process:
        progress = seen(process.stderr, "1 checked, 1 alive; ")
        process.send_signal(end)
        output, rest = process.communicate()
    assert process.returncode == 130
    assert READERS[form](output) == [one(Kind.HTTP)]
    assert "outcomes: ok 1\n" in rest
    assert "interrupted" in rest
    assert "Traceback" not in progress + rest


@pytest.mark.timeout(30)
def test_sigterm_ends_it_in_the_background_too(eagleray, flags, one, listening):
    """A shell without job control starts its background jobs with SIGINT ignored."""
    words = [one(Kind.HTTP), address_of(listening), "--timeout", "60", "--format", "json"]
    background = partial(signal.signal, signal.SIGINT, signal.SIG_IGN)
    with eagleray.running("check", *words, *flags, preexec_fn=background) as process:
        seen(process.stderr, "1 checked, 1 alive; ")
        process.send_signal(signal.SIGTERM)
        output, rest = process.communicate()
    assert process.returncode == 130
    assert READERS["json"](output) == [one(Kind.HTTP)]
    assert "Traceback" not in rest


@pytest.mark.timeout(30)
def test_a_worker_that_is_killed_is_no_success(eagleray, flags, one, listening):
    words = [one(Kind.HTTP), address_of(listening), "--timeout", "60", "--format", "ndjson"]
    with eagleray.running("check", *words, *flags) as process:
        seen(process.stderr, "1 checked, 1 alive; ")
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        os.kill(int(children[-1]), signal.SIGKILL)
        output, rest = process.communicate()
    assert process.returncode == 1
    assert READERS["ndjson"](output) == [one(Kind.HTTP)]
    assert "endpoints not checked: 1" in rest


def test_a_run_that_finds_no_judge_leaves_the_last_results(eagleray, one, tmp_path):
    output = tmp_path / "alive.txt"
    output.write_text("of the last run\n")
    result = eagleray("check", one(Kind.HTTP), "--judge=http://127.0.0.1:1/", "--output", output)
    assert (result.returncode, output.read_text()) == (3, "of the last run\n")


@pytest.mark.parametrize("kind", [Kind.HTTP, None], ids=["something lives", "nothing lives"])
def test_results_replace_the_last_ones(check, one, tmp_path, kind):
    output = tmp_path / "alive.csv"
    output.write_text("of the last run\n" * 99)
    check(one(kind) if kind else "127.0.0.1:1", "--output", output, "--format", "csv")
    header, *rows = output.read_text().splitlines()
    assert (header.split(",")[0], len(rows)) == ("endpoint", 1 if kind else 0)


@pytest.mark.timeout(30)
def test_interrupt_while_waiting_for_input(eagleray, flags):
    with eagleray.running("check", "-", *flags, stdin=subprocess.PIPE) as process:
        seen(process.stderr, "Reading")
        process.send_signal(signal.SIGINT)
        output, rest = process.communicate()
    assert (process.returncode, output) == (130, "")
    assert "Traceback" not in rest


@pytest.mark.timeout(30)
def test_interrupt_while_waiting_for_more_input(eagleray, flags, one):
    with eagleray.running("check", "-", *flags, stdin=subprocess.PIPE) as process:
        process.stdin.write(one(Kind.HTTP) + "\n")
        process.stdin.flush()
        process.stdout.readline()
        process.send_signal(signal.SIGINT)
        assert process.wait() == 130
        assert "Traceback" not in process.stderr.read()


@pytest.mark.timeout(30)
def test_reader_that_has_enough(eagleray, flags, ground):
    with eagleray.running("check", ground.everything, *flags, "--all") as process:
        process.stdout.readline()
        process.stdout.close()
        rest = process.stderr.read()
        assert process.wait() != 0
    assert "Traceback" not in rest
    assert "rror" not in rest


@pytest.mark.parametrize("form", ["json", "ndjson", "txt", "table"])
def test_full_disk(check, one, form):
    with Path("/dev/full").open("w") as full:
        result = check(one(Kind.HTTP), "--format", form, stdout=full)
    assert result.returncode == 2
    assert "cannot write the results: No space left on device" in result.stderr


@pytest.mark.timeout(30)
def test_progress_on_a_terminal_with_nothing_but_silence(eagleray, flags, listening):
    terminal, end = pty.openpty()
    words = [address_of(listening), "--timeout", "60", *flags]
    with eagleray.running("check", *words, stderr=end) as process:
        os.close(end)
        text = b""
        while text.count(b"0 checked, 0 alive; ") < 3:  # one line, written over
            text += os.read(terminal, 4096)
        process.send_signal(signal.SIGINT)
        process.wait()
    os.close(terminal)
    progress = text[text.index(b"0 checked") :]
    assert b"\n" not in progress
    assert b"\r" in progress
