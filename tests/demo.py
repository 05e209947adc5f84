"""The daemon at work: a PACS sends studies, results come back, every promise is checked.

``python -m tests.demo [FOLDER ...]`` sends the studies of the folders (DICOM files, or PNG and JPEG
with a manifest, see `tests.support.wrap`); without a folder it sends drawn wrists and one drawn
chest. Ends with 0 when every promise was kept, and with 1 otherwise.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.panel import Panel
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from tests.support.claims import NOT_ANALYSED, Answer, Claim, claims, slug, write_pictures
from tests.support.node import Node, is_settled, running_daemon
from tests.support.objects import Exam, Patient, save_all, study_of
from tests.support.peers import Pacs, running_pacs
from tests.support.phantoms import chest, wrist
from tests.support.tools import PeerError, tool, wait_until
from tests.support.wrap import Study, studies_in

OUTPUT = Path("demo-output")
AT_MOST = 12
"""Studies taken of one folder."""
OUTCOMES_WITHIN_S = 300.0

console = Console(highlight=False)


def main(folders: Sequence[Path]) -> int:
    """Run the demonstration; return the exit code."""
    _try_to_install_orthanc()
    shutil.rmtree(OUTPUT, ignore_errors=True)
    with tempfile.TemporaryDirectory(prefix="wristd-demo-") as name:
        work = Path(name)
        studies = _studies(folders, work / "studies")
        with running_pacs(work / "pacs") as pacs, running_daemon(work / "node", [pacs]) as node:
            console.print(f"PACS: [b]{pacs.name}[/b], node: [b]{node.ae_title}[/b]")
            for line in node.log:
                console.print(f"[dim]{line.split(': ', 1)[-1]}[/dim]")
            answers = _play(studies, pacs, node)
    return _tell(answers, drawn=not folders)


def _studies(folders: Sequence[Path], target: Path) -> list[Study]:
    """Return what is sent. Of chest films some say WRIST: only their pixels tell the truth."""
    if not folders:
        return _drawn(target)
    studies: list[Study] = []
    for number, folder in enumerate(folders):
        found = studies_in(folder, target / f"{number}", limit=AT_MOST)
        if all(study.is_wrist is False for study in found):
            disguised = target / f"{number}-disguised"
            found[2:] = studies_in(folder, disguised, first=2, limit=2, body_part="WRIST")
        console.print(f"{folder}: {len(found)} studies (at most {AT_MOST} of a folder are taken)")
        studies += found
    return studies


def _drawn(target: Path) -> list[Study]:
    """Draw three studies; the chest says WRIST in its header, so that only pixels can tell."""
    console.print(
        Panel(
            "The films of this demonstration are [b]drawn[/b] and their scores mean "
            'nothing medically.\nFor real ones: make demo STUDIES="DIR ..."'
        )
    )
    one = Exam(Patient("DRAWN^ONE", "DRAWN-1"), laterality="L")
    two = Exam(Patient("DRAWN^TWO", "DRAWN-2", sex="M"), laterality="R")
    three = Exam(Patient("DRAWN^THREE", "DRAWN-3"), laterality="L")
    sound = [("PA", wrist("PA", "L", seed=1)), ("LAT", wrist("LAT", "L", seed=1))]
    broken = [
        ("PA", wrist("PA", "R", fracture=True, seed=2)),
        ("LAT", wrist("LAT", "R", fracture=True, seed=2)),
    ]
    drawn = {
        "sound wrist (drawn)": (one, sound, True),
        "broken wrist (drawn)": (two, broken, True),
        "chest (drawn)": (three, [("PA", chest())], False),
    }
    return [
        Study(
            exam.study_uid,
            title,
            tuple(save_all(study_of(pictures, exam), target / str(number))),
            is_wrist,
        )
        for number, (title, (exam, pictures, is_wrist)) in enumerate(drawn.items())
    ]


def _play(studies: Sequence[Study], pacs: Pacs, node: Node) -> list[Answer]:
    """Let the PACS send every study, wait for the outcomes, and fetch what came back."""
    pacs.knows(node.ae_title, node.port)
    columns = (TextColumn("{task.description:<24}"), BarColumn(), MofNCompleteColumn())
    states: dict[str, dict[str, object]] = {}
    with Progress(*columns, TimeElapsedColumn(), console=console) as progress:
        sent = progress.add_task("sent to the node", total=len(studies))
        read = progress.add_task("outcome known", total=len(studies))
        back = progress.add_task("results back in the PACS", total=len(studies))
        for study in studies:
            pacs.keep(study.files)
            pacs.forward(study.study_uid, node.ae_title)
            progress.advance(sent)

        def all_back() -> bool:
            states.update(node.studies())
            ours = [states[one.study_uid] for one in studies if one.study_uid in states]
            done = [one for one in ours if one["category"]]
            settled = [one for one in ours if is_settled(one)]
            progress.update(read, completed=len(done))
            progress.update(back, completed=len(settled))
            return len(settled) == len(studies)

        try:
            wait_until(all_back, "every result to be delivered", OUTCOMES_WITHIN_S)
        except PeerError as error:
            raise PeerError(node.account(str(error))) from error
    return [
        Answer(study, states[study.study_uid], pacs.objects(study.study_uid)) for study in studies
    ]


def _tell(answers: Sequence[Answer], *, drawn: bool) -> int:
    """Print outcomes, one report and the promises; write pictures; return the exit code."""
    table = Table("study", "images", "outcome", "highest score", "reports", "captures", "ran on")
    for answer in answers:
        table.add_row(*_row(answer))
        write_pictures(answer, OUTPUT / slug(answer.study.title))
    console.print(table)
    shown = next((one for one in answers if one.state["category"] != NOT_ANALYSED), answers[0])
    report = OUTPUT / slug(shown.study.title) / "report.txt"
    text = report.read_text() if report.exists() else "there is none"
    console.rule(f"the report of: {shown.study.title}")
    console.print(text, markup=False, soft_wrap=True)
    console.rule()
    every = [claim for answer in answers for claim in claims(answer)]
    if drawn:
        every += [
            Claim(one.study.title, "a drawn wrist is analysed", one.state["reason"] is None)
            for one in answers
            if one.study.is_wrist
        ]
    broken = [claim for claim in every if not claim.kept]
    for claim in broken:
        console.print(f"[red]BROKEN[/red] {claim.study}: {claim.text}")
    console.print(f"{len(every) - len(broken)} of {len(every)} promises were kept:")
    for text in dict.fromkeys(claim.text for claim in every):
        mark = "[red]✗[/red]" if any(claim.text == text for claim in broken) else "[green]✓[/green]"
        console.print(f"  {mark} {text}")
    console.print(f"Pictures and reports: [b]{OUTPUT.resolve()}[/b]")
    return 1 if broken else 0


def _row(answer: Answer) -> list[str]:
    state = answer.state
    score = state["highest_score"]
    return [
        answer.study.title,
        str(len(answer.images)),
        state["category"] + (f": {state['reason']}" if state["reason"] else ""),
        "-" if score is None else f"{score:.3f}",
        str(len(answer.reports)),
        str(len(answer.captures)),
        str(state["provider"]).removesuffix("ExecutionProvider"),
    ]


def _try_to_install_orthanc() -> None:
    """Install Orthanc where that needs no question: as root, with apt-get."""
    if tool("Orthanc") or os.geteuid() != 0 or not tool("apt-get"):
        return
    console.print("Orthanc is not installed; trying apt-get ...")
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for arguments in (["update"], ["install", "-y", "--no-install-recommends", "orthanc"]):
        command = ["apt-get", "-qq", *arguments]
        done = subprocess.run(command, env=environment, capture_output=True, check=False)
        if done.returncode:
            console.print("... which failed: the embedded storage SCP takes its place.")
            return


if __name__ == "__main__":
    sys.exit(main([Path(argument) for argument in sys.argv[1:]]))
