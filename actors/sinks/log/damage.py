"""Damaged bytes of a log, set aside for whoever wants to look at them."""

import logging
import threading
from pathlib import Path

from eagleray.actors.sinks.log.frames import BLOCK, Damage, Position, read_at
from eagleray.actors.sinks.log.segments import segment_path

logger = logging.getLogger(__name__)

KEPT_BYTES = 256 << 20  # four segments; beyond, damage is counted and logged only


class DamagedBytes:
    """Copies each damaged stretch once to `damaged/SEGMENT-OFFSET.bin`, and says so. For any thread."""

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
            try:
                fate = f"set aside in {self._copy(damage)}"
            except OSError as error:
                fate = f"not set aside: {error.strerror or error}"
        logger.error("log %s: %d damaged bytes at %s, %s", self._log, damage.size, damage.start, fate)

    def _copy(self, damage: Damage) -> Path:
        directory = damaged_dir(self._log)
        directory.mkdir(exist_ok=True, mode=0o700)
        copy = directory / f"{damage.start.segment}-{damage.start.offset}.bin"
        if copy.exists():
            return copy
        if sum(path.stat().st_size for path in directory.iterdir()) + damage.size > KEPT_BYTES:
            raise OSError(f"{directory} has no room for it")
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
        return copy


def damaged_dir(log: Path) -> Path:
    """Where the damaged bytes of a log are kept."""
    return log / "damaged"
