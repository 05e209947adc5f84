"""Open stored objects in a child process with limits: a hostile one takes down the child only.

Decoders are native code fed by the network. In the trials behind this design one header cost 7 GB
and 48 s, and one plug-in panicked past every handler. The child (`daemon.reading.child`) has limits
on memory and CPU time and a deadline.

=============================  ===================================================================
the child                      and then
=============================  ===================================================================
answers                        the image is read, or has the reason why not
breaks a limit, or crashes     the image is unreadable; the next one gets a new child
is too slow with a header      within its CPU time: the machine is at fault, and the study waits
is killed by somebody else     the image gets one new child: the kernel (out of memory) or a person
                               may have meant another; if that is killed too, the study waits
=============================  ===================================================================

The child answers with a JSON description, then the raw arrays: nothing it says is unpickled.
"""

import json
import logging
import signal
import struct
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from queue import SimpleQueue
from threading import Lock, Timer
from typing import IO, Any, Literal

from pydantic import ValidationError

from daemon.dicom.header import Header
from daemon.errors import Strained, Unavailable
from daemon.reading.decoded import Decoded, decoded_from
from daemon.reading.refused import FileUnavailable, NotReadable
from daemon.records import Reason
from daemon.settings import Reading

logger = logging.getLogger(__name__)

LENGTHS = struct.Struct(">II")
"""Bytes of the description, bytes of the arrays."""
_HEADER_CPU_S, _HEADER_WITHIN_S = 10.0, 60.0
"""A header that takes so much CPU time is hostile. One that only takes long is not: without it the
results of an honest image would name no patient."""
_LAST_WORDS_S = 0.5
_FROM_OUTSIDE = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
"""Signals that a limit or a crash of ours does not send; our own deadline is told apart."""

Decode = Callable[[Path], Decoded]
Describe = Callable[[Path, Header], Header]


class _KilledFromOutside(Exception):
    """The child died of a signal that somebody else sent."""


