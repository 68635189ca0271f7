"""`eagleray judge`: the server that checks measure proxies against."""

import json
import secrets
import sys
from pathlib import Path
from signal import SIGINT
from typing import Annotated

import typer

from eagleray.cluster.cli.console import Exit, fail

MIN_SECRET = 16  # bytes; below that a secret could be guessed
MAX_SECRET = 4096  # bytes; a longer file was hardly meant
SPARE_DESCRIPTORS = 64  # for the listener, the event loop and the standard streams


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("judge")(judge)


def judge(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="Port to listen on; 0 takes a free one.")
    ] = 8000,
    secret_file: Annotated[
        Path | None,
        typer.Option(help="File with the secret that proofs are made from. Random at each start without it."),
    ] = None,
    max_connections: Annotated[
        int | None,
        typer.Option(min=1, help="Connections at a time. A little under the descriptor limit by default."),
    ] = None,
) -> None:
    """Serve a judge: it tells what reached it through a proxy, and proves that the answer is its own."""
    import uvloop

    from eagleray.actors.process import raise_descriptor_limit
    from eagleray.cluster.judge import SECRET_BYTES, serve

    secret = read_secret(secret_file) if secret_file else secrets.token_bytes(SECRET_BYTES)
    limit = max_connections or max(1, raise_descriptor_limit() - SPARE_DESCRIPTORS)
    try:
        stopped_by = uvloop.run(serve(secret, host, port, limit, announce))
    except OSError as reason:
        fail(f"cannot listen on {host} port {port}: {reason.strerror}", "Choose another --host or --port.")
    raise typer.Exit(Exit.INTERRUPTED if stopped_by is SIGINT else Exit.DONE)


def read_secret(path: Path) -> bytes:
    """The secret in a file, without white space around it."""
    try:
        with path.open("rb") as file:
            secret = file.read(MAX_SECRET + 1).strip()
    except OSError as reason:
        fail(f"cannot read the secret file {path}: {reason.strerror}")
    if not MIN_SECRET <= len(secret) <= MAX_SECRET:
        fail(f"the secret file {path} must hold {MIN_SECRET} to {MAX_SECRET} bytes")
    return secret


def announce(url: str) -> None:
    """Say where the judge listens, to a person or to a program."""
    typer.echo(f"The judge listens on {url}" if sys.stdout.isatty() else json.dumps({"url": url}))
    sys.stdout.flush()
