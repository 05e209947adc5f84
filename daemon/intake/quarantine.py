"""The quarantine: objects that were refused, kept for a person under a name that tells nothing."""

import logging
from pathlib import Path

from daemon.durable import sync_folder
from daemon.intake.spool import FILE, Part

logger = logging.getLogger(__name__)


def set_aside(refused: Part | Path, digest: str, folder: Path) -> None:
    """Move a refused file into the quarantine; the same bytes are kept once.

    A failing disk only costs the copy: the sender has been told that the object was refused.
    """
    final = folder / f"{digest}{FILE}"
    try:
        if isinstance(refused, Part):
            refused.sync()
            refused.name(final)
            refused.discard()
        else:
            refused.replace(final)
        sync_folder(folder)
    except OSError as error:
        logger.warning("a refused object could not be kept: %s", error.strerror)
    else:
        logger.warning("a refused object is kept as quarantine/%s", final.name)
