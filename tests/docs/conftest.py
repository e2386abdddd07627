import sys
from pathlib import Path

TOP = Path(__file__).resolve().parents[2]
for folder in (TOP / "CyberArk", TOP / "docs"):
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))
