"""A connector as they are usually written: fetch a page, parse it, push it, save the state, then the next page.

Run in a process of its own with the environment of a connector; prints what it has done as JSON.
"""

import json
import os
import time
from pathlib import Path
from typing import Any

import requests
from sekoia_automation.connector import Connector
from sekoia_automation.storage import PersistentJSON

from cyberark_modules import CyberArkModule

_STREAM = "/api/audits/stream"
_LONG_AGO = "2020-01-01T00:00:00.000Z"


class SequentialConnector(Connector):
    """The loop, on the SDK's own push and the SDK's own state."""

    def run(self) -> None:
        values = json.loads(os.environ["MODULE_CONFIGURATION"]) | json.loads(os.environ["CONNECTOR_CONFIGURATION"])
        session = requests.Session()
        answer = session.post(
            f"{values['auth_base_url']}/oauth2/token/{values['application_id']}",
            data={"grant_type": "client_credentials", "scope": "isp.audit.events:read"},
            auth=(values["login_name"], values["password"]),
        ).json()
        session.headers["Authorization"] = f"Bearer {answer['access_token']}"
        session.headers["x-api-key"] = values["api_key"]
        query = {
            "pageSize": values["chunk_size"],
            "filterModel": {"date": {"dateFrom": _LONG_AGO}},
            "sortModel": [{"field_name": "timestamp", "direction": "asc"}],
        }
        url = f"{values['api_base_url']}{_STREAM}"
        state = PersistentJSON("context.json", Path(os.environ["SUB_FOLDER"]))
        began, count = time.monotonic(), 0
        cursor: Any = session.post(f"{url}/createQuery", json={"query": query}).json()["cursorRef"]
        while events := (page := session.post(f"{url}/results", json={"cursorRef": cursor}).json())["data"]:
            self.push_events_to_intakes([json.dumps(event) for event in events])
            cursor, count = page["paging"]["cursor"]["cursorRef"], count + len(events)
            with state as cache:
                cache["cursor"], cache["most_recent_date_seen"] = cursor, events[-1]["timestamp"]
            last = time.monotonic()
        print(json.dumps({"events": count, "seconds": last - began}), flush=True)


if __name__ == "__main__":
    SequentialConnector(CyberArkModule()).run()  # type: ignore[no-untyped-call]
    # The SDK's threads would hold the process.
    os._exit(0)
