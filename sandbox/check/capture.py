"""The pictures of the manual: what a person sees of a check, with a mistake and without.

`python -m sandbox.check.capture FOLDER` makes them.
"""

import io
import re
import sys
from pathlib import Path

from rich.console import Console

from sandbox.check.__main__ import main

_PICTURES = {
    "check.svg": ["--sandbox", "--watch", "8"],
    "check-client-credentials.svg": ["--sandbox", "--break", "client-credentials"],
}
_COLUMNS = 110


def capture(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, arguments in _PICTURES.items():
        console = Console(
            record=True, force_terminal=True, force_interactive=False, width=_COLUMNS, file=io.StringIO()
        )
        main(arguments, console)
        shown = [argument for argument in arguments if argument not in ("--watch", "8")]
        picture = console.export_svg(title=" ".join(["./dev check", *shown]), unique_id="check")
        # A picture fetches nothing: whoever looks at it has a font of this kind.
        picture = re.sub(r"@font-face \{.*?\}\s*", "", picture, flags=re.DOTALL).replace("Fira Code, ", "")
        (folder / name).write_text(picture, encoding="utf-8")


if __name__ == "__main__":
    capture(Path(sys.argv[1]))
