"""The shapes of the audit events: which keys a tenant sends, in which order, for which action."""

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

Json: TypeAlias = dict[str, Any]

USERS = ("amelie.durand", "józef.wiśniewski", "o'neil", "søren.kjær", "田中.花子", "svc-backup", "li.na", "admin")
CITIES = (
    ("Paris", "France", "FR", 48.8717, 2.32075),
    ("Zürich", "Switzerland", "CH", 47.3769, 8.5417),
    ("São Paulo", "Brazil", "BR", -23.5505, -46.6333),
    ("東京", "Japan", "JP", 35.6895, 139.6917),
)
SAFES = ("Integration safe", "Unix-Root", "Serveurs de démonstration", "Ω-Vault")


@dataclass(frozen=True)
class Shape:
    """One kind of event: what identifies it, and what its `customData` and optional fields look like."""

    application: str
    code: str
    action: str
    action_type: str
    component: str
    service: str
    details: Callable[[random.Random], Json]
    audit_type: str = "Info"


def _identifier(rng: random.Random) -> str:
    digits = f"{rng.getrandbits(128):032x}"
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))


def _place(rng: random.Random) -> Json:
    city, country, code, latitude, longitude = rng.choice(CITIES)
    return {
        "geoip_latitude": latitude,
        "geoip_longitude": longitude,
        "geoip_city_name": city,
        "geoip_country_name": country,
        "geoip_country_code": code,
        "request_browser_name": rng.choice(("Chrome", "Firefox", "Edge")),
        "request_device_os": rng.choice(("Linux", "Windows 11", "macOS")),
    }


def _user_created(rng: random.Random) -> Json:
    return {
        "customData": {
            "directory_service_id": _identifier(rng),
            "user_id": _identifier(rng),
            "user_name": f"{rng.choice(USERS)}@cyberark.cloud.1234",
        }
    }


def _token_created(rng: random.Random) -> Json:
    return {
        "customData": {
            "start_time": "2/10/2026 3:06:30 AM",
            "end_time": "2/10/2026 3:21:30 AM",
            "is_internal_application": rng.random() < 0.5,
            "client": "__idaptive_cybr_user_oidc",
            "user_guid": _identifier(rng),
            "scopes": "openid api profile",
            "token_type": "Id",
            "app_id": "__idaptive_cybr_user_oidc",
        }
    }


def _application_changed(rng: random.Random) -> Json:
    return {
        "customData": {
            "app_url": "",
            "not_self_service": True,
            "service_name": "MyAppId",
            "description": "Lit les événements 🛰 d’audit (100% lecture)",
            "app_display_name": "SIEM",
            "web_app_type": "OAuth",
            "on_prem": False,
            "auth_method": "OAuth2",
            "id": _identifier(rng),
            "category": "Other",
            **_place(rng),
        }
    }


def _login(rng: random.Random) -> Json:
    return {
        "customData": {
            "auth_profile": _identifier(rng),
            "mechanisms": [{"name": "UP", "ok": True}, {"name": "OATH", "ok": rng.random() < 0.8, "after": None}],
            "risk": {"level": rng.choice(("LOW", "MEDIUM")), "score": "@SCORE@", "scale": "@SCALE@"},
            **_place(rng),
        }
    }


def _owner_changed(rng: random.Random) -> Json:
    return {
        "customData": {"PAM": {"new_target": "", "target": rng.choice(("PVWAGWUser", "Vault Admins"))}},
        "accountId": "",
        "target": "",
        "safe": rng.choice(SAFES),
        "accountName": "",
    }


def _password_used(rng: random.Random) -> Json:
    host = f"10.{rng.randrange(256)}.{rng.randrange(256)}.{rng.randrange(1, 255)}"
    name = f"Operating System-UnixSSH-{host}-root"
    return {
        "customData": {"PAM": {"new_target": "", "target": f"Root\\{name}", "ticket": "@BIG@"}},
        "accountId": f"{rng.randrange(100)}_{rng.randrange(9)}",
        "target": host,
        "message": '(Action: Copy Password)\taccès "urgent" / 100%',
        "safe": rng.choice(SAFES),
        "accountName": name,
        "targetPlatform": "UnixSSH",
        "targetAccount": "root",
    }


def _session(rng: random.Random) -> Json:
    return {
        **_password_used(rng),
        "accessMethod": "PSM",
        "command": rng.choice(("sudo -i", "ls -la /var/log", "psql -c 'select 1'")),
        "sessionId": _identifier(rng),
    }


