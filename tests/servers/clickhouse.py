"""The real ClickHouse engine (chdb) behind the HTTP interface that clickhouse-connect speaks, as a process.

`python clickhouse.py DIRECTORY PORT`, port 0 for any; prints the port once it answers. What a server has
beyond its engine is emulated: the user `default` with the password in `CLICKHOUSE_PASSWORD`, and that of a
query id one query runs at a time.
"""

import asyncio
import base64
import gzip
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import urllib.request
import uuid
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, urlencode

import lz4.frame
from aiohttp import web
from backports import zstd

BODY_BYTES = 1 << 30
ANSWER_SECONDS = 60
NOT_SETTINGS = re.compile(
    "query|database|user|password|session_.*|query_id|quota_key|compress|decompress|wait_end_of_query|role"
    "|buffer_size|client_protocol_version|send_progress_.*|http_headers_.*|enable_http_compression"
    "|default_format|param_.*"
)
INSERT = re.compile(rb"^\s*INSERT\s+INTO\s+(?:TABLE\s+)?(.{1,20000}?)\s+FORMAT\s+(\w+)\s*?\n", re.I | re.S)
FORMAT = re.compile(r"\bFORMAT\s+(\w+)\s*;?\s*$", re.I)
ERROR_CODE = re.compile(r"Code: (\d+)")
MEMORY = Path("/dev/shm") if Path("/dev/shm").is_dir() else None
PASSWORD = "CLICKHOUSE_PASSWORD"


def lz4_frames(data: bytes) -> bytes:
    """What was compressed: the client sends a frame for each block."""
    parts = []
    while data:
        frame = lz4.frame.LZ4FrameDecompressor()
        parts.append(frame.decompress(data))
        data = frame.unused_data
    return b"".join(parts)


DECOMPRESS = {"lz4": lz4_frames, "zstd": zstd.decompress, "gzip": gzip.decompress}


def login(password: str) -> str:
    """The header `Authorization` of the user `default`."""
    return "Basic " + base64.b64encode(f"default:{password}".encode()).decode()


def quoted(value: str) -> str:
    """A literal of ClickHouse's SQL."""
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"


class Engine:
    """The engine and its one thread: there is one of it in a process, and it does one thing at a time."""

    def __init__(self, directory: str) -> None:
        import chdb  # its shared library takes 0.3 s: not in the tests' own processes

        self.thread = ThreadPoolExecutor(1)
        self._connection = self.thread.submit(chdb.connect, directory).result()

    def run(self, parameters: Mapping[str, str], body: bytes) -> tuple[bytes, dict[str, str], str]:
        """The answer, its summary and its format. Settings hold for this statement only."""
        settings = {name: value for name, value in parameters.items() if not NOT_SETTINGS.fullmatch(name)}
        if database := parameters.get("database"):
            self._connection.query(f"USE `{database}`")
        try:
            if settings:
                self._connection.query("SET " + ", ".join(f"{k}={quoted(v)}" for k, v in settings.items()))
            sql = parameters.get("query", "")
            whole = sql.encode() + b"\n" + body if sql else body  # data may follow the statement in either
            if (insert := INSERT.match(whole)) and len(whole) > insert.end():
                return self._insert(insert[1].decode(), insert[2].decode(), whole[insert.end() :])
            return self._query(parameters, whole.decode().strip())
        finally:
            if settings:
                self._connection.query("SET " + ", ".join(f"{name}=DEFAULT" for name in settings))

    def _insert(self, table: str, format_: str, data: bytes) -> tuple[bytes, dict[str, str], str]:
        with tempfile.NamedTemporaryFile(suffix=".data") as file:
            file.write(data)
            file.flush()
            statement = f"INSERT INTO {table} FROM INFILE {quoted(file.name)} FORMAT {format_}"
            result = self._connection.query(statement, "TabSeparated")
        return b"", {"read_rows": str(result.rows_read()), "written_rows": str(result.rows_read())}, ""

    def _query(self, parameters: Mapping[str, str], sql: str) -> tuple[bytes, dict[str, str], str]:
        named = FORMAT.search(sql)
        format_ = named[1] if named else parameters.get("default_format", "TabSeparated")
        bound = {
            name.removeprefix("param_"): value
            for name, value in parameters.items()
            if name.startswith("param_")
        }
        result = self._connection.query(sql, format_, params=bound)
        return result.bytes(), {"read_rows": str(result.rows_read())}, format_


