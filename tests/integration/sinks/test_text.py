import asyncio
import stat
import time

import pytest

from eagleray.actors.sinks import file_writer, text
from eagleray.actors.sinks.base import RowsRejected, StoreUnavailable
from eagleray.actors.sinks.text import TextWriter
from eagleray.pipelines.tables import Envelope, Table, seal


def listing(rows):
    """Two files, of which a reader must not see one new and one old for long."""
    tags = [f"{row[0]}:{row[1]} {row[5]}\n" for row in rows]
    return {"all.txt": "".join(tags), "count.txt": f"{len(tags)}\n"}


@pytest.fixture
async def start(tmp_path, schema, monkeypatch):
    """Open the store in `tmp_path`, as often as wanted; what is open is closed before."""
    monkeypatch.setattr(file_writer, "QUICK", 60.0)  # files are up to date after every write
    stores = []

    async def begin():
        if stores:
            await stores.pop().close()
        stores.append(TextWriter(tmp_path / "lists", "text"))
        await stores[0].open()
        await stores[0].migrate(schema._replace(exports={"state": listing}))
        return stores[0]

    yield begin
    for store in stores:
        await store.close()


@pytest.fixture
def shown(tmp_path):
    return lambda: (tmp_path / "lists" / "all.txt").read_text().splitlines()


def row(port=80, alive=True, version=1, seen=4e9):
    return ["192.0.2.1", port, "http", alive, 0.5, version, seen]


def rows(*some):
    return [seal("test", Table("state", 2, (), ()), some, 0)]


async def test_what_lives_is_listed_from_the_start_to_the_empty_pool(start, tmp_path, shown):
    store = await start()
    assert shown() == []
    assert (tmp_path / "lists" / "count.txt").read_text() == "0\n"
    await store.write(rows(row(80), row(81), row(82, alive=False), row(83, seen=None)))
    assert shown() == ["192.0.2.1:80 1", "192.0.2.1:81 1"]
    await store.write(rows(row(80, alive=False, version=2), row(81, alive=False, version=2)))
    assert shown() == []
    assert (tmp_path / "lists" / "count.txt").read_text() == "0\n"


async def test_the_newest_row_counts_dead_or_alive(start, shown):
    store = await start()
    await store.write(rows(row(80, version=5), row(81, alive=False, version=5), row(82, version=5)))
    await store.write(rows(row(80, version=4), row(81, version=4), row(82, alive=False, version=4)))
    assert shown() == ["192.0.2.1:80 5", "192.0.2.1:82 5"]
    await store.write(rows(row(81, version=6)))
    assert shown() == ["192.0.2.1:80 5", "192.0.2.1:81 6", "192.0.2.1:82 5"]


async def test_the_pool_survives_a_restart(start, shown):
    store = await start()
    await store.write(rows(row(80), row(81)))
    store = await start()
    assert shown() == ["192.0.2.1:80 1", "192.0.2.1:81 1"]
    await store.write(rows(row(81, alive=False, version=2)))
    assert shown() == ["192.0.2.1:80 1"]


async def test_files_that_somebody_removed_come_back(start, tmp_path, shown):
    store = await start()
    await store.write(rows(row(80)))
    (tmp_path / "lists" / "all.txt").unlink()
    await start()
    assert shown() == ["192.0.2.1:80 1"]


async def test_who_has_not_worked_for_long_leaves_the_lists(start, shown, monkeypatch):
    store, now = await start(), time.time()
    await store.write(rows(row(80, seen=now - 1), row(81, seen=now - 50), row(82, seen=now - 200)))
    assert shown() == ["192.0.2.1:80 1", "192.0.2.1:81 1"]
    assert await store.prune(now + 60) == 1
    assert shown() == ["192.0.2.1:80 1"]
    assert await store.prune(now + 60) == 0
    monkeypatch.setattr(text.time, "time", lambda: now + 60)
    await store.write(rows(row(81, version=0, seen=now - 50)))  # an older row does not bring it back
    assert shown() == ["192.0.2.1:80 1"]


async def test_tables_without_lists_are_passed_over(start, tmp_path, events):
    store = await start()
    await store.write([seal("test", events, [[1, 2.0, "{}"]], 0)])
    names = {path.name for path in (tmp_path / "lists").iterdir() if not path.name.startswith(".")}
    assert names == {"all.txt", "count.txt"}


async def test_rows_at_fault_are_rejected(start, shown):
    store = await start()
    for bad in (
        rows(row(80), row(81, version=None)),
        [*rows(row(80)), Envelope("test", "nowhere", 1, 1, 0, b"\x90")],
    ):
        with pytest.raises(RowsRejected):
            await store.write(bad)
        assert shown() == []


async def test_lists_are_for_everybody_the_journal_is_not(start, tmp_path):
    umask = 0o022
    await start()
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "lists").iterdir()}
    assert modes["all.txt"] == 0o666 & ~umask
    assert {mode for name, mode in modes.items() if name.startswith(".")} == {0o600}


async def test_a_folder_that_cannot_be_made_is_unavailable(tmp_path):
    (tmp_path / "file").write_text("")
    store = TextWriter(tmp_path / "file" / "lists", "text")
    with pytest.raises(StoreUnavailable, match="Not a directory"):
        await store.open()
    await store.close()


async def test_a_reader_never_sees_a_part_of_a_list(start, tmp_path):
    store = await start()
    whole = [[row(80 + i, version=v) for i in range(300)] for v in range(1, 30)]
    await store.write(rows(*whole[0]))
    seen = set()

    async def look():
        while True:
            lines = (tmp_path / "lists" / "all.txt").read_text().splitlines()
            assert len(lines) == 300
            assert len({line.split()[1] for line in lines}) == 1
            seen.add(lines[0].split()[1])
            await asyncio.sleep(0)

    looking = asyncio.create_task(look())
    for version in whole[1:]:
        await store.write(rows(*version))
    looking.cancel()
    await asyncio.gather(looking, return_exceptions=True)
    assert not looking.done() or looking.cancelled()
    assert len(seen) > 1
