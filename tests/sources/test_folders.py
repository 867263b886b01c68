"""Sources that are folders in a published layout: sample, kermany, rsna."""

import os
import shutil
from collections import defaultdict
from pathlib import Path

import pytest

from medpipe.errors import ParamsError, SourceError
from medpipe.sources.kermany import Kermany
from medpipe.sources.rsna import Rsna
from medpipe.sources.sample import Sample

REAL = Path(os.environ.get("MEDPIPE_REAL_DATA", "../shared/data")) / "chest_xray_kermany"


def write(folder, files):
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return folder


@pytest.fixture
def kermany(tmp_path):
    names = {
        "train/NORMAL/IM-0115-0001.jpeg": "a",
        "train/NORMAL/NORMAL2-IM-0115-0001-0002.jpeg": "b",
        "train/PNEUMONIA/person7_bacteria_2.jpeg": "c",
        "train/PNEUMONIA/.DS_Store": "left behind",
        "train/PNEUMONIA/._person7_bacteria_2.jpeg": "left behind",
        "test/PNEUMONIA/person7_virus_9.jpeg": "d",
        "val/NORMAL/other name.jpeg": "e",
    }
    return write(tmp_path / "Röntgen Bilder", names)


def test_kermany_reads_patient_label_and_side_from_names(kermany):
    found = [(i.patient_id, i.label, i.published) for i in Kermany(kermany).items()]
    assert found == [
        ("IM-0115", 0, "train"),
        ("NORMAL2-IM-0115", 0, "train"),
        ("person7", 1, "train"),
        (None, 0, "val"),
        ("person7", 1, "test"),
    ]


def test_kermany_finds_the_folder_as_kaggle_packs_it(kermany, tmp_path):
    shutil.move(kermany, tmp_path / "archive" / "chest_xray")
    assert len(list(Kermany(tmp_path / "archive").items())) == 5


def test_unknown_layout_says_what_it_looked_for_and_found_without_names(tmp_path):
    write(tmp_path, {"Smith_John/a.dcm": "", "Smith_Jane/b.dcm": "", "list.csv": ""})
    with pytest.raises(SourceError) as caught:
        list(Kermany(tmp_path).items())
    assert "looked for train/NORMAL and train/PNEUMONIA" in str(caught.value)
    assert "found 2 folders, 1 .csv files" in str(caught.value)
    assert "Smith" not in str(caught.value)


@pytest.mark.parametrize("source", [Kermany, Rsna, Sample])
def test_missing_folder_says_so(source, tmp_path):
    with pytest.raises(SourceError, match="no such folder"):
        list(source(tmp_path / "nowhere").items())


def test_sample_offers_unlabelled_files_and_rows_without_a_file(tmp_path):
    labels = "path,pneumonia\ndicom/a.dcm,1\ndicom/gone.dcm,0\n"
    write(tmp_path, {"dicom/a.dcm": "x", "dicom/deep/b.dcm": "y", "labels.csv": labels})
    items = [(item.key, item.label) for item in Sample(tmp_path).items()]
    assert items == [("dicom/a.dcm", "1"), ("dicom/deep/b.dcm", None), ("dicom/gone.dcm", "0")]


def test_fingerprint_changes_with_the_file_and_with_its_label(tmp_path):
    def fingerprint(label, text):
        rows = f"path,pneumonia\ndicom/a.dcm,{label}\n"
        write(tmp_path, {"dicom/a.dcm": text, "labels.csv": rows})
        os.utime(tmp_path / "dicom/a.dcm", ns=(0, len(text)))
        return next(Sample(tmp_path).items()).fingerprint

    first = fingerprint(1, "x")
    assert fingerprint(1, "x") == first
    assert len({first, fingerprint(0, "x"), fingerprint(1, "yy")}) == 3


BOXES = "patientId,x,y,width,height,Target\n{}"


def test_rsna_makes_one_item_of_several_boxes(tmp_path):
    rows = BOXES.format("a,1,1,5,5,1\na,9,9,5,5,1\nb,,,,,0\n")
    write(
        tmp_path,
        {
            "stage_2_train_images/a.dcm": "",
            "stage_2_train_images/b.dcm": "",
            "stage_2_train_labels.csv": rows,
        },
    )
    found = [(item.key, item.patient_id, item.label) for item in Rsna(tmp_path).items()]
    assert found == [("a.dcm", "a", 1), ("b.dcm", "b", 0)]


def test_rsna_takes_other_names_from_options(tmp_path):
    write(tmp_path, {"films/a.dcm": "", "boxes.csv": BOXES.format("a,,,,,0\n")})
    source = Rsna(tmp_path, {"images": "films", "labels": "boxes.csv"})
    assert [item.label for item in source.items()] == [0]
    with pytest.raises(SourceError, match=r"stage_2_train_labels\.csv"):
        list(Rsna(tmp_path).items())


def test_rsna_names_row_and_value_of_a_target_it_does_not_know(tmp_path):
    write(
        tmp_path,
        {
            "stage_2_train_images/a.dcm": "",
            "stage_2_train_labels.csv": BOXES.format("a,,,,,0\nb,,,,,2\n"),
        },
    )
    with pytest.raises(SourceError, match=r"row 3: Target is '2'; allowed: 0 or 1"):
        list(Rsna(tmp_path).items())


def test_unknown_option_names_its_neighbour(tmp_path):
    with pytest.raises(ParamsError, match="did you mean images"):
        Rsna(tmp_path, {"image": "films"})


@pytest.mark.real
@pytest.mark.skipif(not REAL.is_dir(), reason="MEDPIPE_REAL_DATA has no chest_xray_kermany")
def test_real_kermany_has_the_counts_that_its_source_states():
    counts, sides = defaultdict(int), defaultdict(set)
    for item in Kermany(REAL).items():
        counts[item.published, item.label] += 1
        sides[item.patient_id].add(item.published)
    assert counts == {
        ("train", 0): 1341,
        ("train", 1): 3875,
        ("test", 0): 234,
        ("test", 1): 390,
    }
    assert sum(len(both) == 2 for both in sides.values()) == 170
    assert None not in sides
