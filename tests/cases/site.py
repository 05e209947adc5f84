"""A running daemon with an archive that keeps its results, and what both know of a study."""

import threading
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from pydicom import Dataset, FileDataset
from pydicom.uid import Comprehensive3DSRStorage, KeyObjectSelectionDocumentStorage

from daemon.intake.store.admit import Offer
from daemon.ledger.ledger import Ledger
from daemon.ledger.overview import study_states
from tests.benchmarks.blast import Peer
from tests.support.fakes import Archive, Modality
from tests.support.node import Node, Sections, is_settled, running_daemon
from tests.support.tools import PeerError, wait_until

_MANY = 10_000
_TEXTS = ("UT", "LT", "ST", "LO")


@dataclass
class Site:
    """One daemon, its archive, and what was sent to it."""

    node: Node
    archive: Archive
    ledger: Ledger
    answers: dict[str, list[int | None]] = field(default_factory=dict)
    """What was answered, by study."""
    before: dict[str, dict[str, Any]] = field(default_factory=dict)
    after: dict[str, dict[str, Any]] = field(default_factory=dict)
    """What `states` said once, before and after studies were sent again or released."""

    def send(self, *objects: FileDataset | Offer) -> list[int | None]:
        """Send objects over one association."""
        return [answer.get("Status") for answer in Modality(self.node.port).send(*objects)]

    def send_all(self, studies: Mapping[str, Collection[FileDataset | Offer]]) -> None:
        """Send studies one after the other, an association each."""
        for study, objects in studies.items():
            self.answers.setdefault(study, []).extend(self.send(*objects))

    def say(self, request: bytes) -> None:
        """Send bytes to the port, and hang up after the answer."""
        peer = Peer(self.node.port)
        peer.send(request)
        peer.read()
        peer.socket.close()

    def states(self) -> dict[str, dict[str, Any]]:
        """Return what the ledger says of each study, by Study Instance UID."""
        waiting = {one.study_uid for one in self.ledger.waiting()}
        states = {one.study_uid: asdict(one) for one in study_states(self.ledger, _MANY)}
        for study_uid in waiting & states.keys():
            states[study_uid]["state"] = "waiting"
        return states

    def settle(self, study_uids: Iterable[str], within_s: float) -> list[str]:
        """Wait for the outcomes and the deliveries of studies; return those that have none."""
        left = set(study_uids)

        def is_done() -> bool:
            states = self.states()
            left.difference_update([uid for uid in left if is_settled(states.get(uid))])
            return not left

        try:
            wait_until(is_done, "outcomes", within_s)
        except PeerError:
            return sorted(left)
        return []

    def reports(self, study_uid: str) -> list[Dataset]:
        """Return the reports that the archive has of a study, oldest first."""
        return self.kept(study_uid, Comprehensive3DSRStorage)

    def notes(self, study_uid: str) -> list[Dataset]:
        """Return the rejection notes that the archive has of a study."""
        return self.kept(study_uid, KeyObjectSelectionDocumentStorage)

    def kept(self, study_uid: str, sop_class: str = "") -> list[Dataset]:
        """Return what the archive has of a study."""
        everything = [copies[0] for copies in list(self.archive.kept.values())]
        return [
            one
            for one in everything
            if one.StudyInstanceUID == study_uid and sop_class in ("", one.SOPClassUID)
        ]


@contextmanager
def running_site(folder: Path, sections: Sections) -> Iterator[Site]:
    """Run a daemon with these settings and an archive."""
    with (
        Archive(ae_title="PACS") as archive,
        running_daemon(folder, [archive], sections) as node,
    ):
        ledger = Ledger(folder / "state" / "ledger.sqlite")
        try:
            yield Site(node, archive, ledger)
        finally:
            ledger.close()


def texts(report: Dataset) -> str:
    """Return all words of a report, on one line each."""
    return "\n".join(str(one.value) for one in report.iterall() if one.VR in _TEXTS)


def rejected(note: Dataset) -> set[str]:
    """Return the SOP Instance UIDs that a rejection note speaks of."""
    return {
        str(one.ReferencedSOPInstanceUID)
        for study in note.CurrentRequestedProcedureEvidenceSequence
        for series in study.ReferencedSeriesSequence
        for one in series.ReferencedSOPSequence
    }


def at_once(calls: Iterable[Any]) -> None:
    """Make calls at the same time, and wait for all of them."""
    threads = [threading.Thread(target=call) for call in calls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