def _threat(rng: random.Random) -> Json:
    steps = [
        {"at": f"2026-01-31T10:0{step}:00Z", "from": f"203.0.113.{rng.randrange(255)}", "ok": step > 1}
        for step in range(rng.randrange(2, 5))
    ]
    return {
        "customData": {
            "detection": {
                "id": _identifier(rng),
                "name": "Impossible travel",
                "score": "@SCORE@",
                "severity": rng.choice(("medium", "high")),
                "evidence": {"steps": steps, "tactics": ["TA0001", "TA0006"], "analyst": None, "note": "«à vérifier»"},
            }
        },
        "message": "Sign-ins from two places in a time too short to travel",
    }


def _flat_target(rng: random.Random) -> Json:
    """As newer components send it: no object in `customData`, and nobody who did it."""
    return {
        "username": None,
        "customData": {"new_target": "", "target": rng.choice(("PVWAGWUser", "Vault Admins")), "ticket": None},
        "safe": rng.choice(SAFES),
    }


def _alert(rng: random.Random) -> Json:
    number = rng.randrange(10_000)
    return {
        "username": None,
        "message": "Suspected credential theft",
        "customData": {
            "ITDR": {
                "Severity": rng.choice(("Low", "Medium", "High")),
                "Status": rng.choice(("Open", "In progress")),
                "Alert_link": f"https://portal.example.com/alerts/{number}?view=full&tab=1",
            }
        },
        "correlationId": _identifier(rng),
        "isDr": rng.random() < 0.1,
        "originRegion": "us-east-1",
        "orgId": _identifier(rng),
    }


SHAPES = (
    Shape("IDP", "IDP2001", "add-user", "Create", "Identity", "Identity", _user_created),
    Shape("IDP", "IDP2009", "cloud.core.oauthtoken.create", "Create", "Identity", "Identity", _token_created),
    Shape("IDP", "IDP6004", "cloud.saas.application.appmodify", "Edit", "Identity", "Identity", _application_changed),
    Shape("IDP", "IDP1010", "cloud.core.login", "Login", "Identity", "Identity", _login),
    Shape("IDP", "IDP1011", "cloud.core.loginfail", "Login", "Identity", "Identity", _login, "Warning"),
    Shape("PAM", "PAM00032", "Add Owner", "Edit", "Vault", "Privilege Cloud", _owner_changed),
    Shape("PAM", "PAM00273", "Remove Owner", "Edit", "Vault", "Privilege Cloud", _owner_changed),
    Shape("PAM", "PAM00295", "Retrieve password", "Password", "Vault", "Privilege Cloud", _password_used),
    Shape("PAM", "PAM00300", "PSM Connect", "Execute", "PSM", "Privilege Cloud", _session),
    Shape("ITDR", "ITDR1001", "impossible-travel", "Detect", "ITDR", "Threat Detection", _threat, "Alert"),
    Shape("PAM", "PAM00031", "Add Member", "Edit", "Vault", "Privilege Cloud", _flat_target),
    Shape("ITDR", "ITDR2004", "credential-theft", "Detect", "ITDR", "Threat Detection", _alert, "Alert"),
)


def build(shape: Shape, rng: random.Random) -> Json:
    """What follows the uuid, the tenant and the timestamp in an event of this shape."""
    person = shape.application == "IDP"
    user = f"{rng.choice(USERS)}@cyberark.cloud.1234"
    event: Json = {
        "username": user,
        "applicationCode": shape.application,
        "auditCode": shape.code,
        "auditType": shape.audit_type,
        "action": shape.action,
        "userId": _identifier(rng) if person else user,
        "source": f"2a01:e34:ec57:b230::{rng.randrange(1 << 16):x}" if person else "PVWA",
        "actionType": shape.action_type,
        "component": shape.component,
        "serviceName": shape.service,
        "accessMethod": None,
        "accountId": None,
        "target": None,
        "command": None,
        "sessionId": None,
        "message": shape.action if person else "",
        "customData": {},
        "cloudProvider": "aws" if person else None,
        "cloudWorkspacesAndRoles": [],
        "cloudIdentities": None,
        "cloudAssets": None,
        "safe": None,
        "accountName": None,
        "targetPlatform": None,
        "targetAccount": None,
        "identityType": "HUMAN" if person else None,
    }
    event.update(shape.details(rng))
    if rng.random() < 0.3:
        event |= {
            "correlationId": _identifier(rng),
            "isDr": False,
            "originRegion": "eu-central-1",
            "orgId": _identifier(rng),
        }
    return event
