"""What a pipeline is to the actors that carry it: names, tables, and bytes they need not understand."""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, Protocol

from eagleray.pipelines.tables import Row, Table

# Texts by file name from the rows of a table that live; a function of a module, because it is pickled.
Export = Callable[[Sequence[Row]], Mapping[str, str]]


class Restored(NamedTuple):
    """Columns for `Frontier.restore`, one item each."""

    keys: list[bytes]
    hints: list[bytes]
    states: list[bytes]
    due: list[float]  # Unix seconds
    codes: list[int]  # how the latest work ended, see `Tally`
    records: list[int]  # of work done so far
    lease_ids: list[int]  # of the latest work


class Pipeline(Protocol):
    """One kind of record and its way through frontier, workers and stores."""

    @property
    def name(self) -> str:
        """Its name in the configuration and in every envelope."""

    @property
    def tables(self) -> tuple[Table, ...]:
        """All its tables."""

    @property
    def state_table(self) -> Table:
        """The one of `tables` from which the frontier is rebuilt."""

    @property
    def exports(self) -> Mapping[str, Export]:
        """By name of a table that has a keyspace: what is written of it as text files."""

    @property
    def hint_size(self) -> int:
        """Bytes of a hint: what sources claim of an item."""

    @property
    def state_size(self) -> int:
        """Bytes of a state: what work found out about an item; zero bytes before the first time."""

    @property
    def outcomes(self) -> Mapping[int, str]:
        """What the codes of `Tally` are called."""

    def merge(self, old: bytes, new: bytes) -> bytes:
        """One hint out of the claims of two sources."""

    def restore(self, rows: Sequence[Row]) -> Restored:
        """What the frontier has to know again, from rows of `state_table`.

        Raises:
            ValueError: a value of a row is not what its column says.
        """
