import json
import threading
from pathlib import Path

import pytest

from mljobs_dev.stack.ready import ReadyFile


class TestReadyFile:
    def test_what_an_earlier_run_left_is_removed_before_anything_is_written(self, tmp_path: Path) -> None:
        path = tmp_path / "ready.json"
        path.write_text('{"pids": {"operator": 1}}')
        ReadyFile(path)
        assert list(tmp_path.iterdir()) == []

    def test_it_holds_what_was_written_last_and_nothing_lies_beside_it(self, tmp_path: Path) -> None:
        path = tmp_path / "ready.json"
        ready = ReadyFile(path)
        for pid in (1, 2):
            ready.write({"pids": {"operator": pid}})
        assert json.loads(path.read_text()) == {"pids": {"operator": 2}}
        assert list(tmp_path.iterdir()) == [path]

    def test_a_reader_never_sees_half_of_it(self, tmp_path: Path) -> None:
        path = tmp_path / "ready.json"
        ready = ReadyFile(path)
        contents = [{"filler": letter * 100_000} for letter in "abcdef"]
        ready.write(contents[0])

        def write_all() -> None:
            for content in contents * 20:
                ready.write(content)

        writer = threading.Thread(target=write_all)
        writer.start()
        seen = []
        while writer.is_alive():
            seen.append(json.loads(path.read_text()))
        writer.join()
        assert seen
        assert all(one in contents for one in seen)

    def test_after_its_removal_nobody_can_bring_it_back(self, tmp_path: Path) -> None:
        ready = ReadyFile(tmp_path / "ready.json")
        ready.write({"pids": {}})
        ready.remove()
        ready.write({"pids": {}})
        assert list(tmp_path.iterdir()) == []

    def test_a_relative_path_stays_the_same_file_in_another_folder(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)
        ready = ReadyFile(Path("ready.json"))
        (tmp_path / "elsewhere").mkdir()
        monkeypatch.chdir(tmp_path / "elsewhere")
        ready.write({})
        assert (tmp_path / "ready.json").exists()

    def test_none_writes_nothing(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(tmp_path)
        ready = ReadyFile(None)
        ready.write({})
        ready.remove()
        assert list(tmp_path.iterdir()) == []
