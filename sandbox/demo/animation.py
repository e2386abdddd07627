"""An animated picture of a terminal: SVG alone, which fetches nothing and runs no script.

Each line is drawn once for all the time that it stands in a row. Where nothing may move, the last frame is shown.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape
from itertools import pairwise

from rich.style import Style
from rich.terminal_theme import SVG_EXPORT_THEME
from rich.text import Text

from sandbox.demo.view import WIDTH

_ROWS = 30
_CELL_WIDTH, _CELL_HEIGHT, _MARGIN = 8.4, 18, 14
_BACKGROUND, _FOREGROUND, _BORDER = "#16181d", "#d5d8de", "#6b7280"
_TIMES_AS_FAST = 5.0
_LAST_FRAME_SECONDS = 6.0

_Span = tuple[float, float]


@dataclass(frozen=True)
class Frame:
    """What stands in a terminal from `at` on, in seconds from the start; the lines may hold colours."""

    at: float
    lines: tuple[str, ...]


def animate(frames: Sequence[Frame]) -> str:
    """The picture, five times as fast as it was; only the last lines are in it, as in a terminal that scrolls."""
    ends = [frame.at / _TIMES_AS_FAST for frame in frames[1:]]
    total = ends[-1] + _LAST_FRAME_SECONDS
    times = [0.0, *ends, total]
    shown: dict[tuple[int, str], list[_Span]] = {}
    for frame, (start, end) in zip(frames, pairwise(times), strict=True):
        for row, line in enumerate(frame.lines[-_ROWS:]):
            spans = shown.setdefault((row, line), [])
            joined = spans.pop()[0] if spans and spans[-1][1] == start else start
            spans.append((joined, end))
    classes: dict[tuple[_Span, ...], str] = {}
    drawn = [
        f'<g class="{classes.setdefault(tuple(spans), f"t{len(classes)}")}">{_draw(row, line)}</g>'
        for (row, line), spans in shown.items()
    ]
    width, height = WIDTH * _CELL_WIDTH + 2 * _MARGIN, _ROWS * _CELL_HEIGHT + 2 * _MARGIN
    rectangle = (
        f'<rect x="1" y="1" width="{width - 2:g}" height="{height - 2}" rx="8" fill="{_BACKGROUND}" '
        f'stroke="{_BORDER}"/>'
    )
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height}" role="img">',
            "<title>A run of ./dev demo, from its start to its summary</title>",
            "<style>",
            f"svg{{font:14px ui-monospace,monospace;fill:{_FOREGROUND}}}text{{white-space:pre}}",
            f"g{{animation:{total:.2f}s step-end infinite}}",
            *(_timed(name, spans, total) for spans, name in classes.items()),
            "@media (prefers-reduced-motion:reduce){g{animation:none!important}}",
            "</style>",
            rectangle,
            *drawn,
            "</svg>",
            "",
        ]
    )


def _timed(name: str, spans: Iterable[_Span], total: float) -> str:
    """When the lines of a class are seen; without animation, whether they are in the last frame."""
    steps = ["0%{visibility:hidden}"]
    for start, end in spans:
        steps.append(f"{100 * start / total:.2f}%{{visibility:visible}}")
        if end < total:
            steps.append(f"{100 * end / total:.2f}%{{visibility:hidden}}")
    if steps[1].startswith("0.00%"):
        del steps[0]
    at_rest = "visible" if steps[-1].endswith("{visibility:visible}") else "hidden"
    return f".{name}{{visibility:{at_rest};animation-name:{name}}}@keyframes {name}{{{''.join(steps)}}}"


def _draw(row: int, line: str) -> str:
    """One line: a text for each piece of one style, as wide as its cells whatever the font."""
    text = Text.from_ansi(line)
    pieces, column = [], 0
    baseline = _MARGIN + (row + 0.75) * _CELL_HEIGHT
    for piece in text.divide(sorted({cut for span in text.spans for cut in (span.start, span.end)})):
        content = piece.plain.rstrip()
        x = _MARGIN + (column + len(content) - len(content.lstrip())) * _CELL_WIDTH
        column += len(piece.plain)
        if content := content.lstrip():
            style = Style.combine(
                [Style.null(), *(span.style for span in piece.spans if isinstance(span.style, Style))]
            )
            pieces.append(
                f'<text x="{x:.1f}" y="{baseline:g}" textLength="{len(content) * _CELL_WIDTH:.1f}"'
                f"{_attributes(style)}>{escape(content, quote=False)}</text>"
            )
    return "".join(pieces)


def _attributes(style: Style) -> str:
    weight = ' font-weight="bold"' if style.bold else ""
    colour = f' fill="{style.color.get_truecolor(SVG_EXPORT_THEME).hex}"' if style.color else ""
    return weight + colour
