"""A ledger that is not the one any more is noticed, on both databases; one that is away is not."""

import shutil

import pytest
from sqlalchemy import create_engine

from daemon.errors import Unavailable
from daemon.ledger.ledger import Ledger
from daemon.ledger.sameness import Sameness
from tests.unit.daemon.ledger.test_ledger import ledger  # noqa: F401  # fixture


def test_a_ledger_stays_the_same_over_restarts_and_its_number_is_no_counter(ledger):  # noqa: F811
    assert Sameness(ledger).loss() == ""
    before = Sameness(ledger)
    Sameness(ledger)
    assert before.loss() == ""
    assert ledger.counters() == {}


def test_a_deleted_file_is_noticed_and_one_made_anew_in_its_place_too(tmp_path):
    opened = Ledger(tmp_path / "ledger.sqlite")
    sameness = Sameness(opened)
    for file in tmp_path.glob("ledger.sqlite*"):
        file.unlink()
    assert "was deleted" in sameness.loss()
    Ledger(tmp_path / "ledger.sqlite").close()
    assert "was replaced by another file" in sameness.loss()
    opened.close()


def test_a_backup_that_was_put_in_its_place_is_noticed(tmp_path):
    opened = Ledger(tmp_path / "ledger.sqlite")
    sameness = Sameness(opened)
    shutil.copy(tmp_path / "ledger.sqlite", tmp_path / "backup")
    (tmp_path / "backup").replace(tmp_path / "ledger.sqlite")
    assert "was replaced by another file" in sameness.loss()
    opened.close()


@pytest.mark.parametrize("what", ["DELETE FROM counter", "DROP TABLE counter"])
def test_another_database_in_its_place_is_noticed(ledger, what):  # noqa: F811
    sameness = Sameness(ledger)
    with ledger.engine.begin() as connection:
        connection.exec_driver_sql(what)
    assert sameness.loss() == "the ledger was replaced by another database"


def test_a_server_that_does_not_answer_is_not_taken_for_another(tmp_path):
    opened = Ledger(tmp_path / "ledger.sqlite")
    sameness = Sameness(opened)
    away = "postgresql+psycopg://wristd@/ledger?host=/nowhere"
    opened.engine, opened.file = create_engine(away), None
    with pytest.raises(Unavailable, match="ledger: no connection"):
        sameness.loss()


def test_a_server_that_does_not_answer_at_a_start_is_waited_for(tmp_path):
    with pytest.raises(Unavailable, match="ledger: no connection"):
        Ledger("postgresql+psycopg://wristd@/ledger?host=/nowhere")
    one = Ledger(tmp_path / "ledger.sqlite")
    with one.transaction(), pytest.raises(Unavailable, match="another process keeps it locked"):
        Ledger(tmp_path / "ledger.sqlite", busy_timeout_s=0.05)
    one.close()
