from collections import Counter
from pathlib import Path

import pytest

from tests.support.films import draw
from training import curate
from training.curate import (
    SHARES,
    SINGLE_PATHOLOGY,
    draw_published,
    insist,
    single_pathology,
    tally,
)
from training.data.examples import DataError, Example, facts_of
from training.data.grazpedwri import (
    pathologies,
    read_films,
    read_labels,
    read_source,
    read_table,
)
from training.data.splits import counts, overlaps, read_split, split_by_patient

COLUMNS = (
    "filestem,patient_id,study_number,timehash,gender,age,laterality,projection,initial_exam,"
    "ao_classification,cast,diagnosis_uncertain,osteopenia,fracture_visible,metal,pixel_spacing,"
    "device_manufacturer"
)
BOX = "0.5 0.5 0.1 0.1"


def write_source(root: Path, boxes: list[list[int] | None]) -> None:
    """Write a data set in miniature: two films for each patient; None for no label file."""
    for folder in ("images", "labels"):
        (root / folder).mkdir(parents=True)
    rows = [COLUMNS]
    for number, ids in enumerate(boxes):
        patient = number // 2 + 1
        stem = f"{patient:04}_{number:010}_01_WRI-L{number % 2 + 1}_M0{40 + number % 50}"
        draw("fracture" if ids and 3 in ids else "no_finding", number).save(
            root / "images" / f"{stem}.png"
        )
        if ids is not None:
            lines = "".join(f"{i} {BOX}\n" for i in ids)
            (root / "labels" / f"{stem}.txt").write_text(lines)
        rows.append(
            f"{stem},{patient},1,{number},M,{4 + number % 9}.5,L,{number % 2 + 1},1,,"
            f"{'1' if number % 3 == 0 else ''},,,,,0.144,Siemens"
        )
    (root / "dataset.csv").write_text("\ufeff" + "\n".join(rows) + "\n", encoding="utf-8")


def test_text_is_no_pathology_wherever_it_stands():
    assert pathologies(["text", "fracture", "text", "fracture"]) == ("fracture",)
    assert pathologies(["text"]) == ()


