"""What a benchmark yields: figures with their bounds, tables, and charts, in sections of a page."""

from collections.abc import Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Bound:
    """What a figure may be: at most, or at least, `limit`. `robust` ones hold in a short run too, on any machine."""

    limit: float
    at_most: bool = True
    robust: bool = True

    def holds(self, value: float) -> bool:
        return value <= self.limit if self.at_most else value >= self.limit


@dataclass(frozen=True)
class Figure:
    """One line of the verdict. `form` writes the value and the limit, as in "{:.1f} s"."""

    name: str
    value: float
    form: str
    bound: Bound

    @property
    def met(self) -> bool:
        return self.bound.holds(self.value)

    def verdict(self, is_quick: bool) -> str:
        if self.met:
            return "PASS"
        return "MISSED" if self.bound.robust or not is_quick else "too short to measure"

    @property
    def shown(self) -> str:
        return self.form.format(self.value)

    @property
    def asked(self) -> str:
        return f"{'≤' if self.bound.at_most else '≥'} {self.form.format(self.bound.limit)}"


@dataclass(frozen=True)
class Table:
    """Cells as texts; the first column names the rows."""

    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    title: str = ""


@dataclass(frozen=True)
class Bar:
    """A bar of parts, as long as their sum; one that is a `limit` is drawn as such."""

    label: str
    parts: Sequence[float]
    shown: str
    is_limit: bool = False


@dataclass(frozen=True)
class Chart:
    """Horizontal bars. `legend` names the parts where there are several."""

    name: str
    title: str
    bars: Sequence[Bar]
    legend: Sequence[str] = ()


@dataclass
class Section:
    """A part of the page: what was done, in a sentence or two, and what came of it."""

    title: str
    text: str
    figures: list[Figure] = field(default_factory=list)
    tables: list[Table] = field(default_factory=list)
    charts: list[Chart] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
