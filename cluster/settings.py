"""Everything that can be configured, with units, bounds and defaults. `configuration` reads it."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, field_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from eagleray.actors.section import Section
from eagleray.actors.sinks.log.log import INTERVAL, MAX_AGE, MAX_BYTES, SEGMENT_BYTES, Fsync
from eagleray.actors.sinks.registry import KINDS, StoreUrl, parse_store, parse_stores
from eagleray.actors.sources.base import DAY
from eagleray.cluster.proxy_settings import HOUR, ProxiesSettings

ENV_PREFIX = "EAGLERAY_"
ENV_DELIMITER = "__"


class LogSettings(Section):
    """The durable log between the checks and the stores."""

    fsync: Fsync = Fsync.ALWAYS
    """`always`: a batch is on the disk before it counts; `interval`: so, too, but batches wait for a common
    fsync; `os`: the kernel writes it within about 30 s."""
    interval: float = Field(default=INTERVAL, gt=0, le=1)
    """Seconds from one fsync to the next with `interval`: a batch waits at most so long for one."""
    max_bytes: int = Field(default=MAX_BYTES, ge=4 * SEGMENT_BYTES)
    """Bytes of the log, beyond which the oldest segment goes although a store has not taken it. The default
    keeps a store that is down for good from filling the disk."""
    max_age: float = Field(default=MAX_AGE, ge=HOUR, le=3650 * DAY)
    """Seconds after which a segment goes although a store has not taken it. After the default, a week, most
    of what it says has been found out anew."""


class RaySettings(Section):
    """Where the actors run."""

    address: str | None = None
    """Address of a running cluster, or `auto`; null starts Ray on this machine."""
    namespace: str = Field(default="eagleray", min_length=1)
    """Ray namespace of the actors."""
    checkers: Annotated[int, Field(ge=1, le=10_000)] | Literal["auto"] = "auto"
    """Checker actors; `auto` is one a core."""
    scorers: int = Field(default=1, ge=1, le=1000)
    """Scoring actors."""
    dashboard: bool = True
    """Start Ray's dashboard with a Ray on this machine."""


class PipelinesSettings(Section):
    """One section for each pipeline."""

    proxies: ProxiesSettings = ProxiesSettings()
    """The proxy pipeline."""


class Settings(BaseSettings):
    """The whole configuration. Only `configuration.load` reads files and the environment."""

    model_config = SettingsConfigDict(
        extra="forbid",
        frozen=True,
        use_attribute_docstrings=True,
        env_prefix=ENV_PREFIX,
        env_nested_delimiter=ENV_DELIMITER,
        env_ignore_empty=True,
    )

    data_dir: Path = Path("eagleray-data")
    """Folder of the log and of the default SQLite store; relative to the working directory."""
    stores: tuple[str, ...] = Field(default=("sqlite",), min_length=1)
    """Where results are written; each gets every row. URLs, or `sqlite`, the file in the data directory."""
    log: LogSettings = LogSettings()
    """The durable log."""
    ray: RaySettings = RaySettings()
    """Where the actors run."""
    pipelines: PipelinesSettings = PipelinesSettings()
    """One section for each pipeline."""

    @field_validator("stores")
    @classmethod
    def _are_stores(cls, stores: tuple[str, ...]) -> tuple[str, ...]:
        completed(stores, Path())
        return stores

    def store_urls(self) -> list[StoreUrl]:
        """The stores, first the one that a run goes on from: SQLite if no other keeps every row."""
        stores = completed(self.stores, self.data_dir.resolve())
        return sorted(stores, key=lambda store: not KINDS[store.kind].complete)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Only what is passed: `configuration` has read every layer and knows where each value stands."""
        return (init_settings,)


def completed(texts: Sequence[str], data: Path) -> list[StoreUrl]:
    """These stores, and SQLite in the data directory if none of them keeps every row.

    Raises:
        ValueError: as `parse_stores`.
    """
    complete = any(KINDS[parse_store(text, data).kind].complete for text in texts)
    return parse_stores(texts if complete else [*texts, "sqlite"], data)
