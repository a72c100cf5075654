"""One reader for everything that holds pictures or features."""

from __future__ import annotations

import os
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tifffile
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import pandas as pdst
from PIL import Image

from gantools.data.anomalies import CORRUPTIONS, corrupt, corrupt_vectors
from gantools.data.pairing import HalfSource, matched
from gantools.data.sources import (
    ArraySource,
    Selected,
    is_table,
    open_pictures,
    pictures_below,
    read_features,
    read_table,
)
from gantools.data.standard import Glance, InputContract, StandardPictures
from gantools.data.tables import TableEncoder
from gantools.data.transformations import N_TRANSFORMATIONS, all_transformed
from gantools.errors import ConfigError, DataError
from gantools.pipelines.containers import gathered

PICTURES = np.random.default_rng(0).integers(0, 255, (4, 9, 12, 3), dtype=np.uint8)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "sub").mkdir()
    for i, picture in enumerate(PICTURES):
        Image.fromarray(picture).save(tmp_path / ("sub" if i > 1 else ".") / f"p{i}.png")
    (tmp_path / "notes.txt").write_text("no picture")
    pd.DataFrame({"path": ["p0.png", "p1.png", "sub/p2.png", "sub/p3.png"]}).to_csv(tmp_path / "list.csv", index=False)
    return tmp_path


def test_all_containers_give_the_same_pictures(folder: Path) -> None:
    paths = [folder / "p0.png", folder / "p1.png", folder / "sub/p2.png", folder / "sub/p3.png"]
    containers = [
        PICTURES,
        PICTURES / 255,
        PICTURES.astype(np.uint16) * 257,
        list(PICTURES),
        torch.from_numpy(PICTURES),
        torch.from_numpy(PICTURES).permute(0, 3, 1, 2),
        folder,
        str(folder),
        paths,
        [str(p) for p in paths],
        pd.Series(paths),
        pd.DataFrame({"path": paths, "other": 1}),
        folder / "list.csv",
    ]
    for container in containers:
        assert not is_table(container)
        source = open_pictures(container)
        assert len(source) == 4
        for i in range(4):
            np.testing.assert_allclose(source.read(i), PICTURES[i] / 255, atol=1e-6)
    assert len(open_pictures(folder / "p0.png")) == 1


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        (np.full((2, 4, 4), 7.0), "must be in \\[0, 1\\]"),
        (np.full((2, 4, 4), np.nan), "NaN"),
        (np.zeros((2, 4, 4), np.int32), "dtype int32"),
        (np.zeros((0, 4, 4)), "empty"),
    ],
)
def test_bad_arrays_are_said(bad: np.ndarray, words: str) -> None:
    with pytest.raises(DataError, match=words):
        open_pictures(bad).read(0)


