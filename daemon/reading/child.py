"""The child process that opens what peers sent; see `daemon.reading.sandbox`.

It answers requests, one JSON line each, until the parent closes the pipe.
"""

import json
import resource
import sys
from pathlib import Path

from daemon.dicom.file import NotDicom
from daemon.dicom.parse import read_header
from daemon.reading.decoded import Description, described
from daemon.reading.decoding.film import decode
from daemon.reading.refused import NotReadable
from daemon.reading.sandbox import LENGTHS
from daemon.records import Reason
from daemon.settings import Reading


def answer(what: str, file: Path, settings: Reading) -> tuple[Description, bytes]:
    """Do what is asked, and describe the result in plain values and bytes."""
    try:
        if what == "describe":
            return {"header": read_header(file).to_json()}, b""
        return described(decode(file, settings.max_pixels))
    except NotReadable as error:
        return _refusal(error.reason, str(error)), b""
    except NotDicom as error:
        return _refusal(Reason.UNREADABLE, str(error)), b""
    except FileNotFoundError:
        return _refusal(Reason.UNREADABLE, "its file is gone"), b""
    except OSError as error:
        return {"unavailable": error.strerror or type(error).__name__}, b""
    except Exception as error:  # noqa: BLE001 - nothing in an object ends as anything but a reason
        return _refusal(Reason.UNREADABLE, f"{what}: {type(error).__name__}"), b""


def _refusal(reason: Reason, detail: str) -> Description:
    return {"reason": reason.value, "detail": detail}


def _limit(memory: int, more_cpu_s: float) -> None:
    """Allow the coming image its share of CPU time, on top of what was used so far."""
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    used = resource.getrusage(resource.RUSAGE_SELF)
    cpu_s = int(used.ru_utime + used.ru_stime + more_cpu_s) + 1
    resource.setrlimit(resource.RLIMIT_CPU, (cpu_s, resource.getrlimit(resource.RLIMIT_CPU)[1]))


def serve() -> None:
    """Answer until there are no more requests."""
    for line in sys.stdin.buffer:
        request = json.loads(line)
        settings = Reading.model_validate_json(request["settings"])
        _limit(settings.decode_memory_bytes, request["cpu_s"])
        description, arrays = answer(request["do"], Path(request["file"]), settings)
        text = json.dumps(description).encode()
        sys.stdout.buffer.write(LENGTHS.pack(len(text), len(arrays)) + text + arrays)
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    serve()
