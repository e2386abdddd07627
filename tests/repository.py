"""The files of this repository, and every text in the code of the module."""

import ast
from functools import cache
from pathlib import Path

TOP = Path(__file__).resolve().parents[1]
MODULE, DOCS = TOP / "CyberArk" / "cyberark_modules", TOP / "docs"


def text(path: Path) -> str:
    return path.read_text("utf-8")


@cache
def texts_of_the_code() -> tuple[str, ...]:
    """Return every text that is no docstring, with … for what a format fills in."""
    found = []
    for source in MODULE.rglob("*.py"):
        tree = ast.parse(text(source))
        for node in ast.walk(tree):
            if isinstance(node, ast.JoinedStr):
                parts = (part.value if isinstance(part, ast.Constant) else "…" for part in node.values)
                found.append("".join(map(str, parts)))
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                found.append(node.value)
        documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
        docstrings = {ast.get_docstring(node, clean=False) for node in ast.walk(tree) if isinstance(node, documented)}
        found = [each for each in found if each not in docstrings]
    return tuple(found)
