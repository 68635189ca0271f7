"""Settings: precedence, and one clear line for everything that can be wrong with them."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from eagleray.cluster.configuration import MAX_BYTES, ConfigurationError, load, read_layers
from eagleray.cluster.settings import Settings
from eagleray.pipelines.proxies.check_rules import CheckRules

PROFILES = Path(__file__).parents[3] / "configs"


@pytest.fixture(autouse=True)
def _no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("EAGLERAY_DATA_DIR", raising=False)


@pytest.fixture
def write(tmp_path: Path):
    def file(text: str | bytes) -> Path:
        path = tmp_path / "e.yaml"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return file


def problems(config: Path, flags=None) -> list[str]:
    with pytest.raises(ConfigurationError) as caught:
        load(config, flags)
    return [problem.removeprefix(f"{config}:") for problem in caught.value.problems]


def test_the_packaged_file_says_what_the_defaults_are():
    packaged, defaults = load(), Settings()
    assert packaged.model_dump(exclude={"pipelines"}) == defaults.model_dump(exclude={"pipelines"})
    for section in ("allow", "check", "score", "schedule", "lease"):
        assert getattr(packaged.pipelines.proxies, section) == getattr(defaults.pipelines.proxies, section)
    assert defaults.pipelines.proxies.check.rules() == CheckRules()  # of a check without a configuration


def test_the_packaged_file_names_sources_of_every_protocol():
    proxies = load().pipelines.proxies
    claimed = [protocol for source in proxies.sources for protocol in source.protocols]
    assert len(proxies.sources) >= 40
    assert min(claimed.count(protocol) for protocol in ("http", "socks4", "socks5")) >= 10
    assert len(proxies.judges) == 3


def test_flags_go_before_variables_before_the_file_before_defaults(write, monkeypatch):
    config = write("pipelines: {proxies: {lease: {seconds: 1, size: 1}, check: {timeout: 1}}}")
    monkeypatch.setenv("EAGLERAY_PIPELINES__PROXIES__LEASE__SECONDS", "2")
    monkeypatch.setenv("EAGLERAY_PIPELINES__PROXIES__CHECK__TIMEOUT", "2.5")
    proxies = load(config, {"pipelines": {"proxies": {"check": {"timeout": 3}}}}).pipelines.proxies
    assert proxies.check.timeout == 3
    assert proxies.lease.seconds == 2
    assert proxies.lease.size == 1
    assert proxies.check.connect_timeout == "auto"
    assert (proxies.check.rules().timeout, proxies.check.rules().connect_timeout) == (3, None)


@pytest.mark.parametrize(
    ("variable", "value", "field", "expected"),
    [
        ("EAGLERAY_DATA_DIR", "/x", lambda s: s.data_dir, Path("/x")),
        ("EAGLERAY_DATA_DIR", "", lambda s: s.data_dir, Path("eagleray-data")),
        ("EAGLERAY_LOG__FSYNC", "os", lambda s: s.log.fsync, "os"),
        ("EAGLERAY_LOG", '{"fsync": "os"}', lambda s: s.log.fsync, "os"),
        ("EAGLERAY_RAY__CHECKERS", "auto", lambda s: s.ray.checkers, "auto"),
        ("EAGLERAY_RAY__CHECKERS", "3", lambda s: s.ray.checkers, 3),
        (
            "EAGLERAY_PIPELINES__PROXIES__ALLOW",
            '["::1/128"]',
            lambda s: s.pipelines.proxies.allow,
            ("::1/128",),
        ),
        (
            "EAGLERAY_PIPELINES__PROXIES__ALLOW",
            "10.0.0.0/8, 127.0.0.0/8",
            lambda s: s.pipelines.proxies.allow,
            ("10.0.0.0/8", "127.0.0.0/8"),
        ),
    ],
    ids=["text", "empty is unset", "nested", "section as JSON", "word", "number", "list", "list by commas"],
)
def test_variables(write, monkeypatch, variable, value, field, expected):
    monkeypatch.setenv(variable, value)
    assert field(load(write(""))) == expected


CHECK = "pipelines:\n  proxies:\n    check:\n      "
SOURCES = "pipelines:\n  proxies:\n    sources:\n      - "


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (
            CHECK + "timeout: -1",
            "4: pipelines.proxies.check.timeout: Input should be greater than 0,"
            " or Input should be 'auto' (got -1)",
        ),
        (
            CHECK + "timeout: .nan",
            "4: pipelines.proxies.check.timeout: Input should be a finite number,"
            " or Input should be 'auto' (got NaN)",
        ),
        (
            CHECK + "conect_timeout: 1",
            "4: pipelines.proxies.check.conect_timeout: unknown key; did you mean 'connect_timeout'?",
        ),
        (
            CHECK + "concurrency: 0",
            "4: pipelines.proxies.check.concurrency: Input should be greater than or equal to 1,"
            " or Input should be 'auto' (got 0)",
        ),
        (
            CHECK + "- 1",
            "3: pipelines.proxies.check: Input should be a valid dictionary or instance of CheckSettings"
            " (got [1])",
        ),
        ("zzz: 1", "1: zzz: unknown key"),
        ("stores: []", "1: stores: Tuple should have at least 1 item after validation, not 0 (got [])"),
        (
            "pipelines: {proxies: {allow: [127.0.0.1/8]}}",
            '1: pipelines.proxies.allow.0: 127.0.0.1/8 has host bits set (got "127.0.0.1/8")',
        ),
        (
            "pipelines: {proxies: {score: {weights: {accuracy: 1}}}}",
            '1: pipelines.proxies.score.weights: the weights sum to 1.7, not to 1 (got {"accuracy": 1})',
        ),
        (
            "pipelines: {proxies: {schedule: {dead_min: 9, dead_max: 8}}}",
            "1: pipelines.proxies.schedule: alive_min and dead_min may not exceed alive_max and dead_max"
            ' (got {"dead_min": 9, "dead_max": 8})',
        ),
        (
            SOURCES + "{name: a, kind: http}",
            "4: pipelines.proxies.sources.0: a source of kind 'http' needs 'url' and takes no 'path'"
            ' (got {"name": "a", "kind": "http"})',
        ),
        (SOURCES + "{kind: file, path: x}", "4: pipelines.proxies.sources.0.name: Field required"),
        (
            SOURCES + "{name: a, kind: file, path: x, prtocols: [http]}",
            "4: pipelines.proxies.sources.0.prtocols: unknown key; did you mean 'protocols'?",
        ),
    ],
    ids=[
        "out of bounds",
        "not a number",
        "misspelt key",
        "number or auto",
        "list for a section",
        "unknown key",
        "empty list",
        "host bits",
        "weights",
        "schedule",
        "no url",
        "no name",
        "misspelt key in a list",
    ],
)
def test_a_bad_value_is_one_line(write, text, problem):
    assert problems(write(text)) == [problem]


def test_every_problem_is_said(write):
    assert len(problems(write("a: 1\nlog: {fsync: no}\nray: {scorers: x}"))) == 3


def test_two_sources_of_one_name(write):
    twice = "{name: a, kind: file, path: x}"
    (problem,) = problems(write(f"pipelines: {{proxies: {{sources: [{twice}, {twice}]}}}}"))
    assert "2 sources are called 'a'" in problem


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("a: [1\n", "2: did not find expected ',' or ']'"),
        ("a: &x [1]\nb: *x", "2: aliases (*name) are not supported"),
        ("[" * 10_000, "1: nested more than 20 deep"),
        ("a: 1\na: 2", "2: the key 'a' stands here for the second time"),
        ("1: 2", "1: a key must be text"),
        ("? [a]\n: 1", "1: a key must be text"),
        ("a: !!python/name:os.system x", "1: could not determine a constructor for the tag"),
        ("a: 2026-99-99", "1: month must be in 1..12"),
        ("a: " + "9" * 5000, "1: Exceeds the limit"),
        ("a: 1\n---\nb: 1", "2: but found another document"),
        ("- a", "1: the file must hold `key: value` lines, not a list or a value"),
        ("text", "1: the file must hold `key: value` lines, not a list or a value"),
        ("a: \x07", "1: control characters are not allowed"),
        (b"\xff\xfe\x00", " this is no UTF-8 text"),
        (b"#" * (MAX_BYTES + 1), f" larger than {MAX_BYTES} bytes"),
    ],
    ids=[
        "broken",
        "alias",
        "deep",
        "key twice",
        "number as key",
        "list as key",
        "tag",
        "date",
        "huge number",
        "two documents",
        "list",
        "value",
        "control character",
        "binary",
        "too large",
    ],
)
def test_an_unreadable_file_is_one_line(write, text, problem):
    (found,) = problems(write(text))
    assert found.startswith(problem)
    assert "\n" not in found


def test_a_missing_file(tmp_path):
    assert problems(tmp_path / "none") == [" No such file or directory"]
    assert problems(tmp_path) == [" Is a directory"]


@pytest.mark.parametrize(
    ("variable", "value", "problem"),
    [
        (
            "EAGLERAY_PIPELINES__PROXIES__CHECK__TIMEOUT",
            "-1",
            "EAGLERAY_PIPELINES__PROXIES__CHECK__TIMEOUT: pipelines.proxies.check.timeout:"
            " Input should be greater than 0, or Input should be 'auto'"
            ' (got "-1")',
        ),
        (
            "EAGLERAY_PIPELINES__PROXIES__CHECK__TIMOUT",
            "1",
            "EAGLERAY_PIPELINES__PROXIES__CHECK__TIMOUT: pipelines.proxies.check.timout:"
            " unknown key; did you mean 'timeout'?",
        ),
        ("EAGLERAY_DATADIR", "x", "EAGLERAY_DATADIR: unknown variable; did you mean EAGLERAY_DATA_DIR?"),
        (
            "EAGLERAY_PIPELINE__PROXIES__JUDGES",
            "x",
            "EAGLERAY_PIPELINE__PROXIES__JUDGES: unknown variable;"
            " did you mean EAGLERAY_PIPELINES__PROXIES__JUDGES?",
        ),
        ("EAGLERAY_X__Y", "x", "EAGLERAY_X__Y: unknown variable"),
        (
            "EAGLERAY_PIPELINES",
            '{"proxies": {"lease": {"size": 0}}}',
            "EAGLERAY_PIPELINES: pipelines.proxies.lease.size:"
            " Input should be greater than or equal to 1 (got 0)",
        ),
    ],
    ids=["bad value", "misspelt key", "misspelt variable", "misspelt section", "unknown", "in JSON"],
)
def test_a_bad_variable_is_named(write, monkeypatch, variable, value, problem):
    monkeypatch.setenv(variable, value)
    config = write("")
    with pytest.raises(ConfigurationError) as caught:
        load(config)
    assert caught.value.problems == [problem]


def test_variables_that_an_orchestrator_sets_are_left_alone(write, monkeypatch):
    monkeypatch.setenv("EAGLERAY_SERVICE_HOST", "10.0.0.1")
    monkeypatch.setenv("EAGLERAY_PORT_8000_TCP", "tcp://10.0.0.1:8000")
    assert load(write("")) == Settings()


def test_a_bad_flag_is_the_command_lines(write):
    (problem,) = problems(write("ray: {scorers: 1}"), {"ray": {"scorers": 0}})
    assert problem.startswith("command line: ray.scorers: ")


@pytest.mark.parametrize(
    "source",
    [
        "{name: a, kind: http, url: 'ftp://u:geheim@h/'}",
        "{name: a, kind: http, url: 'http://u:gehe/geheim@h/'}",
        "{name: a, kind: http, path: x, url: 'http://h/?api_key=geheim'}",
        "{name: a, kind: htp, url: 'http://h/', headers: {X-Key: geheim}}",
        '{name: a, kind: http, url: "http://h/", headers: {X-Key: "geheim\\n"}}',
    ],
    ids=["password", "slash in the password", "query", "header", "bad header"],
)
def test_a_problem_shows_no_secret(write, source):
    assert "geheim" not in "".join(problems(write(SOURCES + source)))


def test_settings_do_not_change():
    with pytest.raises(ValidationError):
        load().pipelines.proxies.check.timeout = 1.0


def test_every_field_says_what_it_is():
    schema = Settings.model_json_schema()
    sections = [schema, *(each for each in schema["$defs"].values() if "properties" in each)]
    silent = [
        name
        for each in sections
        for name, field in each["properties"].items()
        if not field.keys() & {"description", "$ref"}
    ]
    assert silent == []


def test_origins(write, monkeypatch):
    monkeypatch.setenv("EAGLERAY_LOG__FSYNC", "os")
    config = write("\nray:\n  scorers: 2\n")
    layers = read_layers(config, {"data_dir": "x"})
    assert layers.origin(("data_dir",)) == "command line"
    assert layers.origin(("log", "fsync")) == "EAGLERAY_LOG__FSYNC"
    assert layers.origin(("ray", "scorers")) == f"{config}:3"
    assert layers.origin(("ray", "namespace")) == "default"


@pytest.mark.parametrize("written", ["off", '"off"'])
def test_a_bare_off_of_yaml_is_no_tls_target(write, written):
    check = load(
        write(f"pipelines: {{proxies: {{check: {{tls_target: {written}}}}}}}")
    ).pipelines.proxies.check
    assert check.rules().tls_target is None


def test_targets_become_pages_with_their_rules(write):
    target = '{url: "https://example.com/a", status: [200, 204], contains: Hi}'
    config = write(
        f"pipelines: {{proxies: {{check: {{tls_target: 'example.com:443', targets: [{target}]}}}}}}"
    )
    rules = load(config).pipelines.proxies.check.rules()
    assert str(rules.tls_target) == "example.com:443"
    [page] = rules.pages
    assert (page.url, page.status, page.contains) == ("https://example.com/a", {200, 204}, "Hi")


@pytest.mark.parametrize(
    ("check", "place"),
    [
        ("tls_target: example.com", "tls_target"),
        ('targets: [{url: "ftp://example.com/"}]', "targets.0"),
        ('targets: [{url: "http://example.com/", status: [99]}]', "targets.0.status.0"),
        ("dnsbl: [bl.example, 'https://bl.example']", "dnsbl.1"),
        (f"dnsbl: [{', '.join(['bl.example'] * 17)}]", "dnsbl"),
        ("nameserver: dns.example", "nameserver"),
    ],
)
def test_a_target_or_a_block_list_that_is_none(write, check, place):
    [problem] = problems(write(f"pipelines: {{proxies: {{check: {{{check}}}}}}}"))
    assert f"pipelines.proxies.check.{place}" in problem


def test_block_lists_and_their_nameserver(write, monkeypatch):
    monkeypatch.setenv("EAGLERAY_PIPELINES__PROXIES__CHECK__DNSBL", "BL.example., zen.example")
    rules = load(
        write("pipelines: {proxies: {check: {nameserver: '[::1]:5353'}}}")
    ).pipelines.proxies.check.rules()
    assert rules.dnsbl == ("bl.example", "zen.example")
    assert rules.nameserver == "[::1]:5353"
    monkeypatch.delenv("EAGLERAY_PIPELINES__PROXIES__CHECK__DNSBL")
    rules = load(write("")).pipelines.proxies.check.rules()
    assert (rules.dnsbl, rules.nameserver) == ((), "")


def test_a_file_that_extends_the_packaged_one_says_only_what_differs(write):
    config = write("extends: default\nray: {scorers: 2}\npipelines: {proxies: {judges: ['http://j/']}}")
    settings, packaged = load(config), load()
    assert (settings.ray.scorers, settings.ray.namespace) == (2, packaged.ray.namespace)
    assert settings.pipelines.proxies.judges == ("http://j/",)  # a list is replaced, not added to
    assert settings.pipelines.proxies.sources == packaged.pipelines.proxies.sources


def test_places_of_an_extending_file(write):
    config = write("extends: default\npipelines:\n  proxies:\n    judges: ['http://j/']\n")
    layers = read_layers(config, {})
    judges = ("pipelines", "proxies", "judges")
    assert layers.origin((*judges, 0)) == f"{config}:4"
    assert layers.origin((*judges, 1)) == "default"
    assert layers.origin(("ray", "scorers")).startswith("default.yaml:")


def test_only_the_packaged_file_can_be_extended(write):
    assert problems(write("\nextends: other.yaml")) == ["2: extends: only `default` can be extended"]


@pytest.mark.parametrize("profile", sorted(PROFILES.glob("*.yaml")), ids=lambda path: path.stem)
def test_the_profiles_are_valid(profile):
    assert load(profile).pipelines.proxies.sources


@pytest.mark.parametrize(
    ("stores", "kinds"),
    [
        ("[sqlite]", ["sqlite"]),
        ("['sqlite:/srv/a.sqlite#first', 'sqlite:/srv/b.sqlite#second']", ["sqlite", "sqlite"]),
        ("['redis://h/0']", ["sqlite", "redis"]),
        ("['redis://h/0', 'postgresql://h/d']", ["postgresql", "redis"]),
        ("['clickhouse://h/d', 'sqlite']", ["clickhouse", "sqlite"]),
    ],
    ids=["one", "names", "only the living", "first one to go on from", "order"],
)
def test_a_run_goes_on_from_the_first_store_that_keeps_every_row(write, stores, kinds):
    assert [store.kind for store in load(write(f"stores: {stores}")).store_urls()] == kinds


@pytest.mark.parametrize(
    ("stores", "problem"),
    [
        ("[sqlite, 'sqlite:/srv/x']", "2 stores are called 'sqlite'"),
        ("['redis://h#sqlite']", "2 stores are called 'sqlite'"),
        ("['ndjson:///tmp/%00x']", "can't have a zero byte"),
        ("[tape]", "a store is given as SCHEME://"),
        ("['redis://:geheim@/0']", "needs a host"),
        ("[]", "at least 1"),
    ],
    ids=["twice", "twice with what is added", "zero byte", "no store", "no host", "none"],
)
def test_stores_that_are_none(write, stores, problem):
    [line] = problems(write(f"stores: {stores}"))
    assert problem in line
    assert "geheim" not in line
