"""Progress where there is no terminal: a line now and then, so that a log is not empty for minutes."""

import pytest

from distillmatch_ros.cli.view import common


@pytest.mark.parametrize("hidden", [False, True])
def test_a_log_gets_a_line_every_few_seconds(
    hidden: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    now = 0.0
    monkeypatch.setattr(common, "monotonic", lambda: now)
    with common.progress(hidden) as bar:
        task = bar.add_task("registering", total=40)
        for _ in range(40):
            now += 1.0
            bar.advance(task)
    printed = capsys.readouterr()
    lines = printed.err.splitlines()
    assert len(lines) == 4 and lines[0].startswith("registering: 10 of 40, ") and not printed.out
    assert all("left" in line for line in lines)


def test_an_unknown_total_is_left_out(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(common, "LOG_S", 0.0)
    with common.progress() as bar:
        bar.update(bar.add_task("registering", total=None), description="registering, 70 frames")
    assert capsys.readouterr().err.startswith("registering, 70 frames: 0, ")
