"""The command line as a whole: help, version, exit codes of wrong usage, and what it costs to start."""

import re

import pytest

from eagleray.cluster.cli.main import COMMANDS

FAMILIES = {"config": ("check", "show", "schema"), "log": ("inspect", "verify")}
SUBCOMMANDS = [[name] for name in COMMANDS] + [[name, word] for name in FAMILIES for word in FAMILIES[name]]


def test_version(eagleray):
    result = eagleray("--version")
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.startswith("eagleray ")


def test_help_lists_every_command(eagleray):
    result = eagleray("--help")
    assert result.returncode == 0
    assert [name for name in COMMANDS if f" {name} " not in result.stdout] == []
    assert "Exit codes: 0 done" in result.stdout


@pytest.mark.parametrize("words", SUBCOMMANDS, ids=" ".join)
def test_help_of_a_command(eagleray, words):
    result = eagleray(*words, "--help")
    assert (result.returncode, result.stderr) == (0, "")
    usage, purpose, *_ = re.split(r"\n\s*\n", result.stdout.strip())
    assert usage.startswith(f"Usage: eagleray {' '.join(words)}")
    assert len(purpose.split()) >= 5, "it does not say what the command is for"
    assert purpose.rstrip().endswith(".")


def test_help_of_check_shows_examples(eagleray):
    assert "eagleray check list.txt" in eagleray("check", "--help").stdout


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["chekc"], "Did you mean 'check'?"),
        (["check", "--alow", "10.0.0.0/8"], "--allow"),
        (["check"], "INPUT"),
        (["list", "--limit", "many"], "--limit"),
        (["run", "--once", "more"], "more"),
    ],
    ids=["unknown command", "unknown flag", "missing argument", "value of a wrong type", "extra argument"],
)
def test_wrong_usage(eagleray, words, said):
    result = eagleray(*words)
    assert (result.returncode, result.stdout) == (2, "")
    assert said in result.stderr


@pytest.mark.parametrize(
    ("words", "absent"),
    [
        (["--version"], {"ray", "aiohttp", "numpy", "rich", "uvloop", "pydantic_settings"}),
        (["--help"], {"ray", "aiohttp", "numpy"}),
        (
            ["check", "127.0.0.1:9", "--judge", "http://127.0.0.1:9/", "--allow", "127.0.0.1/32"],
            {"ray", "aiohttp", "numpy", "rich", "yaml", "pydantic_settings"},
        ),
    ],
    ids=["version", "help", "check with a judge"],
)
def test_imports_only_what_it_needs(eagleray, words, absent):
    script = (
        "import sys; from eagleray.cluster.cli.main import main\n"
        "sys.argv = ['eagleray', *sys.argv[1:]]\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "print('imported:', *sorted({name.partition('.')[0] for name in sys.modules}), file=sys.stderr)"
    )
    result = eagleray.python("-c", script, *words)
    imported = result.stderr.partition("imported: ")[2].split()
    assert "typer" in imported
    assert absent.intersection(imported) == set()
