"""A daemon with a tiny model package, an archive with moods, and senders that never give up."""

import random
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import select

from daemon.clock import utc_now
from daemon.ledger.deliveries import Deliveries
from daemon.ledger.ledger import Ledger
from daemon.ledger.overview import backlog, oldest
from daemon.ledger.tables import JobRow, StudyRow
from model.package import write_package
from tests.chaos.account import Account, Reported, images_read, is_report, reported, settle
from tests.chaos.release import Releaser
from tests.chaos.traffic import Send, Traffic
from tests.chaos.victim import Victim, victims
from tests.support.fakes import Archive, Deed
from tests.support.graphs import tiny_manifest, write_graph
from tests.support.node import Peer, fast_settings, model_block, settings_text
from tests.support.tools import free_port, wait_until

IN_FLIGHT = 30
SETTLED_WITHIN_S = 300.0
MOODS: list[Deed] = [0xA700, 0x0110, 0xB000, 0xB007, "hang up", "abort after storing", "hang"]


@pytest.fixture(autouse=True)
def _quiet(caplog):
    """Broken connections are the point here, not news."""
    caplog.set_level("CRITICAL", logger="pynetdicom")


@pytest.fixture(scope="session")
def tiny_package(tmp_path_factory):
    return tiny(tmp_path_factory.mktemp("tiny"), "tiny")


@pytest.fixture(scope="session")
def two_packages(tmp_path_factory, tiny_package):
    """Two models that both read everything."""
    return tiny_package, tiny(tmp_path_factory.mktemp("second"), "second")


def tiny(folder: Path, name: str) -> Path:
    graph = write_graph(folder / "graph.onnx", gain=1.0)
    manifest = tiny_manifest(graph).model_copy(update={"name": name})
    return write_package(folder / "package", graph, manifest, "").folder


def moods(seed: int, share: float) -> Iterator[Deed]:
    """Answer Success mostly; be difficult for a share of the objects."""
    chance = random.Random(seed)
    while True:
        yield chance.choice(MOODS) if chance.random() < share else 0x0000


class Ward:
    """Everything that takes part: daemons on one ledger, each with its state folder."""

    def __init__(
        self, folder: Path, victims: Mapping[Path, Victim], archive: Archive, ledger: Path | str
    ) -> None:
        self.folder = folder
        self.states = list(victims)
        self.victims = list(victims.values())
        self.archive = archive
        self.ledger = ledger
        self.kills = 0
        self.unsent = 0
        self.parked = 0
        self.models = 1
        self._reports: dict[str, Reported] = {}
        self.traffic: Traffic | None = None
        self.releaser: Releaser | None = None

    @property
    def victim(self) -> Victim:
        """The daemon, where there is one."""
        return self.victims[0]

    def send(self, port: int | Sequence[int], senders: list[Send], seed: int = 1) -> Traffic:
        """Begin to send; an attempt goes to any of several ports."""
        ports = [port] if isinstance(port, int) else port
        self.traffic = Traffic(ports, self.folder / "in", senders, seed)
        self.traffic.start(lambda: self.unreported() >= IN_FLIGHT, self.is_reported)
        self.releaser = Releaser(self.ledger, self.traffic.mixed)
        return self.traffic

    def close(self) -> None:
        """Release nothing any more."""
        if self.releaser is not None:
            self.releaser.close()

    def unreported(self) -> int:
        assert self.traffic is not None
        read = images_read(self._arrived(), dict(self.traffic.patients), self.models)
        return sum(
            not images <= read.get(study, set())
            for study, images in list(self.traffic.promised.items())
        )

    def _missing(self, ledger: Ledger) -> Iterator[str]:
        """Give what the ledger says of studies that lack a report, and which reports there are."""
        assert self.traffic is not None
        arrived = self._arrived()
        read = images_read(arrived, dict(self.traffic.patients), self.models)
        for study, images in self.traffic.promised.items():
            if images <= read.get(study, set()):
                continue
            yield f"{study}: promised {sorted(images)}, mixed: {study in self.traffic.mixed}"
            reports = [(one.model, sorted(one.images)) for one in arrived if one.study == study]
            yield f"  reports: {reports}"
            with ledger.snapshot() as connection:
                rows = select(JobRow.__table__).join(StudyRow, StudyRow.id == JobRow.study_id)
                for job in connection.execute(rows.where(StudyRow.study_uid == study)):
                    yield f"  {dict(job._mapping, header=None)}"

    def is_reported(self, study_uid: str) -> bool:
        return any(one.study == study_uid for one in self._arrived())

    def _arrived(self) -> list[Reported]:
        """Return the reports that the archive has; each is looked at once."""
        for uid, copies in list(self.archive.kept.items()):
            if uid not in self._reports and is_report(copies[0]):
                self._reports[uid] = reported(copies[0])
        return list(self._reports.values())

    def settle(self) -> tuple[Account, int]:
        """Let everything come to rest; returns the account and how many studies are stuck."""
        assert self.traffic is not None
        for one in self.victims:
            if not one.is_alive:
                one.kill()
                one.start()
        assert all(one.await_ready() for one in self.victims)
        self.unsent = self.traffic.drain()
        ledger = Ledger(self.ledger)
        self.parked = Deliveries(ledger).retry_parked("pacs", utc_now())
        settled = {"jobs done", "jobs skipped", "deliveries withdrawn"}

        def at_rest() -> bool:
            return "waiting studies" not in oldest(ledger) and not set(backlog(ledger)) - settled

        try:
            wait_until(lambda: at_rest() and not self.unreported(), "rest", SETTLED_WITHIN_S)
        finally:
            left = {name: n for name, n in backlog(ledger).items() if name not in settled}
            stuck = self.unreported() + sum(left.values())
            if stuck or self.unsent:
                print(f"stuck: {left}, unsent {self.unsent}, unreported {self.unreported()}")
                print(*self._missing(ledger), sep="\n")
            ledger.close()
            self.close()
        for one in self.victims:
            one.stop()
        promised, patients = self.traffic.promised, self.traffic.patients
        return settle(promised, self.archive.kept, self.states, patients, self.models), stuck


