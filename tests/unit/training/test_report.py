"""A report of every task: whole, self-contained, with the figures of the evaluation."""

import json
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from model import checkpoint
from tests.support.films import KINDS, draw, recipe_tree, write_films
from training import evaluate, report
from training.judging.chapters import figure_text
from training.recipe import Recipe
from training.train import train

PACKAGE = Path(__file__).parents[3] / "model" / "packages" / "wrist-demo"
FILMS = 15
VOID = {"meta", "img"}
HOSTILE = "<script>alert('$x$')</script>"
PLACES = ("distal_ulna", "<b>$distal$</b>")
SHORT = {"optimiser__epochs": 1, "optimiser__accumulate": 1}
TASKS = {
    "single": {"watch__baselines": True},
    "multi": {"task": "multi", "classes": ["fracture", "metal"]},
    "binary": {
        "task": "binary",
        "classes": ["fracture"],
        "network": {"kind": "resnet", "backbone": "resnet18", "size": 64},
    },
    "landmarks": {
        "task": "landmarks",
        "classes": [],
        "network": {
            "kind": "hourglass",
            "size": 64,
            "width": 8,
            "depth": 2,
            "landmarks": list(PLACES),
        },
    },
}


class Reader(HTMLParser):
    """Insists that every element is closed; keeps tags, attributes and texts."""

    def __init__(self, text):
        super().__init__()
        self.open, self.tags, self.attributes = [], [], []
        self.texts = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] != "style":
            self.texts.append((self.open[-1], data))

    def all_text(self):
        return "\n".join(text for _, text in self.texts)

    def captions(self, chapter, section):
        """Return the texts below films under a heading."""
        found, here = [], ["", ""]
        for tag, text in self.texts:
            if tag in ("h2", "h3"):
                here = [text, ""] if tag == "h2" else [here[0], text]
            elif tag == "figcaption" and here[0] == chapter and here[1].startswith(section):
                found.append(text)
        return found


def write_task(root, task):
    """Write films for one task: without third kinds where they have no label, or with places."""
    manifest = write_films(root, train=12, val=FILMS)
    lines = manifest.read_text().splitlines()
    if task in ("multi", "binary"):
        lines = [line.replace(",no_finding,", ",,") for line in lines]
    if task == "binary":
        lines = [line.replace(",metal,", ",,") for line in lines]
    if task == "landmarks":
        lines = [f"{lines[0]},landmarks", *(f"{line},10 20;30 {40 + n}" for n, line in
                                            enumerate(lines[1:]))]  # fmt: skip
    manifest.write_text("\n".join(lines) + "\n")
    return manifest


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """A short run of each task, trained when it is first asked for."""
    done = {}

    def run(task):
        if task not in done:
            root = tmp_path_factory.mktemp(task)
            write_task(root, task)
            train(Recipe.check(recipe_tree(root, **SHORT, **TASKS[task]), "test"))
            done[task] = root
        return done[task]

    return run


def words(root, out, *more):
    films = ["--manifest", str(root / "films.csv"), "--split", "val"]
    return [str(root / "out"), *films, "--out", str(out), *more]


def read(path):
    return Reader(path.read_text(encoding="utf-8"))


@pytest.mark.long
@pytest.mark.parametrize("task", TASKS)
def test_page_is_whole_and_self_contained_and_holds_the_figures_of_the_evaluation(
    runs, task, tmp_path
):
    root = runs(task)
    assert evaluate.main(words(root, tmp_path / "judged")) == 0
    assert report.main(words(root, tmp_path / "page")) == 0
    page = read(tmp_path / "page" / report.PAGE_FILE)
    evaluated = json.loads((tmp_path / "judged" / "evaluation.json").read_text())
    assert evaluated == json.loads((tmp_path / "page" / "evaluation.json").read_text())
    shown = page.all_text()
    for name, figures in evaluated["landmarks" if task == "landmarks" else "findings"].items():
        for figure, values in figures.items():
            if name != "no_finding" and figure != "films":
                assert figure_text(values) in shown, (name, figure)
    references = [value for name, value in page.attributes if name in ("src", "href", "srcset")]
    assert references
    assert all(value.startswith("data:image/") for value in references)
    assert not {"script", "link", "iframe", "object", "form"} & set(page.tags)
    assert f"{FILMS} films of {FILMS} patients." in shown
    assert ("provisional" in shown) == (task != "landmarks")


@pytest.mark.long
def test_gallery_shows_exactly_the_films_that_are_wrong(runs, tmp_path):
    root = runs("single")
    assert report.main(words(root, tmp_path, "--pictures", str(FILMS))) == 0
    page = read(tmp_path / report.PAGE_FILE)
    matrix = np.array(json.loads((tmp_path / "evaluation.json").read_text())["confusion"])
    errors = 0
    for name in ("fracture", "metal"):
        index = KINDS.index(name)
        missed = page.captions(f"Films: {name}", "False negatives")
        alarms = page.captions(f"Films: {name}", "False positives")
        assert all(caption.endswith(f"truth: {name}") for caption in missed)
        assert not any(caption.endswith(f"truth: {name}") for caption in alarms)
        assert len(missed) == matrix[index].sum() - matrix[index, index]
        assert len(alarms) == matrix[:, index].sum() - matrix[index, index]
        errors += len(missed) + len(alarms)
    assert errors > 0


