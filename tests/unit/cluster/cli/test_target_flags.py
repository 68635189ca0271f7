"""Flags of `check` for block lists, over what the configuration says."""

from eagleray.cluster.cli.target_flags import with_block_lists
from eagleray.pipelines.proxies.check_rules import CheckRules

CONFIGURED = CheckRules(dnsbl=("configured.example",), nameserver="192.0.2.53")


def test_flags_replace_what_is_configured():
    rules = with_block_lists(CONFIGURED, ["BL.example.", "zen.example"], "[::1]:5353")
    assert (rules.dnsbl, rules.nameserver) == (("bl.example", "zen.example"), "[::1]:5353")


def test_without_flags_the_configuration_counts():
    assert with_block_lists(CONFIGURED, [], None) == CONFIGURED


def test_zones_alone_go_to_the_configured_nameserver():
    rules = with_block_lists(CONFIGURED, ["bl.example"], None)
    assert (rules.dnsbl, rules.nameserver) == (("bl.example",), "192.0.2.53")
