"""Damaged bytes of a log, set aside for whoever wants to look at them."""

import logging
import threading
from pathlib import Path

from eagleray.actors.sinks.log.frames import BLOCK, Damage, Position, read_at
from eagleray.actors.sinks.log.segments import segment_path

logger = logging.getLogger(__name__)

KEPT_BYTES = 256 << 20  # four segments; beyond, damage is counted and logged only


class DamagedBytes:
    """Copies each damaged stretch once to `damaged/SEGMENT-OFFSET.bin`, and says so. For any thread.

    A torn tail goes to `SEGMENT-OFFSET.torn`: it should hold nothing that was answered for, but is cut off.
    """

    def __init__(self, log: Path) -> None:
        self.places: set[Position] = set()  # met by this process
        self._log = log
        self._lock = threading.Lock()

    def set_aside(self, damage: Damage) -> None:
        """Keep a stretch that was found; nothing happens where it was found before."""
        with self._lock:  # each follower meets the same damage
            if damage.start in self.places:
                return
            self.places.add(damage.start)
            fate = self._copied(damage, ".bin")
        logger.error("log %s: %d damaged bytes at %s, %s", self._log, damage.size, damage.start, fate)

    def set_tail_aside(self, tail: Damage) -> None:
        """Keep a torn tail, before it is cut off."""
        with self._lock:
            fate = self._copied(tail, ".torn")
        logger.warning(
            "log %s: cut a torn tail of %d bytes off segment %d, %s",
            self._log,
            tail.size,
            tail.start.segment,
            fate,
        )

    def _copied(self, damage: Damage, suffix: str) -> str:
        """Copy a stretch; what became of that."""
        directory = damaged_dir(self._log)
        copy = directory / f"{damage.start.segment}-{damage.start.offset}{suffix}"
        try:
            if suffix == ".torn" or not copy.exists():
                directory.mkdir(exist_ok=True, mode=0o700)
                make_room(directory, damage.size)
                self._copy(damage, copy)
        except OSError as error:
            return f"not set aside: {error.strerror or error}"
        return f"set aside in {copy}"

    def _copy(self, damage: Damage, copy: Path) -> None:
        temporary = copy.with_suffix(".new")
        temporary.touch(0o600)
        with (
            segment_path(self._log, damage.start.segment).open("rb") as segment,
            temporary.open("wb") as file,
        ):
            for offset in range(damage.start.offset, damage.start.offset + damage.size, BLOCK):
                size = min(BLOCK, damage.start.offset + damage.size - offset)
                file.write(read_at(segment, offset, size).ljust(size, b"\0"))  # zeros for what is unreadable
        temporary.replace(copy)


def make_room(directory: Path, size: int) -> None:
    """Remove torn tails, oldest first, until there is room for so many bytes.

    Raises:
        OSError: there is none even without them.
    """
    torn = sorted(directory.glob("*.torn"), key=lambda path: path.stat().st_mtime)
    free = KEPT_BYTES - sum(path.stat().st_size for path in directory.iterdir())
    while free < size:
        if not torn:
            raise OSError(f"{directory} has no room for it")
        free += torn[0].stat().st_size
        torn.pop(0).unlink()


def damaged_dir(log: Path) -> Path:
    """Where the damaged bytes of a log are kept."""
    return log / "damaged"
