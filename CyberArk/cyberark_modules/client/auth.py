"""The OAuth2 token of the service user: fetched once for all who need it, renewed before it expires."""

import re
from base64 import urlsafe_b64decode
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from threading import Lock
from typing import Any
from urllib.parse import quote

import orjson
from pydantic import SecretStr
from requests import PreparedRequest
from requests.auth import AuthBase, HTTPBasicAuth

from ..errors import Evidence, PersonNeeded, Service, Sign
from .transport import Refused, Transport

SCOPE = "isp.audit.events:read"
AUDIENCE = "cyberark.isp.audit"
ENDPOINT = "/oauth2/token"


@dataclass(frozen=True)
class Token:
    """An access token, when to renew it (monotonic seconds), and the claims it holds (None: it is opaque)."""

    value: SecretStr
    renew_at: float
    claims: dict[str, Any] | None = field(repr=False)

    def missing(self) -> tuple[str, ...]:
        """Return what the Audit API needs and this token does not hold: `jwt`, `scope`, `aud`, `tenant_id`."""
        if self.claims is None:
            return ("jwt",)
        scopes, audience = self.claims.get("scope") or self.claims.get("scp"), self.claims.get("aud")
        held = {
            "scope": SCOPE in (scopes.split() if isinstance(scopes, str) else _listed(scopes)),
            "aud": audience == AUDIENCE or AUDIENCE in _listed(audience),
            "tenant_id": bool(self.claims.get("tenant_id")),
        }
        return tuple(claim for claim, is_held in held.items() if not is_held)

    @property
    def tenant_id(self) -> str:
        """Return the tenant's identifier, empty when the token does not tell."""
        return str((self.claims or {}).get("tenant_id") or "")


class TokenSource:
    """Gives the current token; thread-safe, and never more than one token request for all who wait."""

    # Renewed so long before it expires, or after nine tenths of a short life.
    MARGIN_S = 60.0
    # What is assumed when the answer does not tell; the shortest life seen is 1799 s.
    DEFAULT_LIFE_S = 900.0

    def __init__(
        self,
        transport: Transport,
        auth_base_url: str,
        application_id: str,
        login_name: str,
        password: SecretStr,
        monotonic: Callable[[], float],
    ) -> None:
        self._transport = transport
        self._url = f"{auth_base_url}{ENDPOINT}/{quote(application_id, safe='')}"
        self._login_name = login_name
        self._password = password
        self._monotonic = monotonic
        self._lock = Lock()
        self._token: Token | None = None

    def token(self, refused: Token | None = None) -> Token:
        """Return a token that is good for now, and that is not the one the API has just `refused`.

        Raises PersonNeeded when the credentials are refused, TryLater when Identity cannot answer now.
        """
        with self._lock:
            token = self._token
            if token is None or token is refused or self._monotonic() >= token.renew_at:
                self._token = None
                token = self._token = self._fetch()
            return token

    def _fetch(self) -> Token:
        if not self._password.get_secret_value():
            raise PersonNeeded(Evidence(Service.IDENTITY, Sign.NO_PASSWORD))
        # UTF-8: requests would encode a text as Latin-1, and fail on what that does not hold.
        basic = HTTPBasicAuth(self._login_name.encode(), self._password.get_secret_value().encode())
        form = {"grant_type": "client_credentials", "scope": SCOPE}
        try:
            answer = self._transport.post(Service.IDENTITY, self._url, ENDPOINT, basic, form=form)
        except Refused as error:
            missing = () if "@" in self._login_name else ("suffix",)
            raise Refused(replace(error.evidence, missing=missing)) from None
        fields = answer.json()
        value = fields.get("access_token")
        if not isinstance(value, str) or not re.fullmatch("[!-~]+", value):
            raise answer.unusable(Sign.SHAPE)
        life = fields.get("expires_in")
        life_s = float(life) if isinstance(life, int | float) and life > 0 else self.DEFAULT_LIFE_S
        renew_at = self._monotonic() + max(life_s - self.MARGIN_S, 0.9 * life_s)
        return Token(SecretStr(value), renew_at, read_claims(value))


def _listed(claim: Any) -> list[Any]:
    return claim if isinstance(claim, list) else []


def read_claims(token: str) -> dict[str, Any] | None:
    """Return the payload of a JWT (RFC 7519) without verifying it: it is the API that judges it. None: not a JWT."""
    parts = token.split(".")
    if len(parts) != 3:
        return None
    try:
        claims = orjson.loads(urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    except ValueError:
        return None
    return claims if isinstance(claims, dict) else None


class BearerAuth(AuthBase):
    """The token and the API key of an Audit request; as an auth object so that no `.netrc` entry replaces them."""

    def __init__(self, token: Token, api_key: SecretStr) -> None:
        self._token = token
        self._api_key = api_key

    def __call__(self, request: PreparedRequest) -> PreparedRequest:
        """Sign the request."""
        request.headers["Authorization"] = f"Bearer {self._token.value.get_secret_value()}"
        request.headers["x-api-key"] = self._api_key.get_secret_value()
        return request
