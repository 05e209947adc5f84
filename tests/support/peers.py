"""The other side of the wire: archives to send to and to be sent to.

A PACS is Orthanc where it is installed, otherwise the small storage SCP below; both are used
through the same few methods, so demo and tests run with either.
"""

import io
import json
import shutil
import socket
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from pydicom import FileDataset, dcmread
from pynetdicom import AE, ALL_TRANSFER_SYNTAXES, AllStoragePresentationContexts, evt
from pynetdicom.events import Event
from pynetdicom.sop_class import Verification

from tests.support.tools import PeerError, end_process, free_port, tool, wait_until

ANSWER_WITHIN_S = 30.0
ORTHANC_DICOMWEB = Path("/usr/share/orthanc/plugins/libOrthancDicomWeb.so")
"""A package of its own in Debian: orthanc-dicomweb."""


class Pacs(Protocol):
    """What demo and tests want of an archive."""

    name: str
    ae_title: str
    port: int

    def knows(self, ae_title: str, port: int) -> None:
        """Make a node on this machine known, as one that may send and be sent to."""

    def keep(self, files: Sequence[Path]) -> None:
        """Put files into the archive."""

    def forward(self, study_uid: str, ae_title: str) -> None:
        """Send a whole study to a node that it knows; raise PeerError unless all is accepted."""

    def objects(self, study_uid: str) -> list[FileDataset]:
        """Return every object of a study, pixels included."""

    def studies(self) -> set[str]:
        """Return the Study Instance UIDs of the archive."""


@contextmanager
def running_pacs(folder: Path, *, embedded: bool = False) -> Iterator[Pacs]:
    """Run Orthanc if it is installed (and not told otherwise), else the embedded SCP."""
    chosen = _running_embedded if embedded or tool("Orthanc") is None else running_orthanc
    with chosen(folder) as pacs:
        yield pacs


@dataclass
class Orthanc:
    """A running Orthanc, spoken to over its REST interface."""

    port: int
    http_port: int
    name: str = "Orthanc"
    ae_title: str = "PACS"

    def rest(self, path: str, body: object = None, method: str | None = None) -> Any:
        """Call the REST interface; JSON in, JSON out (bytes for everything else)."""
        data = body if isinstance(body, bytes) else None
        if body is not None and data is None:
            data = json.dumps(body).encode()
        url = f"http://127.0.0.1:{self.http_port}{path}"
        request = urllib.request.Request(url, data=data, method=method)
        try:
            with urllib.request.urlopen(request, timeout=ANSWER_WITHIN_S) as answer:
                content: bytes = answer.read()
                kind = answer.headers.get("Content-Type", "")
        except urllib.error.HTTPError as error:
            raise PeerError(f"Orthanc {path}: {error.code} {error.read()[:500]!r}") from error
        return json.loads(content or b"null") if "json" in kind else content

    def knows(self, ae_title: str, port: int) -> None:
        """See `Pacs`."""
        modality = {"AET": ae_title, "Host": "127.0.0.1", "Port": port}
        self.rest(f"/modalities/{ae_title}", modality, "PUT")

    def keep(self, files: Sequence[Path]) -> None:
        """See `Pacs`."""
        for file in files:
            self.rest("/instances", file.read_bytes())

    def forward(self, study_uid: str, ae_title: str) -> None:
        """See `Pacs`."""
        self.rest(f"/modalities/{ae_title}/store", {"Resources": self._find(study_uid)})

    def objects(self, study_uid: str) -> list[FileDataset]:
        """See `Pacs`."""
        return [
            dcmread(io.BytesIO(self.rest(f"/instances/{instance['ID']}/file")))
            for study in self._find(study_uid)
            for instance in self.rest(f"/studies/{study}/instances")
        ]

    def studies(self) -> set[str]:
        """See `Pacs`."""
        expanded = self.rest("/studies?expand")
        return {study["MainDicomTags"]["StudyInstanceUID"] for study in expanded}

    def _find(self, study_uid: str) -> list[str]:
        query = {"Level": "Study", "Query": {"StudyInstanceUID": study_uid}}
        found: list[str] = self.rest("/tools/find", query)
        return found


