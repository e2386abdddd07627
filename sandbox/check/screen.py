"""What a person sees of a check: colours in a terminal, plain lines elsewhere."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext

from rich.console import Console
from rich.padding import Padding
from rich.text import Text

from sandbox.check.outcome import Outcome

_MARKS = {
    "right": ("✓", "bold green", "tried and right"),
    "odd": ("!", "bold yellow", "tried and unusual"),
    "wrong": ("✗", "bold red", "tried and wrong"),
    "untried": ("–", "dim", "not tried"),
}


class Screen:
    """Prints to that console; lines are wrapped in a terminal only."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def say(self, text: str, style: str = "") -> None:
        self._line(Text(text, style=style), 0)

    def working(self, title: str) -> AbstractContextManager[object]:
        """Show what is being tried, as long as it is."""
        return self._console.status(f"{title} …") if self._console.is_interactive else nullcontext()

    @contextmanager
    def progress(self) -> Iterator[Callable[[str, float], None]]:
        """Give a function that shows what is being tried, and how many seconds are left."""
        if not self._console.is_interactive:
            shown: set[str] = set()

            def say_once(what: str, left_s: float) -> None:
                if what not in shown:
                    shown.add(what)
                    self.say(f"{_minutes(left_s)} left: {what}")

            yield say_once
            return
        with self._console.status("") as status:
            yield lambda what, left_s: status.update(f"{_minutes(left_s)} left: {what} …")

    def raw(self, text: str) -> None:
        """Show a text as it is, to be copied."""
        self._console.print(Text(text), soft_wrap=True)

    def show(self, outcome: Outcome) -> None:
        mark, style, words = _MARKS[outcome.state]
        said = f": {words}{f', since {outcome.reason}' if outcome.reason else ''}"
        title = (outcome.title, "dim" if outcome.state == "untried" else "bold")
        self._line(Text.assemble((mark, style), " ", title, (said, "dim")), 0)
        for figure in outcome.figures:
            self._line(Text(figure), 4)
        for line, emphasis in zip(outcome.trouble, (style, "", "dim"), strict=False):
            self._line(Text(line, style=emphasis), 4)

    def form(self, form: Mapping[str, Mapping[str, str]]) -> None:
        """Show what to paste where."""
        width = max(len(title) for fields in form.values() for title in fields)
        for name, fields in form.items():
            self._line(Text(f"\n{name}", style="bold"), 0)
            for title, value in fields.items():
                self._line(Text.assemble((f"{title:<{width}}", "dim"), f"  {value}"), 4)

    def _line(self, text: Text, indent: int) -> None:
        if self._console.is_terminal:
            self._console.print(Padding(text, (0, 0, 0, indent)))
        else:
            self._console.print(Text(" " * indent) + text, soft_wrap=True)


def _minutes(seconds: float) -> str:
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"
