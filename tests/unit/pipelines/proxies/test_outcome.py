import msgspec
import pytest

from eagleray.pipelines.charge import UNDECIDED, Charge
from eagleray.pipelines.proxies.outcome import Outcome


@pytest.mark.parametrize("outcome", Outcome)
def test_an_outcome_is_its_own_name_on_the_wire(outcome):
    assert outcome.value == str(outcome) == outcome.name.lower()
    assert msgspec.json.decode(msgspec.json.encode(outcome), type=Outcome) is outcome


@pytest.mark.parametrize("outcome", Outcome)
def test_an_outcome_says_what_it_means(outcome):
    assert outcome.meaning.endswith(".")


def test_nobody_pays_for_what_is_our_own_fault():
    own_faults = {outcome.value for outcome in Outcome if outcome.charge is Charge.SELF}
    assert own_faults == {"judge_unavailable", "local_resource", "suspended", "internal_error"}


def test_codes_tell_outcomes_apart_and_where_nothing_is_recorded():
    assert len({outcome.code for outcome in Outcome}) == len(Outcome)
    for outcome in Outcome:
        own_fault = outcome.charge is Charge.SELF
        assert UNDECIDED <= outcome.code < 256 if own_fault else 0 < outcome.code < UNDECIDED


def test_only_an_address_that_may_not_be_dialled_is_charged_to_the_source():
    assert [outcome for outcome in Outcome if outcome.charge is Charge.SOURCE] == [Outcome.BLOCKED_ADDRESS]