def test_empty_folder_and_missing_column(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no pictures in this folder"):
        open_pictures(tmp_path)
    (tmp_path / "t.csv").write_text("file\na.png\n")
    assert is_table(tmp_path / "t.csv")
    with pytest.raises(DataError, match="no such file or folder"):
        open_pictures(tmp_path / "nowhere")


def test_lines_of_a_csv_are_counted_as_an_editor_does(tmp_path: Path) -> None:
    file = tmp_path / "t.csv"
    file.write_text('\n"a",b\n1,2\n\n  \n"3","x\ny"\n5,6\n,\n')
    lines = read_features(file).index
    assert (lines.name, lines.tolist()) == ("line", [3, 6, 8, 9])
    file.write_text('a\n1\n""\n2\n')  # of one column an empty line in quotes is a row, and is told from no other
    assert read_features(file).index.name is None


def test_rows_of_a_parquet_file_without_a_path_are_named(tmp_path: Path) -> None:
    pd.DataFrame({"path": ["a.png", None]}).to_parquet(tmp_path / "list.parquet")
    with pytest.raises(DataError, match=r"list.parquet: row 1 has no path"):
        open_pictures(tmp_path / "list.parquet")


def test_rows_without_a_path_are_named(tmp_path: Path) -> None:
    (tmp_path / "list.csv").write_text("path,b\na.png,1\n  ,2\n")
    with pytest.raises(DataError, match=r"list.csv: line 3 has no path; leave out"):
        open_pictures(tmp_path / "list.csv")
    for listed in (["a.png", ""], pd.DataFrame({"path": ["a.png", None]}), pd.Series(["a.png", float("nan")])):
        with pytest.raises(DataError, match="number 1 of the paths is ''; leave out"):
            open_pictures(listed)


def test_contract_refuses_other_sizes_and_channels() -> None:
    contract = InputContract(3, 9, 12)
    assert contract.standard(PICTURES[0].astype(np.float32) / 255, "p").shape == (3, 9, 12)
    with pytest.raises(DataError, match=r"5 x 4 pixels.*--set view=whole --set image_size=12"):
        contract.standard(np.zeros((4, 5, 3), np.float32), "p")
    with pytest.raises(DataError, match="3 channels, where 1 are"):
        InputContract(1).standard(np.zeros((4, 5, 3), np.float32), "p")
    assert InputContract(3).standard(np.zeros((4, 5, 1), np.float32), "p").shape == (3, 4, 5)


def test_large_pictures_are_reduced_to_their_shorter_side() -> None:
    contract = InputContract(1, longest_short_side=16)
    assert contract.standard(np.zeros((64, 32, 1), np.float32), "p").shape == (1, 32, 16)


def test_memory_is_bounded_and_values_do_not_depend_on_it() -> None:
    source, contract = open_pictures(PICTURES), InputContract(3, 9, 12)
    kept, read_anew = StandardPictures(source, contract), StandardPictures(source, contract, budget=0)
    assert torch.equal(kept.batch([0, 1]), read_anew.batch([0, 1]))
    kept[0]
    assert len(kept._kept) == 2
    assert not read_anew._kept


def test_unreadable_pictures_are_skipped_up_to_a_limit(folder: Path) -> None:
    (folder / "broken.png").write_text("text")
    pictures = StandardPictures(open_pictures(folder), InputContract(3, 9, 12))
    good, reasons = pictures.check_all(1, lambda _: None)
    assert len(good) == 4
    assert len(reasons) == 1
    with pytest.raises(DataError, match=r"broken.png.*text"):
        pictures.check_all(0.1, lambda _: None)
    assert Glance.at(open_pictures(folder)).sizes == {(9, 12): 4}


frames = pdst.data_frames(
    [
        pdst.column("a", elements=st.floats(-1e6, 1e6) | st.just(np.nan)),
        pdst.column("b", elements=st.integers(-5, 5)),
        pdst.column("c", elements=st.sampled_from(["x", "y", None]), dtype=object),
    ],
    index=pdst.range_indexes(min_size=2, max_size=20),
)


@settings(deadline=None)
@given(frames)
def test_encoder_is_finite_bounded_and_row_by_row(frame: pd.DataFrame) -> None:
    encoder = TableEncoder().fit(frame)
    vectors = encoder.transform(frame)
    assert np.isfinite(vectors).all()
    assert np.abs(vectors).max() <= 8
    np.testing.assert_array_equal(encoder.transform(frame.iloc[[1]]), vectors[[1]])
    again = TableEncoder(**encoder.to_dict())
    np.testing.assert_array_equal(again.transform(frame[["c", "a", "b"]]), vectors)


def test_encoder_names_what_is_wrong() -> None:
    frame = pd.DataFrame({"a": [1.0, 2, 3], "b": ["x", "y", "x"]})
    encoder = TableEncoder().fit(frame)
    with pytest.raises(DataError, match="lacks 'b'"):
        encoder.transform(frame[["a"]])
    with pytest.raises(DataError, match=r"column 'a', row 1.*'two' is not a number"):
        encoder.transform(pd.DataFrame({"a": ["1", "two", "3"], "b": ["x", "y", "x"]}))
    with pytest.raises(DataError, match=r"column 'a', row 2.*infinity"):
        encoder.transform(frame.assign(a=[1, 2, np.inf]))
    with pytest.raises(DataError, match="column 'id' is text with 40 different"):
        TableEncoder().fit(pd.DataFrame({"id": [f"part {i}" for i in range(40)]}))


@pytest.mark.parametrize("kind", CORRUPTIONS)
def test_masks_tell_where_pictures_were_changed(kind: str, rng: torch.Generator) -> None:
    pictures = torch.rand((8, 3, 32, 48), generator=rng) * 1.8 - 0.9
    changed, masks = corrupt(pictures, [kind], rng)
    assert changed.shape == pictures.shape
    assert masks.shape == (8, 1, 32, 48)
    assert changed.min() >= -1
    assert changed.max() <= 1
    differs = (changed - pictures).abs().amax(1, keepdim=True) > 1e-5
    assert (differs & (masks > 0)).flatten(1).any(1).all()
    if masks.min() == 0 and kind != "swirl":
        assert not (differs & (masks == 0)).any()


def test_corruptions_are_drawn_from_the_local_generator() -> None:
    pictures = torch.rand(6, 1, 16, 16)
    before = torch.get_rng_state()
    first, second = (corrupt(pictures, list(CORRUPTIONS), torch.Generator().manual_seed(4))[0] for _ in range(2))
    assert torch.equal(first, second)
    assert torch.equal(before, torch.get_rng_state())
    noisy = corrupt_vectors(torch.zeros(200, 5), torch.Generator().manual_seed(0))
    assert (noisy != 0).any(1).all()


def test_ten_transformations_are_ten() -> None:
    picture = torch.rand(1, 1, 20, 20)
    moved = all_transformed(picture)
    assert torch.equal(moved[0], picture[0])
    assert len({m.numpy().tobytes() for m in moved}) == N_TRANSFORMATIONS == 10
    assert all_transformed(torch.rand(2, 1, 12, 20)).shape == (20, 1, 12, 20)


def test_unknown_corruption_is_named() -> None:
    from gantools.data.anomalies import check_kinds

    with pytest.raises(ConfigError, match="swirl"):
        check_kinds(["swril"])


def test_colour_after_many_gray_pictures_is_seen(tmp_path: Path) -> None:
    gray, colour = np.zeros((9, 9), np.uint8), np.zeros((9, 9, 3), np.uint8)
    pictures = [gray] * 70 + [colour]
    for i, picture in enumerate(pictures):
        Image.fromarray(picture).save(tmp_path / f"{i:03d}.png")
    assert Glance.at(open_pictures(tmp_path)).channels == 3
    assert Glance.at(open_pictures(pictures)).channels == 3
    assert Glance.at(open_pictures(pictures[:-1])).channels == 1


def test_sizes_of_all_pictures_are_seen_as_they_will_be_read(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    for i in range(70):
        Image.new("L", (5, 7)).save(tmp_path / f"{i:03d}.png")
    for name in ("a.jpg", "b.png", "c.tif", "d.webp"):
        Image.new("RGB", (9, 4)).save(tmp_path / name, exif=exif)
    (tmp_path / "z.png").write_text("no picture")
    source = open_pictures(tmp_path)
    assert {source.read(i).shape[:2] for i in range(70, 74)} == {(9, 4)}
    assert Glance.at(source).sizes == {(7, 5): 70, (9, 4): 4}
    halves = HalfSource(Selected(source, [0, 73]), right=True)
    assert [halves.header(i)[:2] for i in range(2)] == [(7, 2), (9, 2)]
    assert ArraySource([np.zeros((3, 2)), np.zeros(3)]).header(0) == (3, 2, False)
    assert ArraySource([np.zeros((3, 2)), np.zeros(3)]).header(1) is None


def test_a_list_of_tensors_may_have_its_channels_first() -> None:
    planes, last = torch.rand(3, 9, 8), torch.rand(9, 8, 3)
    source = open_pictures([planes, last])
    assert [source.read(i).shape for i in range(2)] == [(9, 8, 3)] * 2
    np.testing.assert_array_equal(source.read(0), planes.permute(1, 2, 0).numpy())
    larger = [np.zeros((18, 16, 3), np.float32)] * 2
    assert [tuple(t.shape) for t in gathered([planes, last], larger)] == [(3, 18, 16), (18, 16, 3)]


def test_pillows_images_are_read_as_they_look() -> None:
    colours = Image.fromarray(np.tile(np.uint8([[[255, 0, 0], [0, 0, 255]]]), (8, 4, 1)))
    clear = colours.convert("RGBA")
    clear.putalpha(Image.fromarray(np.full((8, 8), 9, np.uint8)))
    palette, seen_through = colours.quantize(4), clear.quantize(4)
    pictures = [colours, palette, colours.convert("CMYK"), seen_through, colours.convert("1"), colours.convert("L")]
    source = open_pictures(pictures)
    assert [source.read(i).shape[2] for i in range(6)] == [3, 3, 3, 4, 1, 1]
    for i in range(3):
        np.testing.assert_allclose(source.read(i), np.asarray(colours) / 255, atol=0.02)


def test_a_pillow_image_of_16_bits_keeps_them_in_either_order(tmp_path: Path) -> None:
    deep = np.linspace(0, 65535, 64).astype(np.uint16).reshape(8, 8)
    for order in "<>":
        tifffile.imwrite(tmp_path / "deep.tif", deep, byteorder=order)
        picture = open_pictures([Image.open(tmp_path / "deep.tif")]).read(0)
        np.testing.assert_allclose(picture[..., 0], deep / 65535, atol=1e-6)


def test_links_to_folders_are_followed_but_not_in_circles(tmp_path: Path) -> None:
    for name in ("here/a.png", "elsewhere/b.png", "elsewhere/deeper/c.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (8, 8)).save(tmp_path / name)
    here = tmp_path / "here"
    (here / "more").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "elsewhere" / "round").symlink_to(here)
    (here / "gone.png").symlink_to(tmp_path / "nowhere.png")
    (here / "itself").symlink_to(here / "itself")
    (here / "v1").mkdir()
    Image.new("L", (8, 8)).save(here / "v1" / "d.png")
    (here / "latest").symlink_to(here / "v1")
    found = [p.relative_to(here).as_posix() for p in pictures_below(here)]
    assert found == ["a.png", "gone.png", "more/b.png", "more/deeper/c.png", "v1/d.png"]
    with pytest.raises(DataError, match=r"gone\.png"):
        open_pictures(here).read(1)


def test_a_table_with_semicolons_is_told_so(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("a;b\n1;2\n")
    with pytest.raises(DataError, match=r"t\.csv: its values are separated by ';'"):
        read_table(tmp_path / "t.csv")


def test_a_table_with_semicolons_and_decimal_commas_is_told_so(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("label;a;b\nx;1,5;2\ny;2,5;3\n")
    with pytest.raises(DataError, match="separated by ';'"):
        read_table(tmp_path / "t.csv")


def test_a_table_whose_rows_are_longer_than_its_header_is_told_so(tmp_path: Path) -> None:
    """pandas would take the first column for names of rows, and every value would be its neighbour's."""
    (tmp_path / "t.csv").write_text("a,b\n1,2,\n3,4,\n")
    assert read_table(tmp_path / "t.csv").to_dict("list") == {"a": [1, 3], "b": [2, 4]}
    (tmp_path / "t.csv").write_text("a,b\n1,2,5\n3,4,6\n")
    with pytest.raises(DataError, match=r"t\.csv: its rows have more values than its header has names"):
        read_table(tmp_path / "t.csv")


def test_columns_can_be_read_letter_by_letter(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("a,b\n007,1\nNA,\n")
    table = read_table(tmp_path / "t.csv", texts=("a", "none such"))
    assert table["a"].tolist() == ["007", "NA"]
    assert table["b"].isna().tolist() == [False, True]


def test_what_pandas_takes_for_missing_is_missing_to_the_detector_too(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("n,alley\n1,NA\n2,Pave\n3,\n4,Grvl\n5,Pave\n6,Grvl\n")
    frame = pd.read_csv(tmp_path / "t.csv")
    encoder = TableEncoder().fit(frame)
    read = read_features(tmp_path / "t.csv", encoder.categories)
    np.testing.assert_array_equal(encoder.transform(read), encoder.transform(frame))


def test_codes_are_as_they_are_written_however_late_one_has_a_letter(tmp_path: Path) -> None:
    codes = ["007", "010"] * 150_000 + ["A1"]
    (tmp_path / "t.csv").write_text("\n".join(["code,b", *(f"{code},1" for code in codes)]))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        table = read_table(tmp_path / "t.csv")
    assert table["code"].tolist() == codes
    assert table["b"].dtype == np.int64


def test_names_that_are_no_text_can_be_written_everywhere(tmp_path: Path) -> None:
    folder = tmp_path / "pictures"
    folder.mkdir()
    Path(os.fsdecode(os.fsencode(folder) + b"/M\xfcller.png")).write_bytes(b"no picture")
    source = open_pictures(folder)
    assert pd.DataFrame({"path": [source.name(0)]}).to_csv().encode()
    with pytest.raises(DataError, match=r"ller\.png") as told:
        source.read(0)
    assert str(told.value).encode()


def test_row_numbers_that_pandas_wrote_are_no_column(tmp_path: Path) -> None:
    pd.DataFrame({"a": [3, 4]}, index=[17, 5]).to_csv(tmp_path / "t.csv")
    with pytest.warns(UserWarning, match=r"t\.csv: the first column has no name and is taken for row numbers"):
        assert read_table(tmp_path / "t.csv").to_dict("list") == {"a": [3, 4]}
    (tmp_path / "t.csv").write_text("NA,b\n1,2\n")
    assert read_table(tmp_path / "t.csv").to_dict("list") == {"NA": [1], "b": [2]}


def test_lines_that_were_cut_are_told(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text('a,b,c\n1,2,3\n\n4,5\n"6\n",7,8\n9\n')
    with pytest.warns(UserWarning, match=r"t\.csv: 2 lines, the first of them 4, have fewer values than the header"):
        assert len(read_table(tmp_path / "t.csv")) == 4
    (tmp_path / "t.csv").write_text("\na,b\n1\n")
    with pytest.warns(UserWarning, match="line 3 has fewer values"):
        assert len(read_table(tmp_path / "t.csv")) == 1
    (tmp_path / "t.csv").write_text("a,b\n1,\n,\n")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert len(read_table(tmp_path / "t.csv")) == 2


def test_a_table_of_another_encoding_is_told_how_to_save(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_bytes("größe,b\n1,2\n".encode("latin-1"))
    with pytest.raises(DataError, match=r"t\.csv: is no UTF-8 text .* save it as CSV in UTF-8"):
        read_table(tmp_path / "t.csv")


def test_what_macos_writes_beside_pictures_is_no_picture(tmp_path: Path) -> None:
    Image.new("L", (8, 8)).save(tmp_path / "a.png")
    (tmp_path / "._a.png").write_bytes(b"\0\5\x16\7 resource fork")
    assert len(open_pictures(tmp_path)) == 1


def test_numbers_of_other_makings_are_read() -> None:
    pixels = np.random.default_rng(0).integers(0, 65535, (2, 5, 6), np.uint16)
    for swapped in (pixels.astype(">u2"), list(pixels.astype(">u2"))):
        np.testing.assert_array_equal(open_pictures(swapped).read(1), open_pictures(pixels).read(1))
    half = torch.rand(2, 3, 8, 8, generator=torch.Generator().manual_seed(0)).bfloat16()
    np.testing.assert_array_equal(open_pictures(half).read(0), open_pictures(half.float()).read(0))


def test_files_are_paired_in_the_order_of_the_first() -> None:
    lows = open_pictures([f"lo/{name}.png" for name in "cab"])
    highs = open_pictures([f"hi/{name}.png" for name in "abc"])
    low, high = matched(lows, highs, ("low", "high"))
    assert [low.name(i) for i in range(3)] == ["lo/c.png", "lo/a.png", "lo/b.png"]
    assert [high.name(i) for i in range(3)] == ["hi/c.png", "hi/a.png", "hi/b.png"]


def test_files_without_a_partner_are_told_with_a_way_out_but_one_and_one_are_a_pair() -> None:
    ours, theirs = open_pictures(["lo/a.png", "lo/b.png"]), open_pictures(["hi/a.png", "hi/c.png"])
    with pytest.raises(
        DataError, match=r"(?s)2 pictures have no partner .*; rename .* agree, or sing:.*b\.png.*c\.png"
    ):
        matched(ours, theirs, ("low", "high"), ", or sing")
    one, other = open_pictures(["drawing.png"]), open_pictures(["colour.png"])
    assert matched(one, other, ("low", "high")) == (one, other)


def test_channels_first_without_a_tensor_are_refused_with_a_way_out() -> None:
    planes = np.zeros((5, 3, 16, 12), np.uint8)
    for X in (planes, planes[:, :1], list(planes)):
        with pytest.raises(DataError, match=r"\(N, C, H, W\); give it as .*transpose"):
            open_pictures(X)
    assert open_pictures(torch.from_numpy(planes)).read(0).shape == (16, 12, 3)
    assert open_pictures(np.zeros((5, 16, 3, 4), np.uint8)).read(0).shape == (16, 3, 4)


def test_one_picture_alone_is_no_table() -> None:
    picture = Image.new("L", (16, 16))
    assert not is_table(picture)
    with pytest.raises(DataError, match=r"one picture; put it into a list: \[X\]"):
        open_pictures(picture)
    with pytest.raises(DataError, match="this is a generator"):
        open_pictures(p for p in [picture])
    with pytest.warns(UserWarning, match="taken for 40 gray pictures of 3 x 50 pixels"):
        open_pictures(np.zeros((40, 50, 3), np.uint8))


def test_a_column_may_have_the_name_of_an_argument(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("self,b\n007,1\nx,2\n")
    assert read_features(tmp_path / "t.csv")["self"].tolist() == ["007", "x"]
