from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from model.pixels import PixelProfile
from training.data import draw
from training.data.examples import DataError, Example, read_manifest
from training.data.films import letterboxed
from training.data.located import box_mask
from training.data.radiographs import read_radiograph
from training.data.splits import data_hash, read_split
from training.recipe.sections import DataSection


def film(number=0, group="g", fractured=False, hand=True, path=None, boxes=()) -> Example:
    labels = ("fracture",) if fractured else ()
    columns = {"hand_only": str(int(hand))}
    path = path or Path(f"{number}.jpg")
    return Example(path, labels, "train", group, str(number), "", boxes=boxes, columns=columns)


def test_row_of_fracatlas_becomes_a_film(tmp_path):
    (tmp_path / "a.jpg").write_bytes(b"")
    row = "a.jpg,fractured,val,7,hand,1,1 2 3.5 4;5 6 7 8,ab\n"
    (tmp_path / "m.csv").write_text(f"file,label,split,group,region,hand_only,boxes,sha256\n{row}")
    (only,) = read_manifest(tmp_path / "m.csv", {"fractured": "fracture"})
    assert (only.labels, only.patient, only.columns["hand_only"]) == (("fracture",), "7", "1")
    assert only.boxes == ((1.0, 2.0, 3.5, 4.0), (5.0, 6.0, 7.0, 8.0))


@pytest.mark.parametrize("column", ["boxes", "landmarks"])
def test_places_that_are_no_numbers_are_refused(tmp_path, column):
    (tmp_path / "a.jpg").write_bytes(b"")
    (tmp_path / "m.csv").write_text(f"file,label,split,patient,{column}\na.jpg,,train,1,3 x\n")
    with pytest.raises(DataError, match=f"a.jpg: {column}: '3 x'"):
        read_manifest(tmp_path / "m.csv")


def test_real_split_shares_no_group(real_data):
    films = read_split(real_data / "fracatlas" / "manifest.csv")
    assert sum(film.split == "train" for film in films) == 2806
    assert sum(film.split == "val" for film in films) == 413


def test_data_hash_changes_with_a_label_and_not_with_the_order():
    films = [film(1), film(2)]
    assert data_hash(films) == data_hash(films[::-1])
    assert data_hash(films) != data_hash([film(1), film(2, fractured=True)])


def test_sixteen_bit_picture_keeps_its_depth(tmp_path):
    values = np.array([[0, 300], [40000, 65535]], dtype=np.uint16)
    Image.fromarray(values).save(tmp_path / "deep.png")
    assert read_radiograph(tmp_path / "deep.png").values.tolist() == values.tolist()


def test_colour_picture_is_read_as_grey(tmp_path):
    Image.new("RGB", (3, 2), (90, 90, 90)).save(tmp_path / "colour.png")
    assert (read_radiograph(tmp_path / "colour.png").values == 90).all()


def test_box_is_drawn_where_the_letterbox_put_it(tmp_path):
    values = np.tile(np.arange(100, dtype=np.uint8), (50, 1))
    Image.fromarray(values).save(tmp_path / "wide.png")
    seen = film(path=tmp_path / "wide.png", boxes=((50, 0, 100, 50),))
    _, placement = letterboxed(seen, PixelProfile(size=64))
    mask = box_mask(seen, placement, 64, 8)
    assert mask[:2].max() == 0  # above the picture
    assert (mask[2:6, 4:] == 1).all()
    assert mask[2:6, :4].max() == 0


def test_sampler_keeps_the_shares_and_shows_every_film():
    films = [film(i, fractured=i < 4, hand=i % 2 == 0) for i in range(40)]
    shares = [
        {"where": {"hand_only": hand, "labels": label}, "share": share}
        for hand, label, share in (("1", "fracture", 0.4), ("1", "", 0.4), ("0", "fracture", 0.1),
                                   ("0", "", 0.1))
    ]  # fmt: skip
    section = DataSection.model_validate({"sampler": "shares", "shares": shares})
    rows = np.concatenate([draw.epoch_rows(films, section, 0, epoch) for epoch in range(24)])
    assert set(rows.tolist()) == set(range(40))
    assert np.mean([films[row].columns["hand_only"] == "1" for row in rows]) == pytest.approx(
        0.8, abs=0.05
    )
    assert np.mean([bool(films[row].labels) for row in rows]) == pytest.approx(0.5, abs=0.05)


def test_share_that_no_film_meets_is_refused():
    section = DataSection.model_validate(
        {"sampler": "shares", "shares": [{"where": {"hand_only": "2"}, "share": 1}]}
    )
    with pytest.raises(DataError, match="hand_only"):
        draw.strata([film(1)], section.shares)
