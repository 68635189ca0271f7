"""What can be configured of the proxy pipeline, with units, bounds and defaults."""

from collections import Counter
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, field_validator, model_validator

from eagleray.actors.section import Section
from eagleray.actors.sources.base import DAY, HttpUrl, SourceSettings
from eagleray.pipelines.addresses import parse_networks
from eagleray.pipelines.proxies.check_rules import CheckRules, Depth
from eagleray.pipelines.proxies.dnsbl import MAX_ZONES, parse_nameserver, parse_zone
from eagleray.pipelines.proxies.model import Anonymity, Protocol
from eagleray.pipelines.proxies.targets import MAX_PAGES, TargetPage, parse_target_page, parse_tls_target

HOUR = 3600.0  # seconds


def cidr(text: str) -> str:
    """`text`, if it is a network such as `10.0.0.0/8`.

    Raises:
        ValueError: it is none, or has host bits set.
    """
    parse_networks((text,))
    return text


Cidr = Annotated[str, AfterValidator(cidr)]
Country = Annotated[str, Field(pattern="^([A-Z]{2})?$")]


class ProxySource(SourceSettings):
    """A list of proxies, and what its owner says of all its entries. Labels are hints, never truth."""

    protocols: frozenset[Protocol] = frozenset()
    """Protocols that entries without one are claimed to speak."""
    country: Country = ""
    """Country of entries without one: ISO 3166-1 alpha-2, or empty."""
    anonymity: Anonymity | None = None
    """Anonymity of entries without one."""
    credentials_last: bool = False
    """Read the third and fourth field of `ip:port:a:b` as user and password."""


def tls_target(text: str) -> str:
    """`text`, if it is `off` or a host and a port.

    Raises:
        ValueError: it is neither.
    """
    if text != "off":
        parse_tls_target(text)
    return text


# YAML reads a bare off as False.
TlsTarget = Annotated[
    str, BeforeValidator(lambda value: "off" if value is False else value), AfterValidator(tls_target)
]


def nameserver(text: str) -> str:
    """`text`, if it is empty or an address with or without a port.

    Raises:
        ValueError: it is neither.
    """
    if text:
        parse_nameserver(text)
    return text


Nameserver = Annotated[str, AfterValidator(nameserver)]


class TargetSettings(Section):
    """A page that proxies are to be good for, and what its answer must be."""

    url: str
    """An http:// or https:// URL. Its fragment may hold the rules, too: `#status=200&contains=Welcome`."""
    status: tuple[Annotated[int, Field(ge=100, le=599)], ...] = ()
    """Statuses that will do; none means any of 2xx and 3xx."""
    contains: str = ""
    """A text that must stand among the first 64 KiB."""

    @model_validator(mode="after")
    def _is_a_page(self) -> Self:
        self.page()
        return self

    def page(self) -> TargetPage:
        """The page as a check takes it."""
        return parse_target_page(self.url, frozenset(self.status), self.contains)


class CheckSettings(Section):
    """How one endpoint is checked."""

    depth: Literal["quick", "full"] = "full"
    """`quick`: one judged request for each protocol tried; `full`: everything."""
    connect_timeout: Annotated[float, Field(gt=0, le=60)] | Literal["auto"] = "auto"
    """Seconds for the TCP handshake; `auto` learns it: 1 s and a round trip, at most 2 s."""
    timeout: Annotated[float, Field(gt=0, le=300)] | Literal["auto"] = "auto"
    """Seconds for one request, from the connection to the last byte; `auto` learns it, at most 8 s."""
    concurrency: Annotated[int, Field(ge=1, le=1_000_000)] | Literal["auto"] = "auto"
    """Connections in flight of one checker; `auto` is what this machine bears, at most 15 000."""
    confirm_after: float = Field(default=0.5, ge=0, le=60)
    """Seconds between the first success and the request that confirms it."""
    per_host: int = Field(default=16, ge=1, le=1_000_000)
    """Connections of one checker to one address at a time; the others wait, and delay nobody else."""
    per_network: int = Field(default=256, ge=1, le=1_000_000)
    """Connections of one checker to one /24 of IPv4, or /64 of IPv6, at a time."""
    tls_target: TlsTarget = "off"
    """`HOST:PORT` to which a full check makes a verified TLS handshake through each proxy; `off`: none."""
    targets: tuple[TargetSettings, ...] = Field(default=(), max_length=MAX_PAGES)
    """Pages that a full check fetches through each proxy that works."""
    ca_file: str = ""
    """PEM file of certificates that are trusted beside the system's."""
    dnsbl: tuple[Annotated[str, AfterValidator(parse_zone)], ...] = Field(default=(), max_length=MAX_ZONES)
    """DNS block lists (their zones) that a full check asks about a living proxy's exit address."""
    nameserver: Nameserver = ""
    """`ADDRESS[:PORT]` of the nameserver that is asked for them; empty: the system's."""

    def rules(self) -> CheckRules:
        """How deep to look and how long to wait."""
        return CheckRules(
            depth=Depth(self.depth),
            connect_timeout=None if self.connect_timeout == "auto" else self.connect_timeout,
            timeout=None if self.timeout == "auto" else self.timeout,
            confirm_after=self.confirm_after,
            per_host=self.per_host,
            per_network=self.per_network,
            tls_target=None if self.tls_target == "off" else parse_tls_target(self.tls_target),
            pages=tuple(target.page() for target in self.targets),
            ca_file=self.ca_file and str(Path(self.ca_file).resolve()),  # actors have their own directories
            dnsbl=self.dnsbl,
            nameserver=self.nameserver,
        )


