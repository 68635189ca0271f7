"""What `eagleray run` says where it cannot begin. Nothing here starts Ray."""

import sqlite3

import pytest
import yaml

SOURCE = {"name": "a", "kind": "http", "url": "http://list.invalid/"}
JUDGE = "http://judge.invalid/"


@pytest.fixture
def run(eagleray, tmp_path):
    """Run with a configuration of these sources and judges; gives the result."""

    def invoke(*words, sources=(SOURCE,), judges=(JUDGE,), stores=("sqlite",)):
        proxies = {"sources": list(sources), "judges": list(judges)}
        settings = {"stores": list(stores), "pipelines": {"proxies": proxies}}
        (tmp_path / "config.yaml").write_text(yaml.safe_dump(settings))
        (tmp_path / "file").touch()
        return eagleray("run", "--once", "--config", "config.yaml", *words)

    return invoke


@pytest.mark.parametrize(
    ("words", "settings", "said"),
    [
        ([], {"sources": ()}, "no source is configured"),
        ([], {"judges": ()}, "no judge is configured"),
        (["--pipeline", "bars"], {}, "there is no pipeline 'bars'"),
        (["--data", "file/data"], {}, "cannot write to file/data: Not a directory"),
        (["--data", "file"], {}, "cannot write to file: File exists"),
        (["--data", "/proc"], {}, "cannot write to /proc: "),
        ([], {"judges": ("ftp://judge",)}, "config.yaml:4: pipelines.proxies.judges.0: "),
        (["--address", "127.0.0.1:1"], {}, "cannot join Ray: 127.0.0.1:1: Connection refused"),
        (["--address", "ray://127.0.0.1:1"], {}, "cannot join Ray: ray://127.0.0.1:1: Connection refused"),
        (["--address", "nonsense"], {}, "cannot join Ray: "),
        ([], {"stores": ("tape:x",)}, "config.yaml:9: stores: a store is given as SCHEME://"),
        ([], {"stores": ("postgresql://h/d?colour=red",)}, "store postgresql: "),
        (["--address", "ray.invalid:6379"], {}, "cannot join Ray: ray.invalid:6379: "),
    ],
    ids=[
        "no source",
        "no judge",
        "unknown pipeline",
        "data below a file",
        "data is a file",
        "data cannot be written",
        "bad configuration",
        "no cluster there",
        "no cluster there for a client",
        "no address",
        "no store",
        "unknown option of a store",
        "unknown name",
    ],
)
def test_cannot_begin(run, words, settings, said):
    result = run(*words, **settings)
    assert (result.returncode, result.stdout) == (2, "")
    assert said in result.stderr
    assert result.stderr.count("\n") <= 3  # what it does, what is wrong, what to do


def test_a_store_that_a_newer_program_wrote_is_left_alone(run, tmp_path):
    (tmp_path / "eagleray-data").mkdir()
    database = sqlite3.connect(tmp_path / "eagleray-data" / "proxies.sqlite")
    with database:
        database.execute("CREATE TABLE schema_migrations (pipeline, version, name, applied_at)")
        database.execute("INSERT INTO schema_migrations VALUES ('proxies', 99, '', '')")
    database.close()
    result = run()
    assert result.returncode == 2
    assert "store sqlite: the store's tables have version 99" in result.stderr
