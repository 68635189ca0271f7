"""FileSource on real files and pipes."""

import os
from pathlib import Path

import pytest

from eagleray.actors.sources.base import SourceSettings, TimedOut, TooLarge, Unreachable
from eagleray.actors.sources.file import FileSource
from eagleray.pipelines.addresses import Allowed


async def read(path: Path | str, **settings):
    source = FileSource(SourceSettings(name="s", kind="file", path=str(path), **settings), Allowed())
    return [document async for document in source.documents()]


async def test_a_file(tmp_path):
    path = tmp_path / "list.txt"
    path.write_bytes(b"1.2.3.4:80\n\xff")
    (document,) = await read(path)
    assert (document.source, document.url, document.body) == ("s", str(path), b"1.2.3.4:80\n\xff")


async def test_the_bound(tmp_path):
    path = tmp_path / "list.txt"
    path.write_bytes(bytes(1000))
    assert len(await read(path, max_bytes=1000)) == 1
    with pytest.raises(TooLarge, match="more than 999 bytes"):
        await read(path, max_bytes=999)


async def test_an_endless_file():
    with pytest.raises(TooLarge):
        await read("/dev/zero", max_bytes=1_000_000)


async def test_a_pipe_that_nobody_writes_to(tmp_path):
    path = tmp_path / "pipe"
    os.mkfifo(path)
    with pytest.raises(TimedOut, match=r"within 0\.1 s"):
        await read(path, timeout=0.1)
    os.close(os.open(path, os.O_WRONLY | os.O_NONBLOCK))  # lets the reading thread end


@pytest.mark.parametrize(
    ("name", "message"),
    [("none", "No such file"), (".", "Is a directory"), ("a\0b", "null byte"), ("x" * 300, "too long")],
    ids=["missing", "directory", "NUL", "long name"],
)
async def test_what_is_no_readable_file(tmp_path, name, message):
    with pytest.raises(Unreachable, match=message):
        await read(f"{tmp_path}/{name}")
