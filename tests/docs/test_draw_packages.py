"""The picture of the packages, and the rules that it checks."""

from pathlib import Path

import draw_packages
import pytest
from draw_packages import MODULES, PAGE, circles, mermaid, read, wrong

from sandbox import TOP

GOOD = {
    "__init__.py": "",
    "connector_audit_logs.py": "from .collection.loop import run\nfrom .intake import push",
    "account_validator.py": "from . import errors\nfrom cyberark_modules.audit_api.client import Client",
    "errors.py": "import enum",
    "audit_api/__init__.py": "from .client import Client",
    "audit_api/client.py": "import requests\nfrom ..errors import Failed\nfrom . import events",
    "audit_api/events.py": "from dataclasses import dataclass",
    "audit_api/transport.py": "from requests import Session",
    "checkpoint/value.py": "from ..audit_api.events import Event",
    "collection/loop.py": (
        "from ..checkpoint.value import V\nfrom ..audit_api import events\nfrom ..telemetry import lag"
    ),
    "intake/push.py": "import requests.adapters\nfrom ..audit_api.transport import Session",
    "telemetry/__init__.py": "from ..errors import Failed",
}


def sentences(folder: Path, **changed: str) -> list[str]:
    root = folder / "cyberark_modules"
    for name, text in {**GOOD, **{name.replace("__", "/") + ".py": text for name, text in changed.items()}}.items():
        file = root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return wrong(*read(root))


def test_imports_that_point_one_way_are_right(tmp_path: Path) -> None:
    assert sentences(tmp_path) == []
    graph = mermaid(read(tmp_path / "cyberark_modules")[0])
    assert "    connector --> collection\n" in graph
    assert "    collection --> checkpoint\n" in graph
    assert "errors" not in graph


@pytest.mark.parametrize(
    ("module", "text", "said"),
    [
        ("collection__loop", "from .. import connector_audit_logs", "collection.loop imports connector_audit_logs"),
        ("collection__loop", "from ..audit_api.client import Client", "collection.loop imports audit_api.client"),
        ("collection__loop", "from ..audit_api import Client", "collection.loop imports audit_api:"),
        ("checkpoint__value", "from ..collection import loop", "checkpoint.value imports collection.loop"),
        (
            "diagnosis__rows",
            "from cyberark_modules.audit_api import events",
            "diagnosis.rows imports audit_api.events",
        ),
        ("telemetry__lag", "def now():\n    from .. import checkpoint", "telemetry.lag imports"),
        ("platform__stop", "from .. import connector_audit_logs", "platform.stop imports connector_audit_logs"),
        ("errors", "from .telemetry import lag", "errors imports telemetry"),
        ("collection__loop", "import requests", "collection.loop imports requests"),
        ("connector_audit_logs", "from requests import Session", "connector_audit_logs imports requests"),
        ("elsewhere__new", "from ..telemetry import lag", "elsewhere.new imports telemetry"),
    ],
)
def test_an_import_that_points_the_wrong_way_is_named(tmp_path: Path, module: str, text: str, said: str) -> None:
    assert [sentence for sentence in sentences(tmp_path, **{module: text}) if sentence.startswith(said)]


def test_a_circle_within_a_package_is_named(tmp_path: Path) -> None:
    found = sentences(
        tmp_path, intake__a="from .b import x", intake__b="from . import c", intake__c="from .a import y"
    )
    assert found == ["an import cycle: intake.a -> intake.b -> intake.c -> intake.a"]


def test_it_exits_1_for_a_wrong_import_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(draw_packages, "MODULES", tmp_path / "cyberark_modules")
    sentences(tmp_path)
    assert draw_packages.main([]) == 0
    sentences(tmp_path, telemetry__lag="import requests")
    assert draw_packages.main([]) == 1


def test_the_graph_is_written_between_the_marks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"before\n{draw_packages.BEGIN}\nold\n{draw_packages.END}\nafter\n")
    monkeypatch.setattr(draw_packages, "PAGE", page)
    draw_packages.main(["--write"])
    text = page.read_text()
    assert text.startswith(f"before\n{draw_packages.BEGIN}\n```mermaid\n")
    assert text.endswith(f"```\n{draw_packages.END}\nafter\n")
    assert "old" not in text


def test_the_page_has_a_place_for_the_graph() -> None:
    assert PAGE.read_text("utf-8").count(draw_packages.BEGIN) == PAGE.read_text("utf-8").count(draw_packages.END) == 1


def test_the_module_keeps_the_rules() -> None:
    assert wrong(*read(MODULES)) == []


def test_the_picture_is_that_of_the_code() -> None:
    """When this fails: python docs/draw_packages.py --write."""
    picture = PAGE.read_text("utf-8").partition(draw_packages.BEGIN)[2].partition(draw_packages.END)[0]
    assert picture.strip() == mermaid(read(MODULES)[0])


def test_the_packages_of_the_sandbox_form_no_circle() -> None:
    packages: dict[str, set[str]] = {}
    for module, targets in read(TOP / "sandbox")[0].items():
        package = module.partition(".")[0]
        packages.setdefault(package, set()).update(target.partition(".")[0] for target in targets)
    assert circles({package: targets - {package, ""} for package, targets in packages.items()}) == []
