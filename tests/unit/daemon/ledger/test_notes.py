"""Notes: what is so now, until it is not; and what stood for them before, on both databases."""

from datetime import timedelta

from alembic import command
from alembic.config import Config
from sqlalchemy import insert

from daemon.ledger.notes import Noted, Notes
from daemon.ledger.schema import MIGRATIONS, bring_up_to_date
from daemon.ledger.tables import CounterRow
from daemon.signals import Signal
from tests.unit.daemon.ledger.test_ledger import NOW, arrival, ledger  # noqa: F401  # fixtures

LATER = NOW + timedelta(hours=1)
CPU = Noted(Signal.READS_ON, NOW, "wrist", "a_b-one", "CPU")
SLOW = Noted(Signal.SLOWER, NOW, "wrist", "aXb-two")


def test_a_note_stands_since_it_was_said_first_in_these_words(ledger):  # noqa: F811
    notes = Notes(ledger)
    for words, at in (("CPU", NOW), ("CPU", LATER)):
        notes.set(Noted(Signal.READS_ON, at, "wrist", "a_b-one", words))
    assert notes.standing() == [CPU]
    cuda = Noted(Signal.READS_ON, LATER, "wrist", "a_b-one", "CUDA")
    notes.set(cuda)
    assert notes.standing() == [cuda]
    notes.set(cuda, is_so=False)
    assert notes.standing() == []


def test_a_worker_forgets_its_own_notes_of_some_kinds_only(ledger):  # noqa: F811
    notes = Notes(ledger)
    for note in (CPU, SLOW):
        notes.set(note)
    notes.forget([Signal.SLOWER], "a_b-")
    assert notes.standing() == [CPU, SLOW]
    notes.forget([Signal.READS_ON, Signal.SLOWER], "a_b-")
    assert notes.standing() == [SLOW]
    notes.forget([Signal.SLOWER], "")
    assert notes.standing() == []


def _config(ledger):  # noqa: F811
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes["engine"] = ledger.engine
    return config


def test_what_stood_among_the_counters_before_there_were_notes(ledger):  # noqa: F811
    ledger.record([arrival()])
    config = _config(ledger)
    command.downgrade(config, "0080")
    before = {
        "reads on: CPU (reader1)": 1,
        "degraded: device lost (reader1)": 0,
        "alert_study_held": 7,
        "alert_ledger_was_new": 2,
        "alert_no_report": 3,
        "refused_body_part CHEST": 4,
    }
    with ledger.transaction() as connection:
        rows = [{"name": name, "value": value} for name, value in before.items()]
        connection.execute(insert(CounterRow), rows)
    bring_up_to_date(ledger.engine)
    assert ledger.counters() == {"alert_no_report": 3, "refused_body_part CHEST": 4}
    assert Notes(ledger).standing() == [Noted(Signal.LEDGER_WAS_NEW, NOW)]
    command.downgrade(config, "0080")
    assert ledger.counters()["alert_ledger_was_new"] == 1
    bring_up_to_date(ledger.engine)
