"""The parts of bench/ that need no peers: the formula of needed operations, the table, the lengths of the clips."""
import json
import pathlib
import statistics
import subprocess
import sys

import pytest

BENCH = pathlib.Path(__file__).resolve().parents[2] / "bench"
sys.path.insert(0, str(BENCH))

import catalogue  # noqa: E402
import main  # noqa: E402
import measure  # noqa: E402
import operations  # noqa: E402
import rows  # noqa: E402
import speech  # noqa: E402


def test_operations_of_a_step_counted_by_hand():
    """Width 4, one clip of 3 positions and one of 5 (ΣT 8, ΣT² 34), rank 2, two layers.

    A layer forward: q k v out 4·2·16 = 128 and fc1 fc2 2·2·64 = 256 a position, 384·8 = 3,072; QKᵀ and PV 2·2·4·34 = 544;
    A x and B A x 2·2·4·2 = 32 a position, 256. Backward through layer 1: each projection once, 3,072; four products of
    attention, 1,088; B, A x, A and x 64 a position, 512. Layer 0: fc2 fc1 out (256 + 32)·8 = 2,304; dV 272; B, A x, A 384.
    """
    forward = 3072 + 544 + 256
    assert operations.step([3, 5], width=4, layers=2, rank=2) == 2 * forward + (3072 + 1088 + 512) + (2304 + 272 + 384)


def test_positions_of_a_clip_with_its_tail():
    assert operations.positions(1.0, tail=0.5) == 75
    assert operations.positions(1.0001, tail=0.5) == 76  # 1.6 samples more
    assert operations.positions(0.02, tail=0) == 1


def test_lengths_have_the_mean_of_iemocap():
    lengths = speech.iemocap_lengths(160)
    assert statistics.fmean(lengths) == pytest.approx(4.6, abs=0.1)
    assert 0.6 <= min(lengths) < 1.5 and 12 < max(lengths) <= 30
    assert lengths == speech.iemocap_lengths(160)


def test_one_fold_gives_every_clip_a_part(tmp_path):
    table = speech.write_table(tmp_path / "clips.csv", [{"path": f"{i}.wav", "label": "a", "speaker": "s"} for i in range(5)])
    flags = speech.one_fold(table, 2, 1)
    assert [row["path"] for row in speech.read_table(pathlib.Path(flags[1]))] == [str(tmp_path / f"{i}.wav") for i in range(3)]
    folds = pathlib.Path(flags[3].removeprefix("file:")).read_text()
    assert folds == "id,fold,part\n0.wav,0,train\n1.wav,0,train\n2.wav,0,test\n"


def test_a_line_is_met_by_floor_or_ceiling():
    floor = rows.compared("work", 2.0, 3.0, "s", "peer", 1.5)
    assert floor.ratio == 1.5 and floor.met()
    assert not rows.compared("work", 2.0, 2.9, "s", "peer", 1.5).met()
    ceiling = rows.Line("memory", 3.0, "GB", "weights", 2.0, 1.5, target=1.75, at_most=True)
    assert ceiling.met() and not rows.Line("memory", 4.0, "GB", "weights", 2.0, 2.0, target=1.75, at_most=True).met()
    assert rows.Line("work", 1.0, "s").met() is None


def test_table():
    lines = [rows.compared("step", 8.1, 12.2, "s", "transformers", 1.2, note="of 3 steps"),
             rows.Line("share of the peak", 84.2, "%", ratio=84.2, target=85), rows.Line("gram", 120.4, "GFLOP/s")]
    assert rows.table(lines).splitlines() == [
        "work                      ours    peer                 ratio    target  met",
        "-----------------  -----------  ------  ------------  ------  --------  ---",
        "step                    8.10 s  12.2 s  transformers  1.51 x  >= 1.2 x  yes",
        "    of 3 steps",
        "share of the peak       84.2 %                                 >= 85 %  NO",
        "gram               120 GFLOP/s",
    ]


def test_sides_are_measured_in_turns_and_medians_taken():
    order, values = [], iter([1.0, 10.0, 5.0, 20.0, 3.0, 90.0])

    def side(name):
        def work():
            order.append(name)
            return {"seconds": next(values)}
        return work

    row = rows.Row("row", "", {"a": side("a"), "b": side("b")}, lambda m: [rows.compared("", m["a"]["seconds"], m["b"]["seconds"], "s", "b")])
    samples = main.measure(row, 3)
    assert order == ["a", "b"] * 3
    (line,) = row.lines({name: rows.medians(values) for name, values in samples.items()})
    assert (line.ours, line.theirs) == (3.0, 20.0)
    assert json.loads(json.dumps(rows.as_json(line)))["ratio"] == pytest.approx(20 / 3)


def test_rows_are_listed_and_chosen_by_name():
    listed = subprocess.run([BENCH / "run", "--list"], capture_output=True, text=True, check=True).stdout
    names = [line.split()[0] for line in listed.splitlines()]
    assert len(names) == len(set(names)) and {"training-fp32", "suite", "encoder"} <= set(names)
    place = measure.Place(pathlib.Path(), [], quick=False)
    assert [row.name for row in catalogue.chosen(place, ["suite", "start"])] == ["start", "suite"]
    with pytest.raises(SystemExit, match="there is no row nothing: choose among"):
        catalogue.chosen(place, ["suite", "nothing"])
