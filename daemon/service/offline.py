"""What reads files for a command: the daemon's readers and reporters, without a ledger."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from daemon.clock import utc_now
from daemon.operate.offline.studies import Studies
from daemon.reading.sandbox import Decoders
from daemon.reading.signalling import Untold
from daemon.service.reading import Surroundings, equip, open_models, router
from daemon.settings import Settings


@contextmanager
def offline(settings: Settings, settings_file: Path, outbox: Path) -> Iterator[Studies]:
    """Give what reads studies from files, and writes results into a folder.

    Raises
    ------
    Misconfigured
        No model can be used.
    """
    models = open_models(settings, settings_file)
    decoders = Decoders(settings.reading, 1)  # studies are read one after the other
    where = Surroundings(
        spool=Path("/"),  # files have absolute paths
        outbox=outbox,
        signals=Untold(),
        worker="wristd read",
        decoders=decoders,
        clock=utc_now,
    )
    try:
        equipment = equip(_repeatable(settings), models, where)
        yield Studies(
            settings=settings,
            reader=equipment.readers,
            report=equipment.report,
            describe=decoders.describe,
            route=router(settings),
            clock=utc_now,
        )
    finally:
        decoders.close()


def _repeatable(settings: Settings) -> Settings:
    """Give each image a call of its own where the daemon would measure how many share one.

    The last digits of a score depend on that number, and a measurement on the moment.
    """
    size = settings.reading.batch_size or 1
    reading = settings.reading.model_copy(update={"batch_size": size})
    return settings.model_copy(update={"reading": reading})
