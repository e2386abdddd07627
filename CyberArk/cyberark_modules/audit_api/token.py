"""The OAuth2 token of the service user: requested once for all who need it, renewed before it expires."""

import json
from base64 import b64encode, urlsafe_b64decode
from dataclasses import dataclass, field, replace
from threading import Lock
from typing import Any
from urllib.parse import quote, urlencode

from cachetools import TLRUCache
from pydantic import SecretStr

from ..configuration import CyberArkModuleConfiguration
from ..errors import ClientError, ConfigurationError, CyberArkError, Failure, FailureKind, Service, TransientError
from ..http import TOKEN_S, Http
from ..masking import mask

SCOPE = "isp.audit.events:read"
AUDIENCE = "cyberark.isp.audit"
ENDPOINT = "/oauth2/token"
# A node of the service may not know a token yet for some seconds: for this long (s) a rejection is not believed.
NEW_S = 60.0
# How much of its life a token is used for; the life (s) when none is given: the shortest one seen is 1799 s.
USED_PART, DEFAULT_LIFE_S = 0.9, 900.0


@dataclass(frozen=True)
class Token:
    """An access token, when it was issued (monotonic, s), its life (s), and its claims (None: it is no JWT)."""

    value: SecretStr
    issued_at: float
    life_s: float
    claims: dict[str, Any] | None = field(repr=False)

    def missing(self) -> tuple[str, ...]:
        """Return what the set-up page puts in a token and this one lacks: `jwt`, `scope`, `aud`, `tenant_id`."""
        if self.claims is None:
            return ("jwt",)
        scope, audience = str(self.claims.get("scope") or self.claims.get("scp")), str(self.claims.get("aud"))
        held = {"scope": SCOPE in scope, "aud": AUDIENCE in audience, "tenant_id": bool(self.tenant_id)}
        return tuple(claim for claim, is_held in held.items() if not is_held)

    @property
    def tenant_id(self) -> str:
        """The tenant's identifier; empty when the token does not hold it."""
        return str((self.claims or {}).get("tenant_id") or "")


class TokenSource:
    """Gives the current token. Thread-safe: one request serves all who wait for it, whether it succeeds or fails."""

    def __init__(self, http: Http, account: CyberArkModuleConfiguration, deadline_s: float = TOKEN_S) -> None:
        self._http, self._account, self._deadline_s = http, account, deadline_s
        self._monotonic = clock = http.clock.monotonic
        self._lock = Lock()
        self._cache = TLRUCache[str, Token](1, lambda _, token, now: now + USED_PART * token.life_s, timer=clock)
        self._failed: tuple[float, CyberArkError] | None = None
        self._rejected_since: float | None = None

    def token(self) -> Token:
        """Return a token that is valid now.

        Raises ConfigurationError when the credentials are rejected, TransientError when Identity cannot answer now.
        """
        asked_at = self._monotonic()
        with self._lock:
            if (token := self._cache.get(ENDPOINT)) is None:
                if self._failed and self._failed[0] > asked_at:
                    raise self._failed[1]  # of the request that this call waited for
                try:
                    token = self._cache[ENDPOINT] = self._request()
                except CyberArkError as error:
                    self._failed = self._monotonic(), error
                    raise
            return token

    def accepted(self) -> None:
        """Note that the Audit API accepted a token."""
        self._rejected_since = None

    def rejected(self, token: Token, failure: Failure) -> None:
        """Note that the Audit API rejected that token, and return when there is another one to try at once.

        Raises TransientError, since a node may not know a new token yet, and ConfigurationError once nothing but
        rejections was seen for `NEW_S`.
        """
        now = self._monotonic()
        with self._lock:
            since = self._rejected_since = now if self._rejected_since is None else self._rejected_since
            if token is self._cache.get(ENDPOINT) and now - token.issued_at >= NEW_S:
                self._cache.clear()
            if token is not self._cache.get(ENDPOINT):
                return
        if now - since < NEW_S:
            raise TransientError(replace(failure, kind=FailureKind.NEW_TOKEN))
        raise ConfigurationError(replace(failure, missing=token.missing()))

    def _request(self) -> Token:
        account = self._account
        if not account.password.get_secret_value():
            raise ConfigurationError(Failure(Service.IDENTITY, FailureKind.NO_PASSWORD))
        headers = {
            "Authorization": f"Basic {b64encode(account.credentials.encode()).decode()}",
            "Content-Type": "application/x-www-form-urlencoded",
        }
        url = f"{account.auth_base_url}{ENDPOINT}/{quote(account.application_id, safe='')}"
        form = urlencode({"grant_type": "client_credentials", "scope": SCOPE}).encode()
        try:
            answer = self._http.post(Service.IDENTITY, url, ENDPOINT, headers, form, self._deadline_s)
        except ClientError as error:
            suffix = () if "@" in account.login_name else ("suffix",)
            raise ClientError(replace(error.failure, missing=suffix)) from None
        fields = answer.json()
        value, life = fields.get("access_token"), fields.get("expires_in")
        if not value or not isinstance(value, str):
            raise answer.unusable()
        mask(value)
        life_s = float(life) if isinstance(life, int | float) and 1 < life < 1e9 else DEFAULT_LIFE_S
        return Token(SecretStr(value), self._monotonic(), life_s, read_claims(value))


def read_claims(token: str) -> dict[str, Any] | None:
    """Return the payload of a JWT (RFC 7519), None if it is not one. Its signature is for the API to verify."""
    try:
        claims = json.loads(urlsafe_b64decode(token.split(".")[1] + "=="))
    except (IndexError, ValueError, RecursionError):
        return None
    return claims if isinstance(claims, dict) else None
