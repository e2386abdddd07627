"""Storage that is as slow as a busy machine makes it."""

import pytest

from cyberark_modules import files


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    for limit in ("READ_TIMEOUT_S", "CONNECT_TIMEOUT_S"):
        monkeypatch.setattr(files, limit, 60.0)
