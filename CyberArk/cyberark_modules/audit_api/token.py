"""The OAuth2 token of the service user: requested once for all who need it, renewed before it expires."""

import json
import re
from base64 import urlsafe_b64decode
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from threading import Lock
from typing import Any
from urllib.parse import quote, urlencode

from cachetools import TLRUCache
from pydantic import SecretStr
from requests import PreparedRequest
from requests.auth import AuthBase, HTTPBasicAuth

from ..errors import ClientError, ConfigurationError, Failure, FailureKind, Service
from .transport import Transport

SCOPE = "isp.audit.events:read"
AUDIENCE = "cyberark.isp.audit"
ENDPOINT = "/oauth2/token"


@dataclass(frozen=True)
class Token:
    """An access token, how long to use it (s), and the claims it holds (None: it is opaque, not a JWT)."""

    value: SecretStr
    use_for_s: float
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
        """The tenant's identifier; empty when the token does not hold it."""
        return str((self.claims or {}).get("tenant_id") or "")


class TokenSource:
    """Gives the current token. Thread-safe: one request serves all who wait, and a refused token is renewed once."""

    # A token is renewed this long before it expires, or after nine tenths of a short life.
    MARGIN_S = 60.0
    # Assumed when the answer does not tell; the shortest life seen is 1799 s.
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
        self._lock = Lock()
        self._cache: TLRUCache[str, Token] = TLRUCache(
            1, ttu=lambda _, token, now: now + token.use_for_s, timer=monotonic
        )

    def token(self, refused: Token | None = None) -> Token:
        """Return a token that is valid now, other than the one that the API has just `refused`.

        Raises ConfigurationError when the credentials are refused, TransientError when Identity cannot answer now.
        """
        # Held during the request: whoever else needs a token waits for this one.
        with self._lock:
            token = self._cache.get(ENDPOINT)
            if token is None or token is refused:
                self._cache.clear()
                token = self._cache[ENDPOINT] = self._request()
            return token

    def _request(self) -> Token:
        if not self._password.get_secret_value():
            raise ConfigurationError(Failure(Service.IDENTITY, FailureKind.NO_PASSWORD))
        # UTF-8: requests would encode a text as Latin-1, and fail on what that does not hold.
        basic = HTTPBasicAuth(self._login_name.encode(), self._password.get_secret_value().encode())
        form = urlencode({"grant_type": "client_credentials", "scope": SCOPE}).encode()
        try:
            answer = self._transport.post(
                Service.IDENTITY, self._url, ENDPOINT, basic, form, "application/x-www-form-urlencoded"
            )
        except ClientError as error:
            missing = () if "@" in self._login_name else ("suffix",)
            raise ClientError(replace(error.failure, missing=missing)) from None
        fields = answer.json()
        value = fields.get("access_token")
        if not isinstance(value, str) or not re.fullmatch("[!-~]+", value):
            raise answer.unusable(FailureKind.SHAPE)
        life = fields.get("expires_in")
        life_s = float(life) if isinstance(life, int | float) and 0 < life < 1e9 else self.DEFAULT_LIFE_S
        return Token(SecretStr(value), max(life_s - self.MARGIN_S, 0.9 * life_s), read_claims(value))


def _listed(claim: Any) -> list[Any]:
    return claim if isinstance(claim, list) else []


def read_claims(token: str) -> dict[str, Any] | None:
    """Return the payload of a JWT (RFC 7519), None if it is not one. Its signature is for the API to verify."""
    parts = token.split(".")
    if len(parts) != 3:
        return None
    try:
        claims = json.loads(urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    except (ValueError, RecursionError):
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
