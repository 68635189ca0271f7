"""How tests share the machine: most of them wait, so several run at once, each file as a whole."""

import signal
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
# One Ray, and one of each real proxy, for all tests of these folders.
TOGETHER = {"cluster", "contract"}

# In the background it may be ignored, and what the tests start would inherit that.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if not config.pluginmanager.hasplugin("xdist"):
        return
    for item in items:
        path = item.path.relative_to(TESTS)
        group = path.parts[0] if path.parts[0] in TOGETHER else str(path)
        item.add_marker(pytest.mark.xdist_group(group))
