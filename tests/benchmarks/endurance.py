"""Does a receiver process grow? Many objects over 16 associations, its memory after each tenth.

    python -m tests.benchmarks.endurance [--objects 100000]

The objects are small CR images (36 kB), two to a study; all are new.
"""

import argparse
import tempfile
import threading
import time
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from tests.benchmarks.blast import Item, Peer, associate_rq, store_pdus
from tests.benchmarks.receivers import Measured, wristd
from tests.support.objects import cr, save
from tests.support.phantoms import wrist

ASSOCIATIONS = 16
TENTHS = 10
_UIDS = ("SOPInstanceUID", "SeriesInstanceUID", "StudyInstanceUID")
_STEM = "1.2.826.0.1.3680043.10.1998"
_DIGITS = 1_000_000_000


def main() -> None:
    """Send and report; ends with an error if an object was not taken."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--objects", type=int, default=100_000)
    options = parser.parse_args()
    tenth = options.objects // TENTHS
    table = Table("objects", "/s", "RSS MB", "peak MB", "CPU s/100")
    with tempfile.TemporaryDirectory() as name:
        template = _template(Path(name))
        with wristd(Path(name), 1) as receiver:
            for number in range(TENTHS):
                cpu, begun = receiver.cpu_s(), time.perf_counter()
                _send_all(receiver, template, range(number * tenth, (number + 1) * tenth))
                table.add_row(
                    f"{(number + 1) * tenth}",
                    f"{tenth / (time.perf_counter() - begun):.0f}",
                    f"{_resident_mb(receiver.pid):.0f}",
                    f"{receiver.rss_mb():.0f}",
                    f"{(receiver.cpu_s() - cpu) / tenth * 100:.3f}",
                )
    Console().print(table)


def _template(folder: Path) -> Item:
    picture = np.ascontiguousarray(wrist(seed=1)[300:432, 200:336])
    dataset = cr(picture)
    for position, keyword in enumerate(_UIDS, start=1):
        setattr(dataset, keyword, f"{_STEM}.{_DIGITS}.{position}")
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    return Item.read(save(dataset, folder / "template.dcm"))


def _numbered(template: Item, number: int) -> Item:
    data_set = template.data_set
    for position in range(1, len(_UIDS) + 1):
        new = _DIGITS + (number if position < len(_UIDS) else number // 2)
        data_set = data_set.replace(
            f"{_STEM}.{_DIGITS}.{position}".encode(), f"{_STEM}.{new}.{position}".encode()
        )
    return Item(template.sop_class, template.syntax, f"{_STEM}.{_DIGITS + number}.1", data_set)


def _send_all(receiver: Measured, template: Item, numbers: range) -> None:
    bad: list[int] = []
    senders = [
        threading.Thread(target=_send, args=(receiver, template, numbers[start::ASSOCIATIONS], bad))
        for start in range(ASSOCIATIONS)
    ]
    for sender in senders:
        sender.start()
    for sender in senders:
        sender.join()
    if bad:
        raise SystemExit(f"{len(bad)} objects were not taken")


def _send(receiver: Measured, template: Item, numbers: range, bad: list[int]) -> None:
    peer = Peer(receiver.port)
    contexts = {(template.sop_class, template.syntax): 1}
    if peer.associate(associate_rq(receiver.ae_title, contexts)) != 2:
        bad.extend(numbers)
        return
    for number in numbers:
        peer.send(store_pdus(_numbered(template, number), 1, peer.max_pdu))
        if peer.status() != 0:
            bad.append(number)
    peer.release()


def _resident_mb(pid: int) -> float:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmRSS"))


if __name__ == "__main__":
    main()
