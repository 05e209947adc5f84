"""The receivers that are compared: ours, DCMTK's storescp and Orthanc, as installed and tuned."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from daemon.clock import utc_now
from daemon.intake.receive import Receiver
from daemon.ledger.ledger import Ledger
from daemon.settings import DimseDestination, Node, Place, ReceiverSettings, Settings
from tests.support.peers import listens, running_orthanc, running_storescp
from tests.support.tools import free_port, wait_until

TUNED = {"TCP_NODELAY": "1"}
_TICKS_PER_S = os.sysconf("SC_CLK_TCK")


@dataclass
class Measured:
    """A running receiver."""

    name: str
    ae_title: str
    port: int
    pid: int
    is_slow: bool = False
    """Waits 40 ms for each object: gets fewer of them."""
    takes_only: str = ""
    """The only sender that it understands, if not every one."""

    def cpu_s(self) -> float:
        """Return the CPU time of the process and all its descendants, ended ones included."""
        return sum(sum(map(int, _stat(pid)[11:15])) for pid in _tree(self.pid)) / _TICKS_PER_S

    def rss_mb(self) -> float:
        """Return the largest memory that any of its processes has ever had, MB."""
        return max((_peak_kb(pid) for pid in _tree(self.pid)), default=0) / 1024


def _stat(pid: int) -> list[str]:
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return ["0"] * 20
    return text.rsplit(")", 1)[1].split()


def _peak_kb(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0
    return sum(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))


def _tree(root: int) -> list[int]:
    parents = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            parents[int(entry.name)] = int(_stat(int(entry.name))[1])
    found = [root]
    for pid in found:
        found += [child for child, parent in parents.items() if parent == pid]
    return found


@contextmanager
def all_receivers(folder: Path, ours: tuple[int, ...]) -> Iterator[list[Measured]]:
    """Run every receiver; `ours` has a wristd for each number of processes."""
    with ExitStack() as stack:
        found = [stack.enter_context(wristd(folder, number)) for number in ours]
        found += [
            stack.enter_context(_floor(folder / "floor")),
            stack.enter_context(_storescp(folder, "storescp", {}, (), is_slow=True)),
            stack.enter_context(
                _storescp(folder, "storescp, tuned", TUNED, ("--max-pdu", "131072"))
            ),
            stack.enter_context(
                _storescp(
                    folder, "storescp --fork, tuned", TUNED, ("--max-pdu", "131072", "--fork")
                )
            ),
            stack.enter_context(_orthanc(folder, "Orthanc", {}, {}, is_slow=True)),
            stack.enter_context(
                _orthanc(
                    folder,
                    "Orthanc, tuned",
                    TUNED,
                    {"MaximumPduLength": 131072, "DicomThreadsCount": 16},
                )
            ),
        ]
        yield found


@contextmanager
def wristd(folder: Path, processes: int, **options: object) -> Iterator[Measured]:
    """Run ours; options go into [receiver]."""
    place = Place(root=folder / f"wristd-{processes}")
    place.create()
    limits = ReceiverSettings(
        host="127.0.0.1", port=0, processes=processes, warn_free_bytes=0, **options
    )
    destination = DimseDestination(name="none", ae_title="NONE", host="127.0.0.1", port=1)
    settings = Settings(node=Node(), receiver=limits, destinations=(destination,))
    ledger = Ledger(place.ledger)
    receiver = Receiver(settings, place, ledger, utc_now)
    before = set(_tree(os.getpid()))
    receiver.start()
    try:
        children = set(_tree(os.getpid())) - before
        while len(children) < processes:
            children = set(_tree(os.getpid())) - before
        name = f"wristd, {processes} process{'es' if processes > 1 else ''}"
        yield _Family(name, "WRISTD", receiver.port, min(children), members=sorted(children))
    finally:
        receiver.stop()
        ledger.close()


FLOOR = "system calls only"


@contextmanager
def _floor(folder: Path) -> Iterator[Measured]:
    """Run what makes the system calls of a durable receive, and nothing else."""
    folder.mkdir()
    port = free_port()
    command = [sys.executable, "-m", "tests.benchmarks.floor", "--listen", str(port)]
    process = subprocess.Popen([*command, "--folder", str(folder)])
    try:
        wait_until(lambda: listens(port), "the yardstick to listen")
        yield Measured(FLOOR, "FLOOR", port, process.pid, takes_only="blast")
    finally:
        process.kill()
        process.wait()


@dataclass
class _Family(Measured):
    """Several processes side by side."""

    members: list[int] | None = None

    def cpu_s(self) -> float:
        members = self.members or []
        return sum(sum(map(int, _stat(pid)[11:15])) for pid in members) / _TICKS_PER_S

    def rss_mb(self) -> float:
        return max(_peak_kb(pid) for pid in self.members or []) / 1024


@contextmanager
def _environment(changes: dict[str, str]) -> Iterator[None]:
    before = {key: os.environ.get(key) for key in changes}
    os.environ.update(changes)
    try:
        yield
    finally:
        for key, value in before.items():
            os.environ.pop(key, None)
            if value is not None:
                os.environ[key] = value


@contextmanager
def _storescp(
    folder: Path, name: str, environment: dict[str, str], options: tuple[str, ...], *, is_slow=False
) -> Iterator[Measured]:
    before = set(_tree(os.getpid()))
    with ExitStack() as stack:
        with _environment(environment):
            port = stack.enter_context(
                running_storescp(
                    folder / name.replace(" ", "-"), "-uf", "+xa", *options, ae_title="BENCH"
                )
            )
        pid = min(set(_tree(os.getpid())) - before)
        yield Measured(name, "BENCH", port, pid, is_slow)


@contextmanager
def _orthanc(
    folder: Path,
    name: str,
    environment: dict[str, str],
    options: dict[str, object],
    *,
    is_slow: bool = False,
) -> Iterator[Measured]:
    before = set(_tree(os.getpid()))
    with ExitStack() as stack:
        with _environment(environment):
            pacs = stack.enter_context(
                running_orthanc(folder / name.replace(" ", "-"), SyncStorageArea=True, **options)
            )
        pid = min(set(_tree(os.getpid())) - before)
        yield Measured(name, pacs.ae_title, pacs.port, pid, is_slow)
