from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from model.pixels import PixelProfile
from training.config import DataSection
from training.data import (
    Film,
    LeakError,
    box_mask,
    data_hash,
    load_pictures,
    read_fracatlas,
    read_radiograph,
    split_films,
)
from training.sampling import Sampler

HEADER = "file,label,split,group,region,hand_only,boxes,sha256\n"


def film(number=0, split="train", group="g", fractured=False, hand=True, boxes=()) -> Film:
    region = "hand" if hand else "leg"
    path = Path(f"{number}.jpg")
    return Film(path, fractured, split, group, region, hand, boxes, f"{number:064d}")


def test_manifest_rows_become_films(tmp_path):
    folder = tmp_path / "fracatlas"
    folder.mkdir()
    row = "images/a.jpg,fractured,val,7,hand,1,1 2 3.5 4;5 6 7 8,ab\n"
    (folder / "manifest.csv").write_text(HEADER + row)
    (only,) = read_fracatlas(tmp_path)
    assert only.fractured
    assert only.hand_only
    assert only.boxes == ((1.0, 2.0, 3.5, 4.0), (5.0, 6.0, 7.0, 8.0))


def test_group_on_both_sides_of_the_split_is_refused():
    with pytest.raises(LeakError, match="1 group"):
        split_films([film(1, "train", "a"), film(2, "val", "a")], None, 4)


def test_same_picture_on_both_sides_of_the_split_is_refused():
    with pytest.raises(LeakError, match="1 sha256"):
        split_films([film(1, "train", "a"), film(1, "val", "b")], None, 4)


def test_fold_is_cut_from_training_groups_alone():
    films = [film(i, "train", f"g{i // 3}", fractured=i % 2 == 0) for i in range(36)]
    train, held = split_films([*films, film(99, "val", "v")], 1, 4)
    assert {f.split for f in held} == {"train"}
    assert len(train) + len(held) == 36
    assert not {f.group for f in train} & {f.group for f in held}


def test_real_split_shares_no_group(real_data):
    train, held = split_films(read_fracatlas(real_data), None, 4)
    assert len(train) == 2806
    assert len(held) == 413


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
    boxed = film(boxes=((50, 0, 100, 50),))
    seen = Film(tmp_path / "wide.png", *list(vars(boxed).values())[1:])
    pictures = load_pictures([seen], PixelProfile(size=64))
    mask = box_mask(seen, pictures.placements[0], 64, 8)
    assert mask[:2].max() == 0  # above the picture
    assert (mask[2:6, 4:] == 1).all()
    assert mask[2:6, :4].max() == 0


def test_sampler_keeps_the_shares_and_shows_every_film():
    films = [film(i, fractured=i < 4, hand=i % 2 == 0) for i in range(40)]
    section = DataSection(hand_share=0.8, fractured_share=0.5)
    sampler = Sampler(films, section, np.random.default_rng(0))
    rows = np.concatenate([sampler.draw(16) for _ in range(60)])
    assert set(rows.tolist()) == set(range(40))
    assert np.mean([films[row].hand_only for row in rows]) == pytest.approx(0.8, abs=0.05)
    assert np.mean([films[row].fractured for row in rows]) == pytest.approx(0.5, abs=0.05)
