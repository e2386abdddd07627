"""Defects that a test has to notice: `python -m tests.mutants [WORD]`, those of the table whose sentence holds WORD.

Each is put into a copy of the clone, where the test that the table names has to fail. Exits 1 if one survives, or if
the text that it replaces is no longer in the module.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

TOP = Path(__file__).resolve().parents[1]
TABLE = Path(__file__).with_suffix(".toml")
MODULES = Path("CyberArk/cyberark_modules")
LEFT_BEHIND = shutil.ignore_patterns(".git", ".venv", "__pycache__", ".*_cache", ".hypothesis", "node_modules")


def main(word: str) -> int:
    mutants = [each for each in tomllib.loads(TABLE.read_text("utf-8"))["mutant"] if word in each["defect"]]
    with tempfile.TemporaryDirectory() as folder:
        clone = Path(shutil.copytree(TOP, Path(folder) / "clone", ignore=LEFT_BEHIND))
        verdicts = [tried(clone, each) for each in mutants]
    print(f"{verdicts.count('killed')} of {len(mutants)} killed")
    return int(set(verdicts) != {"killed"})


def tried(clone: Path, mutant: dict[str, str]) -> str:
    """Put that defect into the clone, run its test, and take it out; print and return what became of it."""
    file = clone / MODULES / mutant["file"]
    text = file.read_text("utf-8")
    if text.count(mutant["old"]) != 1:
        verdict = "not found"
    else:
        file.write_text(text.replace(mutant["old"], mutant["new"]), encoding="utf-8")
        verdict = {0: "SURVIVES", 1: "killed"}.get(status_of(clone, mutant["killed_by"]), "NO TEST")
        file.write_text(text, encoding="utf-8")
    print(f"{verdict:9}  {mutant['defect']}: {mutant['killed_by'].rpartition('/')[2]}", flush=True)
    return verdict


def status_of(clone: Path, test: str) -> int:
    """Run that test in the clone; 0: it passes, 1: it fails, otherwise it was not run."""
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", test]
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run(command, cwd=clone, env=environment, capture_output=True, check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1] if len(sys.argv) > 1 else ""))
