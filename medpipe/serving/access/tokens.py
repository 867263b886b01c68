"""Bearer tokens of the building's own identity provider (OpenID Connect, OAuth 2.0).

PyJWT checks signatures and claims: it stands on cryptography, which is here already, and on nothing
else. Only tokens with the issuer's signature, this service as audience and an end are believed, as
RFC 8725 demands. A token cannot be revoked here: it ends when it says so.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import jwt

from medpipe import config
from medpipe.errors import AccessError, ParamsError
from medpipe.serving.access.caller import Caller, is_scope
from medpipe.serving.access.issuer_keys import ALGORITHMS, IssuerKeys, offered_at
from medpipe.serving.access.rate import Rate

LEEWAY_S = 30
"""By which the clocks of provider and service may differ."""

REQUIRED = ["exp", "iss", "aud", "sub"]
_SUBJECT_MAX = 255  # OpenID Connect Core 1.0, section 2
_CHALLENGE = 'Bearer realm="medpipe", error="invalid_token"'


@dataclass(frozen=True)
class Trust:
    """Whose tokens count.

    Parameters
    ----------
    issuer : exactly as in the claim ``iss``
    audience : what this service is called in the claim ``aud``
    jwks : where the issuer's keys are, as `offered_at` takes it
    scope_claim : the claim with the scopes, a text with spaces or a list
    """

    issuer: str
    audience: str
    jwks: str
    scope_claim: str = "scope"


def trust() -> Trust | None:
    """What the environment says, MEDPIPE_OIDC_*; None where it says nothing.

    Raises
    ------
    ParamsError : it says half
    """
    names = {part: f"MEDPIPE_OIDC_{part.upper()}" for part in ("issuer", "audience", "jwks")}
    given = {part: config.environment(name) for part, name in names.items()}
    if not any(given.values()):
        return None
    if missing := [names[part] for part, value in given.items() if value is None]:
        raise ParamsError(f"{' and '.join(missing)} must be set too, for tokens to be checked")
    claim = config.environment("MEDPIPE_OIDC_SCOPE_CLAIM") or "scope"
    return Trust(**{part: value or "" for part, value in given.items()}, scope_claim=claim)


class Tokens:
    """Callers by token.

    Parameters
    ----------
    rate : of each caller
    """

    def __init__(self, trust: Trust, *, rate: Rate) -> None:
        self._trust = trust
        self._rate = rate
        self._keys = IssuerKeys(offered_at(trust.jwks))

    async def caller(self, token: str) -> Caller:
        """Whose token it is.

        Raises
        ------
        AccessError : 401, it is not to be believed, and why; 503, its key cannot be had
        """
        try:
            header = jwt.get_unverified_header(token)
        except jwt.PyJWTError:
            raise _refused("this is neither an API key nor a token") from None
        if header.get("alg") not in ALGORITHMS or not isinstance(header.get("kid"), str):
            raise _refused(f"a token needs a key id, and a signature by {', '.join(ALGORITHMS)}")
        claims = self._checked(token, await self._keys.key(header["kid"]))
        return Caller(f"oidc:{_subject(claims)}", self._scopes(claims), self._rate)

    def _checked(self, token: str, key: jwt.PyJWK) -> dict[str, Any]:
        try:
            return jwt.decode(
                token,
                key,
                algorithms=ALGORITHMS,
                audience=self._trust.audience,
                issuer=self._trust.issuer,
                leeway=LEEWAY_S,
                options={"require": REQUIRED, "enforce_minimum_key_length": True},
            )
        except jwt.ExpiredSignatureError:
            raise _refused("the token has expired; get a new one") from None
        except jwt.ImmatureSignatureError:
            raise _refused("the token is not valid yet; compare the clocks") from None
        except jwt.InvalidAudienceError:
            raise _refused("the token is for another audience") from None
        except jwt.InvalidIssuerError:
            raise _refused("the token is from another issuer") from None
        except jwt.MissingRequiredClaimError as error:
            raise _refused(f"the token lacks the claim {error.claim}") from None
        except jwt.PyJWTError:
            raise _refused("the token's signature does not fit, or it is damaged") from None

    def _scopes(self, claims: dict[str, Any]) -> frozenset[str]:
        said = claims.get(self._trust.scope_claim, "")
        words = said.split() if isinstance(said, str) else said if isinstance(said, list) else ()
        return frozenset(word for word in words if isinstance(word, str) and is_scope(word))


def _subject(claims: dict[str, Any]) -> str:
    subject = claims["sub"]
    if not subject.isprintable() or not 0 < len(subject) <= _SUBJECT_MAX:
        raise _refused(f"the token's subject is not a name of 1 to {_SUBJECT_MAX} letters")
    return str(subject)


def _refused(why: str) -> AccessError:
    return AccessError(why, status=401, challenges=(_CHALLENGE,))
