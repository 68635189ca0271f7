"""Where Eagleray keeps its data."""

import os
from pathlib import Path

from eagleray.actors.sinks.registry import DEFAULT_FILE

VARIABLE = "EAGLERAY_DATA_DIR"
DEFAULT = Path("eagleray-data")


def data_dir(flag: Path | None) -> Path:
    """The data directory: the flag, else the variable, else `eagleray-data` in the working directory."""
    return flag or Path(os.environ.get(VARIABLE) or DEFAULT)


def database(data: Path) -> Path:
    """The SQLite file of a data directory."""
    return data / DEFAULT_FILE


def log_dir(data: Path) -> Path:
    """The durable log of a data directory."""
    return data / "log"
