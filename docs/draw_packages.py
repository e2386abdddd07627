"""Draw the packages of the module and the imports between them, as a Mermaid graph.

    python docs/draw_packages.py            # print the graph
    python docs/draw_packages.py --write    # put it into CONTRIBUTING.md

Exits 1, and says which import it is, when an import points the wrong way, when modules import one another in a circle,
or when a package imports `requests` that must not. Needs the standard library only; imports nothing that it reads.
"""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

TOP = Path(__file__).resolve().parent.parent
MODULES = TOP / "CyberArk" / "cyberark_modules"
PAGE = TOP / "CONTRIBUTING.md"
BEGIN, END = "<!-- packages:begin -->", "<!-- packages:end -->"

# The modules that wire the others together: they may import everything, and nothing imports them.
CONNECTOR = "connector"
_WIRING = {"", "connector_audit_logs", "account_validator"}
# What every package may import: values and small helpers that import nothing of ours.
COMMON = {"errors", "clock"}
# What each package may import besides; "package.module" allows that module only.
ALLOWED: dict[str, set[str]] = {
    "collection": {"audit_api.backoff", "audit_api.events", "checkpoint", "intake", "platform", "telemetry"},
    "checkpoint": {"audit_api.events"},
    "intake": {"audit_api.events", "audit_api.transport", "checkpoint.disk", "checkpoint.files"},
    "audit_api": {"configuration"},
    "configuration": set(),
    "diagnosis": set(),
    "platform": {"intake"},
    "telemetry": {"diagnosis"},
    **{name: set() for name in COMMON},
}
MAY_IMPORT_REQUESTS = {"audit_api", "intake"}

Imports = dict[str, set[str]]


def read(modules: Path) -> tuple[Imports, Imports]:
    """Return what each module imports: of ours, by dotted names below `modules`, and of others, by package."""
    files = {name_of(file, modules): file for file in sorted(modules.rglob("*.py"))}
    ours: Imports = {name: set() for name in files}
    others: Imports = {name: set() for name in files}
    for name, file in files.items():
        package = name if file.name == "__init__.py" else name.rpartition(".")[0]
        for target in imported(ast.parse(file.read_text("utf-8")), package, modules.name):
            if target.startswith("/"):
                others[name].add(target[1:].partition(".")[0])
            else:
                ours[name].add(nearest(target, files))
        ours[name].discard(name)
    return ours, others


def name_of(file: Path, modules: Path) -> str:
    parts = file.relative_to(modules).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imported(tree: ast.Module, package: str, root: str) -> Iterator[str]:
    """Yield each name that is imported, below `root`; a name from elsewhere begins with a slash."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (below(alias.name, root) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = f"/{node.module}" if node.module else ""
            if node.level:
                parents = package.split(".") if package else []
                kept = parents[: len(parents) - node.level + 1]
                base = ".".join([*kept, *([node.module] if node.module else [])])
            elif node.module:
                base = below(node.module, root)
            yield from (f"{base}.{alias.name}".lstrip(".") for alias in node.names)


def below(name: str, root: str) -> str:
    if name == root:
        return ""
    return name.removeprefix(f"{root}.") if name.startswith(f"{root}.") else f"/{name}"


def nearest(target: str, files: dict[str, Path]) -> str:
    """Return the module that `target` is, or is a name of."""
    while target and target not in files:
        target = target.rpartition(".")[0]
    return target


def package_of(module: str) -> str:
    first = module.partition(".")[0]
    return CONNECTOR if first in _WIRING else first


def arrows(ours: Imports) -> list[tuple[str, str]]:
    """Return each package and another one that it imports, sorted."""
    pairs = {(package_of(module), package_of(target)) for module, targets in ours.items() for target in targets}
    return sorted((source, target) for source, target in pairs if source != target)


def wrong(ours: Imports, others: Imports) -> list[str]:
    """Return a sentence for each import that must not be."""
    found = []
    for module, targets in sorted(ours.items()):
        package = package_of(module)
        if package == CONNECTOR:
            continue
        found += [
            f"{module} imports {target or 'the package itself'}: {package} must not import that"
            for target in sorted(targets)
            if package_of(target) != package and not is_allowed(package, target)
        ]
    for module, packages in sorted(others.items()):
        if "requests" in packages and package_of(module) not in MAY_IMPORT_REQUESTS:
            found.append(
                f"{module or '__init__'} imports requests: only {' and '.join(sorted(MAY_IMPORT_REQUESTS))} may"
            )
    return [*found, *(f"an import cycle: {' -> '.join(circle)}" for circle in circles(ours))]


def is_allowed(package: str, target: str) -> bool:
    """Whether `package` may import the module `target`."""
    allowed = ALLOWED.get(package, set()) | COMMON
    parts = target.split(".")
    return any(".".join(parts[:length]) in allowed for length in range(1, len(parts) + 1))


def circles(ours: Imports) -> list[list[str]]:
    """Return one path for each circle that a walk through the imports meets; it ends where it began."""
    found: list[list[str]] = []
    done: set[str] = set()

    def walk(module: str, path: list[str]) -> None:
        if module in path:
            found.append([*path[path.index(module) :], module])
        elif module not in done:
            for target in sorted(ours.get(module, ())):
                # A module of a package imports its siblings while the package's own file still runs: no circle.
                if not module.startswith(f"{target}.") and target:
                    walk(target, [*path, module])
            done.add(module)

    for module in sorted(ours):
        walk(module, [])
    return found


def mermaid(ours: Imports) -> str:
    drawn = [(source, target) for source, target in arrows(ours) if target not in COMMON]
    names = sorted({package_of(module) for module in ours} - COMMON)
    lines = ["```mermaid", "graph TD", *(f"    {name}" for name in names)]
    return "\n".join([*lines, *(f"    {source} --> {target}" for source, target in drawn), "```"])


def write(graph: str, page: Path) -> None:
    before, _, rest = page.read_text("utf-8").partition(BEGIN)
    page.write_text(f"{before}{BEGIN}\n{graph}\n{END}{rest.partition(END)[2]}", "utf-8")


def main(arguments: list[str]) -> int:
    ours, others = read(MODULES)
    graph = mermaid(ours)
    if "--write" in arguments:
        write(graph, PAGE)
    else:
        print(graph)
    sentences = wrong(ours, others)
    for sentence in sentences:
        print(sentence, file=sys.stderr)
    return int(bool(sentences))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