@contextmanager
def running_orthanc(folder: Path, **options: object) -> Iterator[Orthanc]:
    """Run Orthanc with an empty archive in a folder; options go into its configuration."""
    folder.mkdir(parents=True, exist_ok=True)
    orthanc = Orthanc(port=free_port(), http_port=free_port())
    configuration = {
        "Name": "PACS",
        "StorageDirectory": str(folder / "archive"),
        "IndexDirectory": str(folder / "archive"),
        "RemoteAccessAllowed": False,
        "AuthenticationEnabled": False,
        "HttpPort": orthanc.http_port,
        "DicomAet": orthanc.ae_title,
        "DicomPort": orthanc.port,
        "DicomCheckCalledAet": True,
        "DicomAlwaysAllowStore": True,
        "StableAge": 2,
        "Plugins": [],
        **options,
    }
    file = folder / "orthanc.json"
    file.write_text(json.dumps(configuration, indent=1))
    with (folder / "orthanc.log").open("w") as log:
        program = tool("Orthanc") or "Orthanc"
        process = subprocess.Popen([program, str(file)], stdout=log, stderr=log)
        try:
            wait_until(lambda: _answers(orthanc, process), "Orthanc to answer")
            yield orthanc
        finally:
            end_process(process, within_s=20.0)


def _answers(orthanc: Orthanc, process: subprocess.Popen[Any]) -> bool:
    if process.poll() is not None:
        raise PeerError(f"Orthanc ended with {process.returncode}; see orthanc.log")
    try:
        return bool(orthanc.rest("/system"))
    except OSError:
        return False


@dataclass
class EmbeddedPacs:
    """The smallest archive that will do: it keeps every object it gets as a file."""

    folder: Path
    port: int = 0
    name: str = "embedded storage SCP"
    ae_title: str = "PACS"
    _nodes: dict[str, int] = field(default_factory=dict)

    def knows(self, ae_title: str, port: int) -> None:
        """See `Pacs`."""
        self._nodes[ae_title] = port

    def keep(self, files: Sequence[Path]) -> None:
        """See `Pacs`."""
        for file in files:
            instance_uid = dcmread(file, specific_tags=["SOPInstanceUID"]).SOPInstanceUID
            shutil.copyfile(file, self._file(instance_uid))

    def forward(self, study_uid: str, ae_title: str) -> None:
        """See `Pacs`."""
        node = AE(ae_title=self.ae_title)
        objects = self.objects(study_uid)
        for pair in {(one.SOPClassUID, one.file_meta.TransferSyntaxUID) for one in objects}:
            node.add_requested_context(*pair)
        association = node.associate("127.0.0.1", self._nodes[ae_title], ae_title=ae_title)
        if not association.is_established:
            raise PeerError(f"{ae_title} does not accept an association")
        answers = [association.send_c_store(one).get("Status") for one in objects]
        association.release()
        if any(answers):
            raise PeerError(f"{ae_title} answered {answers}")

    def objects(self, study_uid: str) -> list[FileDataset]:
        """See `Pacs`."""
        everything = (dcmread(file) for file in sorted(self.folder.glob("*.dcm")))
        return [one for one in everything if study_uid == one.StudyInstanceUID]

    def studies(self) -> set[str]:
        """See `Pacs`."""
        return {str(dcmread(file).StudyInstanceUID) for file in self.folder.glob("*.dcm")}

    def receive(self, event: Event) -> int:
        """Answer a C-STORE request."""
        part = self._file(event.request.AffectedSOPInstanceUID).with_suffix(".part")
        part.write_bytes(event.encoded_dataset())
        part.rename(part.with_suffix(".dcm"))
        return 0x0000

    def _file(self, instance_uid: object) -> Path:
        return self.folder / f"{instance_uid}.dcm"


@contextmanager
def _running_embedded(folder: Path) -> Iterator[EmbeddedPacs]:
    archive = folder / "archive"
    archive.mkdir(parents=True, exist_ok=True)
    pacs = EmbeddedPacs(archive)
    node = AE(ae_title=pacs.ae_title)
    for context in AllStoragePresentationContexts:
        node.add_supported_context(str(context.abstract_syntax), ALL_TRANSFER_SYNTAXES)
    node.add_supported_context(Verification)
    server = node.start_server(
        ("127.0.0.1", 0), block=False, evt_handlers=[(evt.EVT_C_STORE, pacs.receive)]
    )
    if server is None:
        raise PeerError("the embedded SCP did not start")
    pacs.port = server.server_address[1]
    try:
        yield pacs
    finally:
        server.shutdown()


@contextmanager
def running_storescp(folder: Path, *options: str, ae_title: str = "STORESCP") -> Iterator[int]:
    """Run DCMTK's storescp, which keeps what it gets in the folder; gives its port."""
    folder.mkdir(parents=True, exist_ok=True)
    port = free_port()
    command = [tool("storescp") or "storescp", "-aet", ae_title, "-od", str(folder), *options]
    with (folder.parent / f"{folder.name}.log").open("w") as log:
        process = subprocess.Popen([*command, str(port)], stdout=log, stderr=log)
        try:
            wait_until(lambda: listens(port), "storescp to listen")
            yield port
        finally:
            end_process(process, within_s=10.0)


def listens(port: int) -> bool:
    """Tell whether somebody listens on a port of this machine."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
