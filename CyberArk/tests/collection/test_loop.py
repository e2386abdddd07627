"""The wired connector in virtual time: fetch, drop, push, confirm, commit. Faults and kills: tests/promise."""

from itertools import pairwise
from math import inf
from pathlib import Path
from typing import Any

import pytest

from cyberark_modules.files import DiskFile
from fakes.tenant import Tenant, VirtualConnector


def test_every_event_is_delivered_once_within_seconds_and_that_is_said_once_confirmed(
    tenant: Tenant, tmp_path: Path
) -> None:
    tenant.happen(-600, 890, 5)
    VirtualConnector(tenant, tmp_path, start_time=1).run_until(900)
    assert (tenant.missing(), tenant.duplicates()) == ([], 0)
    assert max(tenant.accepted_at[text] - time_s for text, time_s in tenant.happened.items() if time_s > 0) < 9
    assert [later - earlier for earlier, later in pairwise(tenant.queried_at)] == [pytest.approx(60.4, abs=0.4)] * 14
    first, caught_up, stopped = tenant.said("info")
    assert first == "Starting collection for tenant t-1, from 2027-01-15 07:00:00 UTC"
    assert caught_up.startswith("Caught up: every event up to 2027-01-15 07:55:59")
    assert caught_up.endswith("is delivered; nothing was lost")
    assert stopped == "Stopped; what the intake has accepted is saved"
    assert {level for level, _ in tenant.lines} == {"info"}


def test_an_outage_of_each_call_is_said_and_when_it_ends_and_nothing_is_lost(tenant: Tenant, tmp_path: Path) -> None:
    tenant.happen(-300, 400, 10)
    tenant.script.update(token=[503], query=[503, 401], results=[None] + [503] * 9, intake=[429] * 6)
    VirtualConnector(tenant, tmp_path, start_time=1).run_until(900)
    assert (tenant.missing(), tenant.duplicates()) == ([], 0)
    for named, seconds in (("Query", 61), ("Collection", 61), ("Delivery", 73)):
        lines = [line for _, line in tenant.lines if line.startswith((f"{named} failed", f"{named} recovered"))]
        assert "failed" in lines[0]
        assert lines[-1] in (f"{named} recovered after {seconds} s", f"{named} recovered after {seconds - 1} s")


def test_a_defect_of_ours_costs_a_page_or_a_minute(tenant: Tenant, tmp_path: Path) -> None:
    def raise_error() -> None:
        raise RuntimeError("a defect")

    tenant.happen(-300, 690, 10)
    tenant.script["results"] = [None, RuntimeError("a defect"), RuntimeError("a defect")]
    tenant.time.at(300.0, raise_error)
    VirtualConnector(tenant, tmp_path, start_time=1).run_until(700)
    assert (tenant.missing(), tenant.duplicates()) == ([], 0)
    assert any("because of an unexpected RuntimeError" in line for line in tenant.said("error"))
    assert any(line.startswith("Unexpected error; collection continues") for _, line in tenant.lines)


def test_a_stop_ends_a_push_that_hangs(tenant: Tenant, tmp_path: Path) -> None:
    tenant.happen(-300, 200, 5)
    tenant.script["intake"] = [503, lambda: tenant.time.pass_s(inf)]
    VirtualConnector(tenant, tmp_path, start_time=1).run_until(100)
    assert 108 <= tenant.time.monotonic() < 110


def test_a_stop_says_what_could_not_be_saved(tenant: Tenant, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any) -> None:
        raise OSError("no space left")

    tenant.happen(-300, 200, 5)
    tenant.time.at(100.0, lambda: monkeypatch.setattr(DiskFile, "write", fail))
    VirtualConnector(tenant, tmp_path, start_time=1).run_until(150)
    assert tenant.lines[-1][0] == "error"
    assert tenant.lines[-1][1].startswith("Stopped; the state could not be saved.")
    assert tenant.time.monotonic() < 160
