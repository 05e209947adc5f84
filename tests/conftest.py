"""Fixtures for every test, and a loud word about what a run could not test."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.postgres import binaries, running_postgres
from tests.tools import tool

PEERS = ("Orthanc", "dciodvfy", "dsrdump", "storescp", "storescu")
"""Programs that tests marked `acceptance` talk to."""

REAL_DATA = "WRISTD_TEST_DATA"
_NOT_TESTED = pytest.StashKey[set[str]]()


def pytest_configure(config: pytest.Config) -> None:
    config.stash[_NOT_TESTED] = set()


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip what needs a peer or a device that is not here; in CI a missing peer is a failure."""
    if item.get_closest_marker("acceptance"):
        missing = [name for name in PEERS if tool(name) is None]
        if missing and os.environ.get("CI") == "true":
            pytest.fail(f"peers are missing: {', '.join(missing)} (see .ci/run)", pytrace=False)
        if missing:
            _leave_out(item.config, f"peers are missing: {', '.join(missing)}")
    if item.get_closest_marker("gpu") and not Path("/dev/nvidiactl").exists():
        _leave_out(item.config, "there is no CUDA device")


@pytest.fixture(scope="session")
def real_data(pytestconfig: pytest.Config) -> Path:
    """The folder of real radiographs that WRISTD_TEST_DATA names; they are never committed."""
    named = os.environ.get(REAL_DATA)
    if not named:
        _leave_out(pytestconfig, f"{REAL_DATA} is not set: no real radiographs")
    folder = Path(named or "")
    if not folder.is_dir():
        pytest.fail(f"{REAL_DATA} names {folder}, which is no folder", pytrace=False)
    return folder


@pytest.fixture(scope="session")
def postgres_url(pytestconfig: pytest.Config) -> Iterator[str]:
    """A private PostgreSQL server; in CI its absence is a failure."""
    if binaries() is None:
        if os.environ.get("CI") == "true":
            pytest.fail("PostgreSQL is missing (see .ci/run)", pytrace=False)
        _leave_out(pytestconfig, "PostgreSQL is not installed")
    with running_postgres() as url:
        yield url


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    for reason in sorted(config.stash[_NOT_TESTED]):
        terminalreporter.write_line(f"NOT TESTED: {reason}", yellow=True, bold=True)


def _leave_out(config: pytest.Config, reason: str) -> None:
    config.stash[_NOT_TESTED].add(reason)
    pytest.skip(reason)
