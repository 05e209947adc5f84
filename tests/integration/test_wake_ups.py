"""The daemon with every interval at an hour: what goes on then, was rung for or fell due."""

import time
from contextlib import contextmanager
from dataclasses import replace

from daemon import service
from daemon.ledger.overview import study_states
from daemon.settings import load
from tests.support.node import fast_settings, settings_text
from tests.support.objects import EXAM, save_all, study_of
from tests.support.peers import running_pacs
from tests.support.phantoms import wrist
from tests.support.tools import wait_until

AN_HOUR_S = 3600.0
QUIET_S = 1.0
SECTIONS = {
    "assembly": {"quiet_period_s": QUIET_S, "sweep_interval_s": AN_HOUR_S},
    "delivery": {"interval_s": AN_HOUR_S},
    "reading": {"provider": "cpu"},
}


@contextmanager
def patient_daemon(folder, *destinations):
    """Run it in this process; gives its parts and its port."""
    folder.mkdir()
    file = folder / "settings.toml"
    file.write_text(settings_text(fast_settings(SECTIONS), destinations))
    built = service.build(load(file), file)
    site = replace(built, pipeline=replace(built.pipeline, look_again_s=AN_HOUR_S))
    with site.running() as port:
        yield site, port


def test_no_timer_stands_between_a_study_and_its_results(tmp_path, caplog):
    images = study_of([(view, wrist(view, spacing_mm=1.0)) for view in ("PA", "LAT")])
    with (
        running_pacs(tmp_path / "one", embedded=True) as one,
        running_pacs(tmp_path / "other", embedded=True) as other,
    ):
        other.options = {"commitment": True}  # which it does not take part in
        with patient_daemon(tmp_path / "node", one, other) as (site, port):
            one.knows("WRISTD", port)
            one.keep(save_all(images, tmp_path))
            one.forward(EXAM.study_uid, "WRISTD")

            def is_delivered():
                [study] = study_states(site.ledger, 10) or [None]
                sent = study.deliveries if study else {}
                return sent.get("delivered", 0) > 0 and not sent.get("pending")

            wait_until(is_delivered, "every result in both archives", 120.0)
            wait_until(
                lambda: "commitment put off" in caplog.text, "commitment to be asked for", 60.0
            )
        assert len(one.objects(EXAM.study_uid)) - len(images) == len(other.objects(EXAM.study_uid))


def test_a_daemon_with_nothing_to_do_stops_at_once(tmp_path):
    with (
        running_pacs(tmp_path / "pacs", embedded=True) as pacs,
        patient_daemon(tmp_path / "node", pacs),
    ):
        begun = time.monotonic()
    assert time.monotonic() - begun < 1.0
