import os

import msgspec
import pytest

from eagleray.actors.sinks import dead_letters
from eagleray.actors.sinks.base import RowsRejected, StoreUnavailable
from eagleray.actors.sinks.dead_letters import DeadLetters
from eagleray.pipelines.tables import seal
from tests.faulty_disk import FaultyDisk


@pytest.fixture
def picky(memory_store):
    """A store that never takes a row whose note is `bad`."""

    class Picky(memory_store):
        async def write(self, envelopes):
            await super().write(envelopes)
            if any(b"bad" in envelope.rows for envelope in envelopes):
                raise RowsRejected(f"bad row, write {self.writes}")

    return Picky()


@pytest.fixture
async def letters(tmp_path, schema, picky):
    await picky.migrate(schema)
    return DeadLetters(tmp_path, "memory", schema.tables)


@pytest.fixture
def rows(events):
    def make(ids, note="bad"):
        return [seal("test", events, [[id_, 4e9, note] for id_ in ids], 0)]

    return make


def kept(directory) -> list[int]:
    lines = (directory / "dead-letters" / "memory.ndjson").read_bytes().splitlines()
    return [msgspec.json.decode(line)["row"]["id"] for line in lines]


async def test_a_batch_has_one_fsync(tmp_path, letters, picky, rows, monkeypatch):
    disk = FaultyDisk(monkeypatch)
    await letters.sort_out(picky, rows(range(50)))
    assert (kept(tmp_path), letters.rejected) == (list(range(50)), 50)
    assert disk.made["fsync"] == 1


async def test_a_row_that_stands_there_is_not_added_again(tmp_path, letters, picky, rows, schema):
    await letters.sort_out(picky, rows([1, 2, 1]))
    await letters.sort_out(picky, rows([2, 3]))
    again = DeadLetters(tmp_path, "memory", schema.tables)  # after a restart
    await again.sort_out(picky, rows([3, 4]))
    assert kept(tmp_path) == [1, 2, 3, 4]
    assert (again.rejected, again.unkept) == (2, 0)


async def test_a_store_that_goes_away_meanwhile_leaves_no_repeats(
    tmp_path, letters, picky, rows, monkeypatch
):
    write, tries = picky.write, 0

    async def failing(envelopes):
        nonlocal tries
        tries += 1
        if tries == 4:
            raise StoreUnavailable("gone")
        await write(envelopes)

    monkeypatch.setattr(picky, "write", failing)
    with pytest.raises(StoreUnavailable):
        await letters.sort_out(picky, rows([1, 2]) + rows([3, 4]))
    assert not (tmp_path / "dead-letters").exists()
    await letters.sort_out(picky, rows([1, 2]) + rows([3, 4]))
    assert (kept(tmp_path), letters.rejected) == ([1, 2, 3, 4], 4)


async def test_a_full_file_takes_no_more_and_what_is_not_kept_is_counted(
    tmp_path, letters, picky, rows, monkeypatch, caplog
):
    monkeypatch.setattr(dead_letters, "MAX_BYTES", 1_000)
    await letters.sort_out(picky, rows(range(100)))
    assert (tmp_path / "dead-letters" / "memory.ndjson").stat().st_size <= 1_000
    assert 0 < len(kept(tmp_path)) == 100 - letters.unkept
    assert letters.rejected == 100
    assert "are not kept" in caplog.text


async def test_a_disk_that_fails_loses_no_row(tmp_path, letters, picky, rows, monkeypatch):
    disk = FaultyDisk(monkeypatch)
    disk.fail("fsync", 5)
    with pytest.raises(OSError, match="Input/output"):
        await letters.sort_out(picky, rows([1]))
    disk.heal()
    await letters.sort_out(picky, rows([1, 2]))
    assert (kept(tmp_path), letters.rejected) == ([1, 2], 2)


async def test_half_a_line_spoils_no_other(tmp_path, letters, picky, rows, schema):
    await letters.sort_out(picky, rows([1, 2]))
    path = tmp_path / "dead-letters" / "memory.ndjson"
    os.truncate(path, path.stat().st_size - 5)
    await DeadLetters(tmp_path, "memory", schema.tables).sort_out(picky, rows([1, 2]))
    first, half, second = path.read_bytes().splitlines()
    assert [msgspec.json.decode(line)["row"]["id"] for line in (first, second)] == [1, 2]
    with pytest.raises(msgspec.DecodeError):
        msgspec.json.decode(half)


async def test_a_file_that_is_moved_away_makes_room(tmp_path, letters, picky, rows, monkeypatch):
    monkeypatch.setattr(dead_letters, "MAX_BYTES", 1_000)
    await letters.sort_out(picky, rows(range(100)))
    before = letters.unkept
    path = tmp_path / "dead-letters" / "memory.ndjson"
    path.rename(tmp_path / "seen.ndjson")
    await letters.sort_out(picky, rows([0]))
    assert (kept(tmp_path), letters.unkept) == ([0], before)
