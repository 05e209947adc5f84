"""Decode in a child process with limits: a hostile image takes down the child, never the daemon.

Decoders are native code fed by the network. In the trials behind this design one header cost 7 GB
and 48 s, and one plug-in panicked past every handler. The child has limits on memory and CPU time
(setrlimit) and a deadline; when it dies, the image is unreadable and the next one gets a new child.

The child answers with a JSON description, then the raw arrays: nothing it says is unpickled.
"""

import json
import resource
import struct
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from queue import SimpleQueue
from threading import Lock, Timer
from typing import IO, Any

import numpy as np

from daemon.dicom.parse import read_header
from daemon.errors import Unavailable
from daemon.reading.decoding.film import Decoded, NotReadable, decode
from daemon.records import Reason
from daemon.settings import Reading
from model.pixels import Radiograph

_LENGTH = struct.Struct(">II")
"""Bytes of the description, bytes of the arrays."""


@dataclass(eq=False)
class Decoder:
    """A decoding child, started when first needed and again after it died."""

    settings: Reading
    _child: "subprocess.Popen[bytes] | None" = None
    _lock: Lock = field(default_factory=Lock)
    _closed: bool = False

    def decode(self, file: Path) -> Decoded:
        """Decode a stored object; see `daemon.reading.decoding.film.decode`.

        Raises
        ------
        NotReadable
            Also when the child broke a limit.
        Unavailable
            The daemon stops.
        """
        with self._lock:
            description, arrays = self._ask(file)
        if "reason" in description:
            raise NotReadable(Reason(description["reason"]), description["detail"])
        shape = (int(description["rows"]), int(description["columns"]))
        values = np.frombuffer(arrays, np.float32, count=shape[0] * shape[1]).reshape(shape)
        padding = None
        if description["padded"]:
            bits = np.frombuffer(arrays, np.uint8, offset=values.nbytes)
            padding = np.unpackbits(bits, count=values.size).reshape(shape).astype(bool)
        spacing = description["spacing_mm"]
        radiograph = Radiograph(
            values=values,
            inverted=description["inverted"],
            spacing_mm=(spacing[0], spacing[1]) if spacing else None,
            aspect=description["aspect"],
            padding=padding,
            laterality=description["laterality"],
            view=description["view"],
        )
        return Decoded(read_header(file), radiograph)

    def close(self) -> None:
        """End the child, whatever it does at the moment."""
        self._closed = True
        if (child := self._child) is not None:
            child.kill()
        with self._lock:
            self._end()

    def _ask(self, file: Path) -> tuple[dict[str, Any], bytes]:
        if self._closed:
            raise Unavailable("the decoder was ended")
        child = self._child or self._start()
        deadline = Timer(self.settings.decode_timeout_s, child.kill)
        deadline.start()
        try:
            request = {"file": str(file), "settings": self.settings.model_dump()}
            _pipe(child.stdin).write(json.dumps(request).encode() + b"\n")
            _pipe(child.stdin).flush()
            sizes = _LENGTH.unpack(_exactly(_pipe(child.stdout), _LENGTH.size))
            description = json.loads(_exactly(_pipe(child.stdout), sizes[0]))
            return description, _exactly(_pipe(child.stdout), sizes[1])
        except (EOFError, OSError) as error:
            self._end()
            if self._closed:  # it is not the image's fault
                raise Unavailable("the decoder was ended") from error
            raise NotReadable(
                Reason.UNREADABLE, "the decoder broke its limits of time or memory, or crashed"
            ) from error
        finally:
            deadline.cancel()

    def _start(self) -> "subprocess.Popen[bytes]":
        self._child = subprocess.Popen(
            [sys.executable, "-m", "daemon.reading.sandbox"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        return self._child

    def _end(self) -> None:
        if self._child is None:
            return
        self._child.kill()
        self._child.wait()
        for stream in (self._child.stdin, self._child.stdout):
            if stream is not None:
                with suppress(BrokenPipeError):  # a request the dead child never read
                    stream.close()
        self._child = None


class Decoders:
    """Several decoding children: as many images are decoded at once, each in its own process."""

    def __init__(self, settings: Reading, number: int) -> None:
        self._all = [Decoder(settings) for _ in range(number)]
        self._free: SimpleQueue[Decoder] = SimpleQueue()
        for one in self._all:
            self._free.put(one)

    def decode(self, file: Path) -> Decoded:
        """Decode with the next child that is free; see `Decoder.decode`."""
        decoder = self._free.get()
        try:
            return decoder.decode(file)
        finally:
            self._free.put(decoder)

    def close(self) -> None:
        """End the children."""
        for one in self._all:
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


def answer(file: Path, settings: Reading) -> tuple[dict[str, Any], bytes]:
    """Decode in this process, and describe the result in plain values and bytes."""
    try:
        radiograph = decode(file, settings.max_pixels).radiograph
    except NotReadable as error:
        return {"reason": error.reason.value, "detail": str(error)}, b""
    padding = radiograph.padding
    description = {
        "rows": radiograph.values.shape[0],
        "columns": radiograph.values.shape[1],
        "inverted": radiograph.inverted,
        "spacing_mm": radiograph.spacing_mm,
        "aspect": radiograph.aspect,
        "padded": padding is not None,
        "laterality": radiograph.laterality,
        "view": radiograph.view,
    }
    mask = b"" if padding is None else np.packbits(padding).tobytes()
    return description, radiograph.values.tobytes() + mask


def _limit(settings: Reading) -> None:
    """Allow the coming image its share of CPU time, on top of what was used so far."""
    memory = settings.decode_memory_bytes
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    used = resource.getrusage(resource.RUSAGE_SELF)
    cpu_s = int(used.ru_utime + used.ru_stime + settings.decode_timeout_s) + 1
    resource.setrlimit(resource.RLIMIT_CPU, (cpu_s, resource.getrlimit(resource.RLIMIT_CPU)[1]))


def _serve() -> None:
    """Answer requests, one JSON line each, until the parent closes the pipe."""
    for line in sys.stdin.buffer:
        request = json.loads(line)
        settings = Reading.model_validate(request["settings"])
        _limit(settings)
        description, arrays = answer(Path(request["file"]), settings)
        text = json.dumps(description).encode()
        sys.stdout.buffer.write(_LENGTH.pack(len(text), len(arrays)) + text + arrays)
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    _serve()
