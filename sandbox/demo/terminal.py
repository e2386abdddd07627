"""A terminal as far as the demo's live screen needs one: lines that are written, erased and written again."""

import codecs
import re

_COLOUR = r"\x1b\[[\d;]*m"
_STEP = re.compile(
    rf"(?P<text>(?:{_COLOUR}|[^\x1b\r\n])+)|\x1b\[(?P<count>\d*)(?P<code>[AK])|\x1b\[[\d;?]*[a-zA-Z]|[\r\n]"
)
_CUT_ESCAPE = re.compile(r"\x1b(\[[\d;?]*)?\Z")


class Terminal:
    """`lines` are what stands there, with the escape sequences of their colours in them."""

    def __init__(self, *lines: str) -> None:
        self.lines = [*lines, ""]
        self._row = len(lines)
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._rest = ""

    def feed(self, output: bytes) -> None:
        text = self._rest + self._decoder.decode(output)
        cut = _CUT_ESCAPE.search(text)
        self._rest = cut[0] if cut else ""
        for step in _STEP.finditer(text[: len(text) - len(self._rest)]):
            if step["text"]:
                self.lines[self._row] += step["text"]
            elif step[0] == "\n":
                self._row += 1
                self.lines += [""] * (self._row + 1 - len(self.lines))
            elif step["code"] == "K":
                self.lines[self._row] = ""
            elif step["code"] == "A":
                self._row = max(0, self._row - int(step["count"] or 1))

    def shown(self) -> tuple[str, ...]:
        """The lines as far as something was written."""
        return tuple(self.lines[: self._row + bool(self.lines[self._row])])
