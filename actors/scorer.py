"""The scoring pool: stateless, any number of them."""

from collections.abc import Mapping

from eagleray.pipelines.proxies.scoring import ScoringRules, score_batch


class Scorer:
    """Turns reports, with the state that rode along in their leases, into records and acks."""

    def __init__(self, rules: ScoringRules, sources: Mapping[int, str]) -> None:
        self._rules = rules
        self._sources = sources

    async def score(self, checked: bytes) -> tuple[bytes, bytes]:
        """A batch for the sink, and the acks for the frontier (see `score_batch`)."""
        return score_batch(checked, self._rules, self._sources)