@pytest.mark.long
def test_names_of_files_are_shown_only_to_those_who_ask(runs, tmp_path):
    root = runs("landmarks")
    names = {f"{number}.png" for number in range(12, 12 + FILMS)}
    assert report.main(words(root, tmp_path / "a", "--pictures", "40")) == 0
    hidden = read(tmp_path / "a" / report.PAGE_FILE).captions("Films", "Largest")
    assert len(hidden) == FILMS
    assert not any(name in caption for name in names for caption in hidden)
    assert report.main(words(root, tmp_path / "b", "--pictures", "40", "--names")) == 0
    shown = read(tmp_path / "b" / report.PAGE_FILE).captions("Films", "Largest")
    assert {caption.partition(":")[0] for caption in shown} == names


@pytest.mark.long
def test_hostile_names_values_and_recipes_are_shown_as_text(runs, tmp_path):
    root, films = runs("multi"), tmp_path / "films"
    films.mkdir()
    rows = ["file,labels,split,patient,view"]
    for number in range(12):
        name = f"<img src=x onerror=alert({number})>.png"
        draw(("fracture", "metal")[number % 2], number).save(films / name)
        label, view = ("fracture", "metal")[number % 2], ("PA", HOSTILE)[number // 2 % 2]
        rows.append(f"{name},{label},val,p{number},{view}")
    (films / "films.csv").write_text("\n".join(rows))
    stored = checkpoint.load(root / "out" / "last.pt")
    recipe = stored.recipe | {"name": f"</title>{HOSTILE}\x00"}
    checkpoint.save(replace(stored, recipe=recipe), films / "out" / "last.pt")
    assert report.main(words(films, tmp_path / "page", "--names")) == 0
    page = read(tmp_path / "page" / report.PAGE_FILE)
    assert not {"script", "b"} & set(page.tags)
    assert not [name for name, _ in page.attributes if name.startswith("on")]
    assert HOSTILE in page.all_text()
    assert "<img src=x onerror=alert(0)>.png" in page.all_text()
    assert "\x00" not in page.all_text()


@pytest.mark.long
@pytest.mark.parametrize("task", TASKS)
def test_run_without_films_shows_its_own_figures_curves_and_warnings(runs, task, tmp_path):
    root = runs(task)
    last = root / "out" / "last.pt"
    assert report.main([str(last), "--out", str(tmp_path)]) == 0
    page = read(tmp_path / report.PAGE_FILE)
    shown, metrics = page.all_text(), checkpoint.load(last).metrics
    assert "chose the network" in shown
    assert "Loss and the figure that chooses" in shown
    if task == "landmarks":
        assert figure_text(metrics["landmarks"][PLACES[1]]["mean_distance"]) in shown
    else:
        assert figure_text(metrics["findings"]["fracture"]["auroc"]) in shown
        assert f"fracture: {metrics['positives']['fracture']} positive films placed" in shown
    if task == "single":
        assert figure_text(metrics["baselines"]["shortcut"]["fracture"]) in shown
    assert str(root) not in shown


@pytest.mark.long
def test_package_is_reported_with_its_own_map_and_unknown_points(tmp_path):
    write_films(tmp_path, train=3, val=6)
    films = ["--manifest", str(tmp_path / "films.csv"), "--rename", "metal=fracture"]
    out = ["--split", "val", "--pictures", "1", "--out", str(tmp_path / "page")]
    assert report.main([str(PACKAGE), *films, *out]) == 0
    page = read(tmp_path / "page" / report.PAGE_FILE)
    assert "take them as provisional" in page.all_text()
    assert "FracAtlas" in page.all_text()
    assert len(page.captions("Films: fracture", "Least certain")) == 1


@pytest.mark.long
def test_landmarks_are_not_judged_by_folders_nor_by_films_without_places(runs, tmp_path, capsys):
    root = runs("landmarks")
    folders = [str(root / "out"), "--folders", str(tmp_path), "--out", str(tmp_path / "page")]
    assert evaluate.main(folders) == 2
    assert "give --manifest" in capsys.readouterr().err
    other = write_films(tmp_path / "other", train=3, val=3)
    films = ["--manifest", str(other), "--split", "val", "--out", str(tmp_path / "page")]
    assert report.main([str(root / "out"), *films]) == 2
    assert "column landmarks" in capsys.readouterr().err


@pytest.mark.parametrize("main", [evaluate.main, report.main], ids=["evaluate", "report"])
def test_folder_of_nothing_is_refused_in_one_line(main, tmp_path, capsys):
    write_films(tmp_path, train=3, val=3)
    assert main(words(tmp_path, tmp_path / "page")) == 2
    message = capsys.readouterr().err
    assert "cannot be evaluated" in message
    assert message.count("\n") == 1


def test_word_without_equals_sign_is_refused_in_one_line(tmp_path, capsys):
    write_films(tmp_path, train=3, val=3)
    films = ["--manifest", str(tmp_path / "films.csv"), "--where", "view"]
    assert evaluate.main([str(PACKAGE), *films, "--out", str(tmp_path / "page")]) == 2
    assert "write NAME=VALUE" in capsys.readouterr().err
