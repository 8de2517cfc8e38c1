import json

from engine.evaluate.store import RowWriter, read_rows


def test_rows_survive_a_kill_in_the_middle_of_a_line(tmp_path):
    path = tmp_path / "rows-0.jsonl"
    with RowWriter(path) as writer:
        writer.write({"case": 0})
        writer.write({"case": 1})
    path.write_bytes(path.read_bytes()[:-4])  # torn in the second row
    with RowWriter(path) as writer:
        writer.write({"case": 2})
    assert [row["case"] for row in read_rows(tmp_path)] == [0, 2]


def test_rows_of_several_processes_are_read_together(tmp_path):
    for worker in range(3):
        with RowWriter(tmp_path / f"rows-{worker}.jsonl") as writer:
            writer.write({"case": worker})
            assert json.loads((tmp_path / f"rows-{worker}.jsonl").read_text())  # on disk at once
    assert sorted(row["case"] for row in read_rows(tmp_path)) == [0, 1, 2]
