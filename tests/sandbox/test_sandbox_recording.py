"""The demo, recorded as an animated picture, and the picture that opens the README."""

import re
from xml.etree import ElementTree

import pytest
from rich.console import Console
from rich.live import Live
from rich.text import Text

from sandbox import TOP
from sandbox.demo.animation import Frame, animate
from sandbox.demo.record import record
from sandbox.demo.terminal import Terminal

PICTURE = TOP / "docs" / "images" / "demo.svg"
SVG = "{http://www.w3.org/2000/svg}"


def plain(lines: tuple[str, ...]) -> list[str]:
    return [Text.from_ansi(line).plain.rstrip() for line in lines]


def seen_at_rest(picture: str) -> str:
    """The lines of the picture where nothing moves."""
    visible = set(re.findall(r"\.(t\d+)\{visibility:visible", picture))
    groups = ElementTree.fromstring(picture).iter(f"{SVG}g")
    return "\n".join("".join(group.itertext()) for group in groups if group.attrib["class"] in visible)


@pytest.mark.parametrize("bytes_at_once", [1, 7, 4096])
def test_a_live_screen_that_is_drawn_again_replaces_itself(bytes_at_once: int) -> None:
    console = Console(force_terminal=True, color_system="standard", width=40, record=False)
    with console.capture() as written, Live(console=console, auto_refresh=False) as live:
        live.update(Text("first → ━━\nof two"), refresh=True)
        console.print("above")
        live.update(Text("second", style="yellow"), refresh=True)
    output = written.get().replace("\n", "\r\n").encode()
    terminal = Terminal("$ demo")
    for start in range(0, len(output), bytes_at_once):
        terminal.feed(output[start : start + bytes_at_once])
    assert plain(terminal.shown()) == ["$ demo", "above", "second"]
    assert "\x1b[33m" in terminal.shown()[-1]


def test_a_picture_shows_each_line_while_it_stood_and_the_last_frame_at_rest() -> None:
    picture = animate(
        [
            Frame(0.0, ("title", "\x1b[32mone & <1>\x1b[0m")),
            Frame(5.0, ("title", "two")),
            Frame(10.0, ("title", "one & <1>")),
            Frame(15.0, ("title", "three")),
        ]
    )
    assert seen_at_rest(picture).split() == ["title", "three"]
    # Three seconds of 15 recorded ones, and six that the last frame stays: "two" is seen in the second of nine.
    assert "{0%{visibility:hidden}11.11%{visibility:visible}22.22%{visibility:hidden}}" in picture
    assert picture.count(">title<") == 1
    assert picture.count("one &amp; &lt;1&gt;") == 2


def test_a_run_of_the_demo_is_recorded_to_its_verdict() -> None:
    frames = record(["--backlog", "300", "--eps", "0", "--duration", "2"])
    assert plain(frames[0].lines) == ["$ ./dev demo --backlog 300 --eps 0 --duration 2"]
    assert any("CyberArk → Sekoia" in line for frame in frames[1:-1] for line in plain(frame.lines))
    assert plain(frames[-1].lines)[-1] == "✓ PASS everything made was delivered, no duplicates"
    assert "PASS" in seen_at_rest(animate(frames))


def test_the_picture_of_the_readme_is_a_small_run_that_names_no_host() -> None:
    picture = PICTURE.read_text("utf-8")
    assert len(picture.encode()) < 300_000
    at_rest = seen_at_rest(picture)
    assert "PASS" in at_rest
    assert "kills: 0" not in at_rest
    said = "".join(ElementTree.fromstring(picture).itertext())
    assert not re.search(r"localhost|127\.0|https?:|/(tmp|home|root|usr|work)\b", said)
    readme = (TOP / "README.md").read_text("utf-8")
    assert re.search(r"\]\(([^)]+)\)", readme)[1] == "docs/images/demo.svg"  # type: ignore[index]