def test_class_outside_the_list_is_refused_with_its_line(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text(f"3 {BOX}\n9 {BOX}\n")
    with pytest.raises(DataError, match="line 2"):
        read_labels(path)


def test_films_with_two_pathologies_or_none_are_not_single(tmp_path):
    write_source(tmp_path, [[8, 3], [3, 5], [8], None, [4, 4], [7]])
    films = read_films(read_source(tmp_path))
    assert len(films) == 6
    kept = single_pathology(films)
    assert tally(kept) == {"fracture": (1, 1), "metal": (1, 1), "softtissue": (1, 1)}


def test_film_keeps_what_the_table_says_of_it(tmp_path):
    write_source(tmp_path, [[3]])
    (film,) = read_films(read_source(tmp_path))
    assert (film.patient, film.view, film.laterality, film.sex) == ("1", "PA", "L", "M")
    assert (film.age, film.cast, film.metal, film.device) == (4.5, "1", "0", "Siemens")


def test_label_without_a_picture_is_refused(tmp_path):
    write_source(tmp_path, [[3], [3]])
    next((tmp_path / "images").iterdir()).unlink()
    with pytest.raises(DataError, match="1 label files have no picture"):
        read_films(read_source(tmp_path))


def test_counts_that_are_not_the_published_ones_end_the_run(tmp_path, capsys):
    write_source(tmp_path, [[3]] * 4)
    assert curate.main([str(tmp_path), "--out", str(tmp_path / "out")]) == 1
    assert "fracture: (4, 2) films and patients, expected (10026, 3319)" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_published_counts_pass():
    insist(dict(SINGLE_PATHOLOGY), SINGLE_PATHOLOGY)


def test_part_of_the_data_is_curated_into_a_split_without_overlap(tmp_path, capsys):
    kinds = [[0], [3], [4], [7]]
    write_source(tmp_path, [kinds[number // 2 % 4] for number in range(160)])
    out = tmp_path / "out"
    assert curate.main([str(tmp_path), "--out", str(out), "--partial"]) == 0
    assert "single pathology boneanomaly: 40 films of 20 patients" in capsys.readouterr().out
    films = read_split(out / "films.csv")
    share = Counter(film.split for film in films)
    assert len(films) == 160
    assert share["train"] == pytest.approx(112, abs=12)
    assert {film.labels for film in films if film.split == "test"} == {
        ("boneanomaly",),
        ("fracture",),
        ("metal",),
        ("softtissue",),
    }


def test_product_profile_keeps_every_film_with_all_its_labels(tmp_path):
    write_source(tmp_path, [[3, 5], [8], None, [3]] * 20)
    out = tmp_path / "out"
    command = [str(tmp_path), "--out", str(out), "--partial", "--profile", "product"]
    assert curate.main(command) == 0
    films = read_split(out / "films.csv")
    assert Counter(film.labels for film in films) == {
        ("fracture", "periostealreaction"): 20,
        (): 40,
        ("fracture",): 20,
    }


def test_the_same_fractures_are_drawn_each_time(tmp_path):
    write_source(tmp_path, [[3]] * 620)
    films = read_films(read_source(tmp_path))
    drawn = [[f.source for f in draw_published(films)] for _ in range(2)]
    assert drawn[0] == drawn[1]
    assert len(set(drawn[0])) == 600


def test_file_name_says_patient_side_view_sex_and_age():
    assert facts_of("0133_1297860395_02_WRI-R2_F010-3") == {
        "patient": "133",
        "source": "0133_1297860395_02_WRI-R2_F010",
        "laterality": "R",
        "view": "LAT",
        "sex": "F",
        "age": "10",
    }
    assert facts_of("holiday") == {}


def test_real_table_has_the_published_counts(real_data):
    rows = list(read_table(real_data / "grazpedwri" / "dataset.csv").values())
    assert len(rows) == 20327
    assert len({row["patient_id"] for row in rows}) == 6091
    assert Counter(row["projection"] for row in rows) == {"1": 10086, "2": 10148, "3": 93}
    assert Counter(row["laterality"] for row in rows) == {"L": 11135, "R": 9192}
    assert Counter(row["gender"] for row in rows) == {"M": 12040, "F": 8285, "O": 2}
    flags = {"fracture_visible": 13550, "cast": 5776, "metal": 708, "osteopenia": 2473}
    for column, count in flags.items():
        assert sum(row[column] == "1" for row in rows) == count
    ages = [float(row["age"]) for row in rows if row["age"]]
    assert (min(ages), max(ages)) == (0.2, 19.0)


def test_real_file_names_agree_with_the_real_table(real_data):
    rows = read_table(real_data / "grazpedwri" / "dataset.csv")
    wrong = 0
    for stem, row in rows.items():
        facts = facts_of(stem)
        wrong += (facts["patient"], facts["laterality"], facts["sex"]) != (
            row["patient_id"],
            row["laterality"],
            row["gender"],
        )
        wrong += int(facts["age"]) != int(float(row["age"]))
    assert wrong == 0


@pytest.mark.long
def test_patients_of_the_real_table_stay_together_in_a_split(real_data):
    rows = read_table(real_data / "grazpedwri" / "dataset.csv")
    films = [
        Example(
            path=Path(stem),
            labels=("fracture",) if row["fracture_visible"] == "1" else (),
            split="",
            patient=row["patient_id"],
            source=stem,
            sha256=stem,
        )
        for stem, row in rows.items()
    ]
    dealt = split_by_patient(films, SHARES, seed=42)
    assert overlaps(dealt) == {}
    for split, table in counts(dealt).items():
        assert sum(table.values()) / len(films) == pytest.approx(SHARES[split], abs=0.005)
        assert table["fracture"] / sum(table.values()) == pytest.approx(13550 / 20327, abs=0.005)
