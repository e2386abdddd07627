"""Each promise of the pages has one test, and each stands on a page (tests/promises.toml)."""

import re
import tomllib

from repository import DOCS, TOP, text
from sandbox.faults.catalogue import FAULTS

PROMISES = tomllib.loads(text(TOP / "tests" / "promises.toml"))
DELIVERY = text(DOCS / "delivery.md")


def rows(heading: str, pattern: str) -> list[str]:
    """Return what the pattern finds in each line of a part of docs/delivery.md."""
    return re.findall(pattern, DELIVERY.partition(f"\n## {heading}\n")[2].partition("\n## ")[0], re.M)


def test_every_promise_of_a_page_has_a_test_and_no_other_has() -> None:
    assert [*PROMISES["guarantee"]] == rows("Guarantee", r"^\d\. \*\*(.+?)\.?\*\*")
    assert ["Limit", "---", *PROMISES["limits"]] == rows("Limits", r"^\| (.+?) \|")
    assert ["What fails", "---", *PROMISES["failures"]] == rows("Fifteen failures", r"^\| (.+?) \|")
    readme = " ".join(text(TOP / "README.md").split())
    assert [phrase for phrase in PROMISES["readme"] if phrase not in readme] == []


def test_the_test_of_every_promise_exists_and_proves_one() -> None:
    tests = [test for promises in PROMISES.values() for test in promises.values()]
    assert len(set(tests)) == len(tests)
    for test in tests:
        file, name, row = re.findall(r"^(.+)::(\w+)(?:\[(.+)\])?$", test)[0]
        assert f"\ndef {name}(" in text(TOP / file), test
        assert not row or row in FAULTS, test
