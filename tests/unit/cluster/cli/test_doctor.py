"""What the doctor makes of what it finds."""

import os
import resource

import pytest

from eagleray.actors.sinks.registry import parse_store
from eagleray.cluster.cli.doctor import (
    Finding,
    Status,
    conntrack,
    descriptors,
    directory,
    library,
    line,
    ports,
    reuse,
    store,
)

UNLIMITED = resource.RLIM_INFINITY


@pytest.mark.parametrize(
    ("finding", "status", "detail"),
    [
        (descriptors(1024, 20_000), Status.OK, "soft 1024, hard 20000, wanted 20000"),
        (descriptors(1024, UNLIMITED), Status.OK, "soft 1024, hard unlimited, wanted 20000"),
        (descriptors(1024, 4096), Status.WARN, "soft 1024, hard 4096, wanted 20000"),
        (descriptors(256, 256), Status.FAIL, "soft 256, hard 256, wanted 20000"),
        (ports([32768, 60999]), Status.OK, "32768-60999, 28232 ports"),
        (ports([60000, 60999]), Status.WARN, "60000-60999, 1000 ports"),
        (ports(None), Status.WARN, "the range is unknown"),
        (reuse([2]), Status.OK, "2"),
        (reuse([0]), Status.WARN, "0"),
        (reuse(None), Status.OK, "not a setting of this system"),
        (conntrack([262144]), Status.OK, "room for 262144 connections, wanted 131072"),
        (conntrack([65536]), Status.WARN, "room for 65536 connections, wanted 131072"),
        (conntrack(None), Status.OK, "no table of connections here"),
    ],
    ids=lambda value: f"{value.name} {value.detail}" if isinstance(value, Finding) else "",
)
def test_limits(finding, status, detail):
    assert (finding.status, finding.detail) == (status, detail)


@pytest.mark.parametrize(
    ("name", "status", "detail"),
    [("yet.sqlite", Status.OK, "the first run makes it"), ("a" * 300, Status.FAIL, "File name too long")],
    ids=["not yet", "never"],
)
def test_a_store_that_is_not_there(tmp_path, name, status, detail):
    finding = store(parse_store(f"sqlite:{tmp_path}/{name}", tmp_path))
    assert finding.status is status
    assert detail in finding.detail


def test_a_data_directory_that_is_yet_to_be_made(tmp_path):
    finding = directory(tmp_path / "a" / "b")
    assert finding.status is not Status.FAIL
    assert not (tmp_path / "a").exists()


def test_a_data_directory_below_a_file(tmp_path):
    (tmp_path / "file").touch()
    assert directory(tmp_path / "file" / "data").status is Status.FAIL


def test_a_data_directory_that_may_not_be_written(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "access", lambda _path, mode: mode == os.F_OK)
    assert directory(tmp_path).status is Status.FAIL


@pytest.mark.parametrize(("free", "status"), [(1 << 40, Status.OK), (1 << 28, Status.WARN), (1, Status.FAIL)])
def test_free_space(tmp_path, monkeypatch, free, status):
    monkeypatch.setattr("shutil.disk_usage", lambda _path: type("Usage", (), {"free": free}))
    assert directory(tmp_path).status is status


def test_a_missing_library():
    assert library("no_such_library", Status.WARN).status is Status.WARN


def test_a_line_says_what_to_do_only_where_there_is_something_to_do():
    assert line(Finding("a", Status.OK, "b", "c")) == "ok    a: b\n"
    assert line(Finding("a", Status.WARN, "b", "c")) == "warn  a: b; c\n"