@dataclass(eq=False)
class DecoderProcess:
    """A child, started when needed and again after it died; for one thread at a time.

    `opens` tells those who list processes what it is for.
    """

    settings: Reading
    opens: Literal["images", "headers"] = "images"
    _child: "subprocess.Popen[bytes] | None" = None
    _lock: Lock = field(default_factory=Lock)
    _closed: bool = False

    def decode(self, file: Path) -> Decoded:
        """Decode a stored object.

        Raises
        ------
        NotReadable
            Also when the child broke a limit.
        Unavailable
            The disk does not answer, the child was killed from outside twice, or the daemon stops.
        """
        limit = self.settings.decode_timeout_s
        description, arrays = self._twice("decode", file, limit, limit)
        return decoded_from(description, arrays)

    def describe(self, file: Path, named: Header) -> Header:
        """Read a stored object's header.

        Parameters
        ----------
        file : Path
        named : Header
            What the ledger knows of it: its UIDs.

        Returns
        -------
        Header
            With these UIDs; where nothing can be read it says nothing else.

        Raises
        ------
        Unavailable
            As for `decode`; also when the machine is too slow.
        """
        try:
            description, _ = self._twice("describe", file, _HEADER_CPU_S, _HEADER_WITHIN_S)
            said = Header.from_json(description["header"])
        except (NotReadable, ValidationError):
            return replace(named, unreadable=("data set",))
        return replace(
            said,
            sop_class_uid=named.sop_class_uid,
            sop_instance_uid=named.sop_instance_uid,
            study_uid=named.study_uid,
        )

    def warm_up(self) -> None:
        """Start the child, so that no image has to wait until it has loaded its libraries."""
        with self._lock:
            if self._child is None and not self._closed:
                self._start()

    def close(self) -> None:
        """End the child, whatever it does at the moment."""
        self._closed = True
        if (child := self._child) is not None:
            child.kill()
        with self._lock:
            self._end()

    def _twice(
        self, what: str, file: Path, cpu_s: float, within_s: float
    ) -> tuple[dict[str, Any], bytes]:
        """Ask the child, and a new one where somebody killed it."""
        with self._lock:
            try:
                answer = self._ask(what, file, cpu_s, within_s)
            except _KilledFromOutside:
                logger.warning("a decoder was killed from outside: its image gets a new one")
                try:
                    answer = self._ask(what, file, cpu_s, within_s)
                except _KilledFromOutside as error:
                    raise Strained("the decoder was killed from outside twice") from error
        description = answer[0]
        if "unavailable" in description:
            raise FileUnavailable(f"spool: {description['unavailable']}")
        if "reason" in description:
            raise NotReadable(Reason(description["reason"]), description["detail"])
        return answer

    def _ask(
        self, what: str, file: Path, cpu_s: float, within_s: float
    ) -> tuple[dict[str, Any], bytes]:
        if self._closed:
            raise Unavailable("the decoder was ended")
        child = self._child or self._start()
        overdue: list[bool] = []

        def end() -> None:
            overdue.append(True)
            child.kill()

        deadline = Timer(within_s, end)
        deadline.start()
        try:
            settings = self.settings.model_dump_json()
            request = {"do": what, "file": str(file), "cpu_s": cpu_s, "settings": settings}
            _pipe(child.stdin).write(json.dumps(request).encode() + b"\n")
            _pipe(child.stdin).flush()
            sizes = LENGTHS.unpack(_exactly(_pipe(child.stdout), LENGTHS.size))
            description = json.loads(_exactly(_pipe(child.stdout), sizes[0]))
            return description, _exactly(_pipe(child.stdout), sizes[1])
        except (EOFError, OSError) as error:
            self._judge(self._end(), is_overdue=bool(overdue), is_patient=within_s > cpu_s)
            raise NotReadable(
                Reason.UNREADABLE, "the decoder broke its limits of time or memory, or crashed"
            ) from error
        finally:
            deadline.cancel()

    def _judge(self, code: int, *, is_overdue: bool, is_patient: bool) -> None:
        """Judge the death of a child: return if the image is at fault.

        `is_patient` says that the deadline was later than any limit on CPU time.
        """
        if self._closed:
            raise Unavailable("the decoder was ended")
        if is_overdue and is_patient:
            raise Strained("this machine is too slow to read a header now")
        if not is_overdue and -code in _FROM_OUTSIDE:
            raise _KilledFromOutside

    def _start(self) -> "subprocess.Popen[bytes]":
        self._child = subprocess.Popen(
            [sys.executable, "-m", "daemon.reading.child", self.opens],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        return self._child

    def _end(self) -> int:
        """End the child; returns how it ended, as `subprocess` says it."""
        child, self._child = self._child, None
        if child is None:
            return 0
        with suppress(subprocess.TimeoutExpired):  # one that died by itself shows how
            child.wait(_LAST_WORDS_S)
        child.kill()
        code = child.wait()
        for stream in (child.stdin, child.stdout):
            if stream is not None:
                with suppress(BrokenPipeError):  # a request the dead child never read
                    stream.close()
        return code


class Decoders:
    """Several children: as many images are decoded at once; one more reads headers."""

    def __init__(self, settings: Reading, number: int) -> None:
        self._all = [DecoderProcess(settings) for _ in range(number)]
        self._free: SimpleQueue[DecoderProcess] = SimpleQueue()
        for one in self._all:
            self._free.put(one)
        self._for_headers = DecoderProcess(settings, "headers")

    def decode(self, file: Path) -> Decoded:
        """Decode with the next child that is free; see `DecoderProcess.decode`."""
        decoder = self._free.get()
        try:
            return decoder.decode(file)
        finally:
            self._free.put(decoder)

    def describe(self, file: Path, named: Header) -> Header:
        """Read a header, without waiting for an image; see `DecoderProcess.describe`."""
        return self._for_headers.describe(file, named)

    def warm_up(self) -> None:
        """Start the children."""
        for one in (*self._all, self._for_headers):
            one.warm_up()

    def close(self) -> None:
        """End the children."""
        for one in (*self._all, self._for_headers):
            one.close()


def _pipe(stream: IO[bytes] | None) -> IO[bytes]:
    if stream is None:
        raise EOFError
    return stream


def _exactly(stream: IO[bytes], size: int) -> bytes:
    data = stream.read(size)
    if len(data) < size:
        raise EOFError
    return data
