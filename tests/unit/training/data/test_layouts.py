"""Published data sets in miniature become manifests, split by patient."""

import json
from collections import Counter

import pytest

from tests.support import phantoms
from tests.support.films import draw, write_films
from tests.support.objects import dx, save
from training.data.__main__ import main
from training.data.examples import DataError
from training.data.layouts import read_fracatlas, read_kermany, read_mura, read_set
from training.data.splits import overlaps, read_split

TABLE = (
    "image_id,hand,leg,hip,shoulder,mixed,hardware,multiscan,fractured,fracture_count,"
    "frontal,lateral,oblique"
)


def put(root, *names) -> None:
    """Draw a film under each name, no two alike."""
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        film = draw("metal", sum(map(ord, str(path))) + 7919 * len(list(root.rglob("*"))))
        film.convert("L").save(path) if path.suffix != ".png" else film.save(path)


def write_fracatlas(root, count=20):
    rows = [TABLE]
    for n in range(count):
        broken = n % 2
        put(root, f"images/{'Fractured' if broken else 'Non_fractured'}/IMG{n:07}.jpg")
        rows.append(f"IMG{n:07}.jpg,1,0,0,{n % 4 // 3},0,{n % 3 // 2},0,{broken},{broken},1,1,0")
    (root / "dataset.csv").write_text("\n".join(rows) + "\n")
    return root


def write_kermany(root):
    put(
        root,
        "train/NORMAL/IM-0115-0001.jpeg",
        "train/NORMAL/NORMAL2-IM-0994-0001-0002.jpeg",
        "train/PNEUMONIA/person1_bacteria_1.jpeg",
        "train/PNEUMONIA/person1_bacteria_2.jpeg",
        "val/NORMAL/NORMAL2-IM-1427-0001.jpeg",
        "val/PNEUMONIA/person1946_bacteria_4874.jpeg",
        "test/NORMAL/IM-0001-0001.jpeg",
        "test/PNEUMONIA/person3_virus_15.jpeg",
    )
    return root


def write_mura(root, patients=12):
    for n in range(patients):
        split, kind = ("train", "valid")[n % 3 == 2], ("positive", "negative")[n % 2]
        study = f"{split}/XR_WRIST/patient{n:05}/study1_{kind}"
        put(root, f"{study}/image1.png", f"{study}/image2.png")
        (root / study / "._image1.png").write_bytes(b"left by a desktop")
    return root


def test_fracatlas_says_fracture_region_and_views(tmp_path):
    films = read_fracatlas(write_fracatlas(tmp_path))
    assert Counter(film.labels for film in films) == {(): 10, ("fracture",): 10}
    assert films[3].columns["region"] == "hand+shoulder"
    assert films[3].columns["views"] == "frontal+lateral"
    assert len({film.patient for film in films}) == 20


def test_fracatlas_without_a_film_of_its_table_is_refused(tmp_path):
    write_fracatlas(tmp_path)
    (tmp_path / "images/Fractured/IMG0000001.jpg").unlink()
    with pytest.raises(DataError, match=r"1 films of dataset.csv are not there, as IMG0000001"):
        read_fracatlas(tmp_path)


def test_chest_films_tell_patient_and_cause_by_their_names(tmp_path):
    films = {film.path.stem: film for film in read_kermany(write_kermany(tmp_path))}
    assert films["NORMAL2-IM-0994-0001-0002"].patient == "NORMAL2-IM-0994"
    assert films["IM-0001-0001"].split == "test"
    virus = films["person3_virus_15"]
    assert (virus.patient, virus.labels, virus.columns["cause"]) == (
        "person3",
        ("pneumonia",),
        "virus",
    )


def test_chest_film_of_another_name_is_refused(tmp_path):
    put(tmp_path, "train/NORMAL/holiday.jpeg")
    with pytest.raises(DataError, match=r"holiday\.jpeg: is not named as"):
        read_kermany(tmp_path)


def test_study_folders_tell_patient_region_and_label(tmp_path):
    films = read_mura(write_mura(tmp_path))
    assert len(films) == 24
    assert Counter(film.split for film in films) == {"train": 16, "val": 8}
    assert films[0].labels == ("abnormality",)
    assert films[0].columns == {"region": "wrist", "study": "study1"}
    assert overlaps(films) == {}