def hasty(state: Path, port: int, packages: Sequence[Path], pacs: Peer, ledger: str = "") -> str:
    """Return settings with the shortest waits that still mean something; each model reads all."""
    first, *others = packages
    besides = [
        model_block(one, name=f"besides{number}", also=True) for number, one in enumerate(others)
    ]
    sections = {
        "node": {"state_dir": str(state)},
        "ledger": {"url": ledger},
        "receiver": {"port": port, "min_free_bytes": 0, "warn_free_bytes": 0},
        "assembly": {"quiet_period_s": 0.3, "sweep_interval_s": 0.1},
        "models": [model_block(first), *besides],
        "reading": {
            "provider": "cpu",
            "threads": 1,
            "retry_delay_s": 0.2,
            "max_attempts": 1000,
        },
        "report": {"heat_map": False},
        "delivery": {
            "interval_s": 0.1,
            "first_delay_s": 0.2,
            "max_delay_s": 1.0,
            "timeout_s": 2.0,
        },
    }
    return settings_text(fast_settings(sections), [pacs])


@contextmanager
def ward(
    folder: Path,
    packages: Path | Sequence[Path],
    deeds: Iterator[Deed],
    state: Path | None = None,
) -> Iterator[tuple[Ward, int]]:
    """Give everything, the daemon not yet started, and its port; each package is a model."""
    packages = [packages] if isinstance(packages, Path) else packages
    state = state or folder / "state"
    folder.mkdir(parents=True, exist_ok=True)
    port = free_port()
    settings = folder / "settings.toml"
    with Archive(deeds=deeds, ae_title="PACS") as archive:
        settings.write_text(hasty(state, port, packages, archive))
        with victims(settings) as (one,):
            site = Ward(folder, {state: one}, archive, state / "ledger.sqlite")
            site.models = len(packages)
            try:
                yield site, port
            finally:
                site.close()


@contextmanager
def hosts(
    folder: Path, packages: Path | Sequence[Path], deeds: Iterator[Deed], ledger: str
) -> Iterator[tuple[Ward, list[int]]]:
    """Give two daemons on one ledger, not yet started, and their ports."""
    packages = [packages] if isinstance(packages, Path) else packages
    folder.mkdir(parents=True, exist_ok=True)
    ports = [free_port(), free_port()]
    states = [folder / name / "state" for name in ("east", "west")]
    with Archive(deeds=deeds, ae_title="PACS") as archive:
        files = []
        for state, port in zip(states, ports, strict=True):
            state.parent.mkdir(parents=True)
            files.append(state.parent / "settings.toml")
            files[-1].write_text(hasty(state, port, packages, archive, ledger))
        with victims(*files) as both:
            site = Ward(folder, dict(zip(states, both, strict=True)), archive, ledger)
            site.models = len(packages)
            try:
                yield site, ports
            finally:
                site.close()
