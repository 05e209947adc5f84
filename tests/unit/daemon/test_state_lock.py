"""One state folder, one daemon."""

import os
import subprocess
import sys
from threading import Thread

import pytest

from daemon.errors import EXIT_MISCONFIGURED, Misconfigured
from daemon.place import IDENTITY, Place
from daemon.state_lock import StateLock


def test_a_second_daemon_is_told_who_holds_the_folder(tmp_path):
    first = StateLock(tmp_path)
    with pytest.raises(Misconfigured, match=f"in use by another daemon .process {os.getpid()} on"):
        StateLock(tmp_path)
    first.release()
    StateLock(tmp_path).release()


def test_a_daemon_that_was_killed_holds_nothing(tmp_path):
    program = (
        f"from daemon.state_lock import StateLock\nfrom pathlib import Path\n"
        f"lock = StateLock(Path({str(tmp_path)!r}))\nprint('held', flush=True)\ninput()"
    )
    holder = subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout.readline() == "held\n"
    with pytest.raises(Misconfigured, match=str(holder.pid)):
        StateLock(tmp_path)
    holder.kill()
    holder.communicate()
    StateLock(tmp_path).release()


@pytest.mark.long
def test_a_second_daemon_ends_before_it_touches_anything(tmp_path):
    state = tmp_path / "state"
    place = Place(root=state)
    place.create()
    lock = StateLock(state)
    half = place.spool / "1-1.part"
    half.write_bytes(b"half")
    before = {file: file.stat().st_mtime_ns for file in state.rglob("*")}
    settings = tmp_path / "settings.toml"
    settings.write_text(
        '[node]\nstate_dir = "state"\n[receiver]\nport = 0\n[[destinations]]\n'
        'kind = "dimse"\nname = "pacs"\nae_title = "PACS"\nhost = "127.0.0.1"\nport = 104\n'
    )
    command = [sys.executable, "-m", "daemon", "--config", str(settings)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    lock.release()
    assert done.returncode == EXIT_MISCONFIGURED
    assert f"in use by another daemon (process {os.getpid()} on" in done.stderr
    assert {file: file.stat().st_mtime_ns for file in state.rglob("*")} == before


def test_a_state_folder_keeps_the_identity_that_it_got_first(tmp_path):
    place = Place(root=tmp_path)
    homes = []
    threads = [Thread(target=lambda: homes.append(place.home())) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(homes)) == 1
    assert [file.name for file in tmp_path.iterdir()] == [IDENTITY]
    (tmp_path / IDENTITY).write_text("nonsense")
    with pytest.raises(Misconfigured, match="holds no identity"):
        place.home()
    with pytest.raises(Misconfigured, match="No such file"):
        Place(root=tmp_path / "nowhere").home()