def test_conversion_splits_by_patient_and_keeps_what_the_source_says(tmp_path, capsys):
    out = tmp_path / "made" / "films.csv"
    source = write_fracatlas(tmp_path / "atlas", 60)
    assert main(["convert", "fracatlas", str(source), "--out", str(out)]) == 0
    films = read_split(out)
    assert len(films) == 60
    assert {film.split for film in films} == {"train", "val", "test"}
    assert films[3].columns["region"] == "hand+shoulder"
    assert json.loads(out.with_suffix(".json").read_text())["seed"] == 42
    assert "train: " in capsys.readouterr().out


def test_published_splits_stay_unless_shares_are_asked_for(tmp_path):
    source, out = write_mura(tmp_path / "mura"), tmp_path / "films.csv"
    command = ["convert", "mura", str(source), "--out", str(out)]
    assert main(command) == 0
    assert {film.split for film in read_split(out)} == {"train", "val"}
    assert main([*command, "--shares", "train=0.5", "test=0.5"]) == 0
    assert {film.split for film in read_split(out)} == {"train", "test"}


def test_published_split_with_a_patient_on_both_sides_is_refused_and_nothing_written(
    tmp_path, capsys
):
    source = write_kermany(tmp_path / "chest")
    put(source, "test/PNEUMONIA/person1_virus_6.jpeg")
    assert main(["convert", "kermany", str(source), "--out", str(tmp_path / "films.csv")]) == 2
    assert "1 patient values lie in more than one split" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["chest"]


def test_copies_are_left_out_and_counted(tmp_path, capsys):
    source = write_mura(tmp_path / "mura")
    studies = [path for path in source.rglob("study1_positive") if "patient00000" in str(path)]
    (studies[0] / "image3.png").write_bytes((studies[0] / "image1.png").read_bytes())
    out = tmp_path / "films.csv"
    assert main(["convert", "mura", str(source), "--out", str(out)]) == 0
    assert len(read_split(out)) == 24
    assert "1 copies of other films" in capsys.readouterr().out


def test_dicom_headers_fill_in_what_folders_do_not_tell(tmp_path):
    for number, kind in enumerate(("fracture", "metal")):
        folder = tmp_path / "set" / "train" / kind
        folder.mkdir(parents=True)
        picture = phantoms.wrist(seed=number)[::4, ::4].copy()
        save(dx(picture, "LAT"), folder / f"film{number}.dcm")
    out = tmp_path / "films.csv"
    assert main(["convert", "folders", str(tmp_path / "set"), "--out", str(out)]) == 0
    [film, _] = read_split(out)
    assert (film.age, film.sex, film.view, film.laterality) == (45, "F", "LAT", "L")
    assert "DRAWN" not in out.read_text()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--shares", "train"], "--shares: 'train' is not of the form"),
        (["--shares", "train=much"], "--shares: could not convert"),
        (["--shares", "train=0.75", "val=0.25"], "give steps of 1/10"),
        (["--where", "region=hip"], "no film of layout fracatlas"),
    ],
)
def test_a_conversion_that_cannot_be_is_one_line(tmp_path, capsys, words, said):
    source = write_fracatlas(tmp_path / "atlas", 4)
    out = tmp_path / "films.csv"
    assert main(["convert", "fracatlas", str(source), "--out", str(out), *words]) == 2
    assert said in capsys.readouterr().err
    assert not out.exists()


def test_too_few_patients_to_split_are_said(tmp_path, capsys):
    source = write_fracatlas(tmp_path / "atlas", 4)
    out = tmp_path / "films.csv"
    assert main(["convert", "fracatlas", str(source), "--out", str(out)]) == 2
    assert "less than 10 patients" in capsys.readouterr().err


def test_numbered_class_folders_need_names(tmp_path):
    put(tmp_path, "train/0/a.png", "train/1/b.png")
    with pytest.raises(DataError, match="--classes"):
        read_set(tmp_path)
    films = read_set(tmp_path, classes=("fracture", "metal"), rename={"metal": "no_finding"})
    assert [film.labels for film in films] == [("fracture",), ()]


def test_the_list_counts_films_patients_and_classes(tmp_path, capsys):
    manifest = write_films(tmp_path, 6, 3)
    assert main(["list", str(manifest), "--rename", "metal=no_finding"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "train: 6 films of 6 patients: fracture 2, no_finding 4",
        "val: 3 films of 3 patients: fracture 1, no_finding 2",
    ]


def test_the_real_tables_are_read(real_data, capsys):
    manifest = real_data / "fracatlas" / "manifest.csv"
    assert main(["list", str(manifest), "--where", "hand_only=1"]) == 0
    assert "train: 851 films" in capsys.readouterr().out