class WeightSettings(Section):
    """Shares of quality; they sum to 1."""

    completeness: float = Field(default=0.3, ge=0, le=1)
    """How much of the record is known."""
    accuracy: float = Field(default=0.3, ge=0, le=1)
    """How far what was measured agrees with what was claimed."""
    consistency: float = Field(default=0.2, ge=0, le=1)
    """How far checks agree with each other."""
    timeliness: float = Field(default=0.2, ge=0, le=1)
    """How fresh the last check is."""

    @model_validator(mode="after")
    def _sums_to_one(self) -> Self:
        total = self.completeness + self.accuracy + self.consistency + self.timeliness
        if abs(total - 1) > 1e-6:
            raise ValueError(f"the weights sum to {total:g}, not to 1")
        return self


class ScoreSettings(Section):
    """How proxies are ranked."""

    half_life: float = Field(default=DAY, ge=60, le=365 * DAY)
    """Seconds after which a check counts half."""
    weights: WeightSettings = WeightSettings()
    """Shares of quality."""


class ScheduleSettings(Section):
    """Bounds on the time from one check of an endpoint to the next, in seconds."""

    alive_min: float = Field(default=300.0, ge=1, le=30 * DAY)
    """A proxy that has just begun to work."""
    alive_max: float = Field(default=3000.0, ge=1, le=30 * DAY)
    """A proxy that has worked for long. Redis and text lists vouch for an hour after a success."""
    dead_min: float = Field(default=1800.0, ge=1, le=365 * DAY)
    """An endpoint after its first failure."""
    dead_max: float = Field(default=7 * DAY, ge=1, le=365 * DAY)
    """An endpoint that never works."""

    @model_validator(mode="after")
    def _min_below_max(self) -> Self:
        if self.alive_min > self.alive_max or self.dead_min > self.dead_max:
            raise ValueError("alive_min and dead_min may not exceed alive_max and dead_max")
        return self


class LeaseSettings(Section):
    """Work that a checker takes at a time."""

    seconds: float = Field(default=60.0, ge=1, le=HOUR)
    """Seconds until work that was not acknowledged is given to another checker."""
    size: int = Field(default=500, ge=1, le=2000)
    """Endpoints in a lease; 2 000 records is the largest batch between actors."""


class ProxiesSettings(Section):
    """The proxy pipeline."""

    sources: tuple[ProxySource, ...] = ()
    """Lists of proxies."""
    judges: tuple[HttpUrl, ...] = ()
    """Servers that say what reached them: Eagleray's own, or httpbin-like ones."""
    allow: tuple[Cidr, ...] = ()
    """Networks that may be dialled although they are not global."""
    check: CheckSettings = CheckSettings()
    """How one endpoint is checked."""
    score: ScoreSettings = ScoreSettings()
    """How proxies are ranked."""
    schedule: ScheduleSettings = ScheduleSettings()
    """When endpoints are checked again."""
    lease: LeaseSettings = LeaseSettings()
    """Work that a checker takes at a time."""

    @field_validator("sources")
    @classmethod
    def _names_are_unique(cls, sources: tuple[ProxySource, ...]) -> tuple[ProxySource, ...]:
        name, count = next(iter(Counter(source.name for source in sources).most_common(1)), ("", 0))
        if count > 1:
            raise ValueError(f"{count} sources are called '{name}'")
        return sources
