"""Fixtures for every test, and a loud word about what a run could not test."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

import pytest

from tests.support.peers import ORTHANC_DICOMWEB
from tests.support.postgres import binaries, running_postgres
from tests.support.tools import tool

PEERS = ("Orthanc", "dciodvfy", "dcmsend", "dsrdump", "storescp", "storescu")
"""Programs that tests marked `acceptance` talk to."""

TOOLS = ("openssl", "strace", "mount")
"""Programs that other tests use."""

REAL_DATA = "WRISTD_TEST_DATA"
_NOT_TESTED = "NOT TESTED: "


def pytest_sessionstart(session: pytest.Session) -> None:
    """In CI nothing is left out because it is not installed."""
    missing = _missing_peers() + [name for name in TOOLS if tool(name) is None]
    if binaries() is None:
        missing.append("PostgreSQL")
    if missing and os.environ.get("CI") == "true":
        pytest.exit(f"not installed: {', '.join(missing)} (see .ci/run)", returncode=4)


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip what needs a peer or a device that is not here."""
    if item.get_closest_marker("acceptance"):
        missing = _missing_peers()
        if missing:
            _leave_out(f"peers are missing: {', '.join(missing)}")
    if item.get_closest_marker("gpu") and not Path("/dev/nvidiactl").exists():
        _leave_out("there is no CUDA device")


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real radiographs that WRISTD_TEST_DATA names; they are never committed."""
    named = os.environ.get(REAL_DATA)
    if not named:
        _leave_out(f"{REAL_DATA} is not set: no real radiographs")
    folder = Path(named)
    if not folder.is_dir():
        pytest.fail(f"{REAL_DATA} names {folder}, which is no folder", pytrace=False)
    return folder


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """A private PostgreSQL server."""
    if binaries() is None:
        _leave_out("PostgreSQL is not installed")
    with running_postgres() as url:
        yield url


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say once more what the run left out, for whatever number of tests."""
    skipped = {report.longrepr[2] for report in terminalreporter.getreports("skipped")}
    for reason in sorted(skipped):
        if _NOT_TESTED in reason:
            terminalreporter.write_line(reason.removeprefix("Skipped: "), yellow=True, bold=True)


def _missing_peers() -> list[str]:
    programs = [name for name in PEERS if tool(name) is None]
    return programs if ORTHANC_DICOMWEB.exists() else [*programs, "Orthanc's DICOMweb plugin"]


def _leave_out(reason: str) -> NoReturn:
    pytest.skip(f"{_NOT_TESTED}{reason}")