class Front:
    """ClickHouse's HTTP interface, as far as the client uses it."""

    def __init__(self, engine: Engine, password: str) -> None:
        self._engine = engine
        self._login = login(password)
        self._open = not password
        self._running: set[str] = set()

    async def handle(self, request: web.Request) -> web.Response:
        """Answer one request."""
        if request.path == "/ping" or (request.method == "GET" and not request.query):
            return web.Response(text="Ok.\n")
        if not self._open and request.headers.get("Authorization") != self._login:
            return refusal(
                403, "Code: 516. DB::Exception: default: Authentication failed. (AUTHENTICATION_FAILED)"
            )
        parameters = dict(request.query)
        body = b""
        if request.content_type == "multipart/form-data":
            parameters |= {name: str(value) for name, value in (await request.post()).items()}
        else:
            body = await request.read()
        query_id = parameters.get("query_id", "")
        if encoding := request.headers.get("Content-Encoding"):
            body = DECOMPRESS[encoding](body)
        if query_id in self._running:
            return refusal(500, "Code: 216. DB::Exception: (QUERY_WITH_SAME_ID_IS_ALREADY_RUNNING)")
        self._running.add(query_id)
        try:
            return await self._answer(parameters, body)
        finally:
            self._running.discard(query_id)

    async def _answer(self, parameters: dict[str, str], body: bytes) -> web.Response:
        loop = asyncio.get_running_loop()
        try:
            data, summary, format_ = await loop.run_in_executor(
                self._engine.thread, self._engine.run, parameters, body
            )
        except Exception as error:
            return refusal(500, str(error))
        headers = {
            "X-ClickHouse-Query-Id": parameters.get("query_id", ""),
            "X-ClickHouse-Timezone": "UTC",
            "X-ClickHouse-Format": format_,
            "X-ClickHouse-Summary": json.dumps(summary),
        }
        if not (format_ and data):
            del headers["X-ClickHouse-Format"]
        return web.Response(body=data, headers=headers)


def refusal(status: int, message: str) -> web.Response:
    """An exception of the engine, or one like it."""
    code = ERROR_CODE.search(message)
    return web.Response(
        status=status, text=message, headers={"X-ClickHouse-Exception-Code": code[1] if code else "0"}
    )


async def serve(directory: str, port: int) -> None:
    """Serve until the process ends."""
    application = web.Application(client_max_size=BODY_BYTES)
    application.router.add_route(
        "*", "/{tail:.*}", Front(Engine(directory), os.environ.get(PASSWORD, "")).handle
    )
    runner = web.AppRunner(application)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", port)
    await site.start()
    print(runner.addresses[0][1], flush=True)
    await asyncio.Event().wait()


@dataclass
class ClickHouse:
    """A server that can be killed, paused and started again on its directory and port."""

    directory: Path
    password: str = ""
    port: int = 0
    _process: subprocess.Popen[str] | None = None

    @property
    def url(self) -> str:
        """Where its databases are."""
        return f"clickhouse://default:{quote(self.password, safe='')}@127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start it; returns once it answers."""
        command = [sys.executable, __file__, str(self.directory), str(self.port)]
        self._process = subprocess.Popen(
            command, stdout=subprocess.PIPE, text=True, env=os.environ | {PASSWORD: self.password}
        )
        assert self._process.stdout is not None
        self.port = int(self._process.stdout.readline())

    @contextmanager
    def database(self) -> Iterator[str]:
        """The URL of a new database, which goes again at the end."""
        name = f"test_{uuid.uuid4().hex}"
        self.query(f"CREATE DATABASE {name}")
        yield f"{self.url}/{name}"
        if self._process is not None:
            self.query(f"DROP DATABASE {name}")

    def query(self, statement: str, **parameters: str) -> str:
        """What a statement answers, by another client than the store's."""
        parameters = {"database": "default", "default_format": "TabSeparatedRaw"} | parameters
        url = f"http://127.0.0.1:{self.port}/?{urlencode(parameters)}"
        request = urllib.request.Request(url, statement.encode(), {"Authorization": login(self.password)})
        with urllib.request.urlopen(request, timeout=ANSWER_SECONDS) as answer:
            return answer.read().decode().strip()

    def kill(self) -> None:
        """End it at once, whatever it is doing."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None

    def pause(self) -> None:
        """Let it take connections, by its kernel, and answer nothing."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)


@contextmanager
def started(password: str = "", directory: Path | None = MEMORY) -> Iterator[ClickHouse]:
    """A running server, with its files below a directory; in memory, where syncing them takes no time."""
    with tempfile.TemporaryDirectory(dir=directory) as name:
        server = ClickHouse(Path(name), password)
        server.start()
        try:
            yield server
        finally:
            server.kill()


if __name__ == "__main__":
    asyncio.run(serve(sys.argv[1], int(sys.argv[2])))
