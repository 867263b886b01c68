"""Tokens of an identity provider, whose keys a real server on this machine offers."""

import asyncio
import base64
import hashlib
import hmac
import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import jwt
import pytest
from brightness_release import TRUSTED, png
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from fastapi.testclient import TestClient
from hypothesis import given, settings
from hypothesis import strategies as st

from medpipe.errors import AccessError, ParamsError
from medpipe.serving import access, api, recorder
from medpipe.serving.access import credentials, issuer_keys, keyfile
from medpipe.serving.access.issuer_keys import IssuerKeys, offered_at
from medpipe.serving.access.rate import Rate
from medpipe.serving.access.tokens import Tokens, Trust
from medpipe.serving.catalogue import Catalogue

ISSUER, AUDIENCE = "https://login.hospital.example", "medpipe"
RSA = rsa.generate_private_key(65537, 2048)
KEYS = {
    "RS256": RSA,
    "PS256": RSA,
    "ES256": ec.generate_private_key(ec.SECP256R1()),
    "EdDSA": ed25519.Ed25519PrivateKey.generate(),
}


def jwk(algorithm, key=None):
    public = (key or KEYS[algorithm]).public_key()
    made = jwt.get_algorithm_by_name(algorithm).to_jwk(public, as_dict=True)
    return {**made, "kid": algorithm, "alg": algorithm, "use": "sig"}


class Provider:
    """An identity provider that offers `keys`, and counts how often it is asked."""

    def __init__(self):
        self.keys = [jwk(algorithm) for algorithm in KEYS]
        self.status, self.asked = 200, 0
        provider = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                provider.asked += 1
                self.send_response(provider.status)
                if provider.status == 302:
                    self.send_header("Location", f"{provider.address}/elsewhere")
                self.end_headers()
                self.wfile.write(json.dumps({"keys": provider.keys}).encode())

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def stop(self):
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def provider():
    made = Provider()
    yield made
    made.stop()


@pytest.fixture
def client(releases, tmp_path, pytestconfig, monkeypatch, provider):
    for name, value in {
        "ISSUER": ISSUER,
        "AUDIENCE": AUDIENCE,
        "JWKS": f"{provider.address}/keys",
    }.items():
        monkeypatch.setenv(f"MEDPIPE_OIDC_{name}", value)
    catalogue = Catalogue(releases, trusted=lambda _: TRUSTED)
    page = pytestconfig.rootpath / "service/page.html"
    made = api.create(
        lambda: catalogue,
        recorder=lambda: recorder.at(tmp_path),
        page=page,
        porter=access.at(tmp_path),
    )
    with TestClient(made, client=("10.0.0.7", 1)) as client:
        yield client


def claims(**changes):
    now = int(time.time())
    said = {"iss": ISSUER, "aud": AUDIENCE, "sub": "8f3", "exp": now + 60, "iat": now}
    said = {**said, "scope": "openid answer:brightness", **changes}
    return {name: value for name, value in said.items() if value is not None}


def token(algorithm="RS256", *, key=None, kid=None, **changes):
    headers = {"kid": kid or algorithm}
    return jwt.encode(claims(**changes), key or KEYS[algorithm], algorithm, headers=headers)


def ask(client, text, path="/v1/brightness"):
    headers = {"Authorization": f"Bearer {text}"}
    return client.post(path, files={"file": png(204)}, headers=headers)


@pytest.mark.parametrize("algorithm", KEYS)
def test_a_token_of_each_kind_of_signature_is_answered(client, algorithm):
    assert ask(client, token(algorithm)).status_code == 200


def test_the_keys_are_fetched_once_for_many_tokens(client, provider):
    assert {ask(client, token(sub=str(n))).status_code for n in range(5)} == {200}
    assert provider.asked == 1


@pytest.mark.parametrize(
    ("changes", "advice"),
    [
        ({"exp": 1}, "expired"),
        ({"exp": None}, "lacks the claim exp"),
        ({"iss": None}, "lacks the claim iss"),
        ({"aud": None}, "lacks the claim aud"),
        ({"sub": None}, "lacks the claim sub"),
        ({"iss": "https://other.example"}, "another issuer"),
        ({"aud": "another service"}, "another audience"),
        ({"aud": ["a", "b"]}, "another audience"),
        ({"nbf": 2**40}, "not valid yet"),
        ({"sub": "a\nb"}, "subject"),
        ({"sub": ""}, "subject"),
        ({"sub": "x" * 256}, "subject"),
    ],
)
def test_a_token_that_is_not_for_this_service_now_is_refused_with_the_reason(
    client, changes, advice
):
    response = ask(client, token(**changes))
    assert response.status_code == 401
    assert advice in response.json()["error"]
    assert 'error="invalid_token"' in response.headers["www-authenticate"]


@pytest.mark.parametrize(("late_s", "status"), [(20, 200), (60, 401)])
def test_clocks_may_differ_by_half_a_minute(client, late_s, status):
    assert ask(client, token(exp=int(time.time()) - late_s)).status_code == status


def unsigned():
    return jwt.encode(claims(), None, "none", headers={"kid": "RS256"})


def signed_with_the_public_key():
    """The attack of RFC 8725 section 2.1: the public key taken for a shared secret."""
    pem = RSA.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    parts = [{"alg": "HS256", "kid": "RS256"}, claims()]
    body = b".".join(_b64(json.dumps(part).encode()) for part in parts)
    return (body + b"." + _b64(hmac.digest(pem, body, hashlib.sha256))).decode()


def _b64(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=")


FORGED = {
    "another's key": lambda: token(key=rsa.generate_private_key(65537, 2048)),
    "no signature": unsigned,
    "public key as secret": signed_with_the_public_key,
    "another algorithm": lambda: token("PS256", kid="RS256"),
    "changed": lambda: token()[:-8] + "AAAAAAAA",
    "no key id": lambda: jwt.encode(claims(), RSA, "RS256"),
    "its own key": lambda: jwt.encode(
        claims(), RSA, "RS256", headers={"kid": "x", "jku": "http://127.0.0.1:1/", "jwk": {}}
    ),
    "no token": lambda: "e.e.e",
    "nothing like it": lambda: "." * 50,
}


@pytest.mark.parametrize("how", FORGED)
def test_a_forged_token_is_refused(client, how):
    assert ask(client, FORGED[how]()).status_code == 401


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=5,
)
HEADERS = st.fixed_dictionaries(
    {"alg": st.sampled_from(["RS256", "ES256", "EdDSA"]) | JSON, "kid": st.just("RS256") | JSON},
    optional={"typ": JSON, "crit": JSON, "b64": JSON},
)


@settings(deadline=None)
@given(header=HEADERS | JSON, payload=JSON, signature=st.binary(max_size=300))
def test_whatever_is_sent_as_a_token_is_refused_and_breaks_nothing(header, payload, signature):
    parts = [json.dumps(header).encode(), json.dumps(payload).encode(), signature]
    trust = Trust(ISSUER, AUDIENCE, "unused")
    checked = Tokens(trust, rate=Rate(1, 1))
    checked._keys = IssuerKeys(lambda: [jwt.PyJWK(jwk("RS256"))])
    with pytest.raises(AccessError) as refusal:
        asyncio.run(checked.caller(b".".join(map(_b64, parts)).decode()))
    assert refusal.value.status == 401


@settings(deadline=None)
@given(st.lists(st.tuples(st.sampled_from([b"authorization", b"x-api-key"]), st.binary())))
def test_whatever_is_sent_as_a_credential_is_read_or_refused(headers):
    try:
        shown = credentials.read(headers)
    except AccessError:
        return
    assert (shown.kind == "none") == (not headers)


def test_a_short_key_is_not_believed_even_if_the_provider_offers_it(client, provider):
    weak = rsa.generate_private_key(65537, 1024)
    provider.keys = [jwk("RS256", weak)]
    assert ask(client, token(key=weak)).status_code == 401


@pytest.mark.parametrize(
    ("scopes", "status"),
    [
        ("answer:*", 200),
        (["papers", "answer:brightness"], 200),
        ("papers", 403),
        ("", 403),
        (None, 403),
        (7, 403),
        ([7, None], 403),
    ],
)
def test_the_scopes_are_those_of_the_claim(client, scopes, status):
    assert ask(client, token(scope=scopes)).status_code == status


def test_a_key_that_the_provider_began_to_use_is_found(client, provider, monkeypatch):
    monkeypatch.setattr(issuer_keys, "COOL_S", 0)
    assert ask(client, token()).status_code == 200
    new = rsa.generate_private_key(65537, 2048)
    provider.keys.append({**jwk("RS256", new), "kid": "new"})
    assert ask(client, token(key=new, kid="new")).status_code == 200
    assert provider.asked == 2


def test_tokens_with_unknown_keys_do_not_make_the_service_ask_again_and_again(client, provider):
    statuses = {ask(client, token(kid=f"k{n}")).status_code for n in range(10)}
    assert statuses == {401}
    assert provider.asked == 1


@pytest.mark.parametrize("status", [500, 404, 302])
def test_while_the_provider_is_away_no_token_is_believed_and_the_reason_is_told(
    client, provider, status
):
    provider.status = status
    response = ask(client, token())
    assert response.status_code == 503
    assert "identity provider" in response.json()["error"]
    assert int(response.headers["retry-after"]) > 0


def test_nothing_is_open_to_this_machine_where_a_provider_is_set_up(client):
    with TestClient(client.app) as here:
        assert here.get("/v1/").status_code == 401


def test_keys_and_tokens_work_side_by_side_and_have_different_names(
    releases, tmp_path, client, pytestconfig
):
    path = tmp_path / ".medpipe" / "keys" / "access.json"
    _, secret = keyfile.add(path, "8f3", scopes=["answer:*"], lifetime=None, rate="1/h")
    time.sleep(1.5)  # until the service has looked
    assert ask(client, secret).status_code == 200
    assert ask(client, secret).status_code == 429
    assert ask(client, token(sub="8f3")).status_code == 200


def now_and_then(fetch):
    """Keys with a clock that is set by hand."""
    now = [0.0]
    return now, IssuerKeys(fetch, clock=lambda: now[0])


def test_keys_are_kept_for_an_hour_without_the_provider_and_no_longer():
    offered = [jwt.PyJWK(jwk("RS256"))]

    def fetch():
        if now[0] > 0:
            raise OSError
        return offered

    now, keys = now_and_then(fetch)

    async def at(seconds):
        now[0] = seconds
        return await keys.key("RS256")

    async def all_of_it():
        assert await at(0) is offered[0]
        assert await at(issuer_keys.KEEP_S) is offered[0]
        with pytest.raises(AccessError) as refusal:
            await at(issuer_keys.KEEP_S + 1)
        assert refusal.value.status == 503

    asyncio.run(all_of_it())


def test_a_withdrawn_key_is_believed_for_ten_minutes_at_most():
    offered = [jwt.PyJWK(jwk("RS256"))]
    now, keys = now_and_then(lambda: list(offered))

    async def all_of_it():
        await keys.key("RS256")
        offered[:] = [jwt.PyJWK(jwk("ES256"))]
        now[0] = issuer_keys.FRESH_S + 1
        with pytest.raises(AccessError) as refusal:
            await keys.key("RS256")
        assert refusal.value.status == 401

    asyncio.run(all_of_it())


def test_many_requests_at_once_ask_the_provider_once(provider):
    async def all_of_it():
        keys = IssuerKeys(offered_at(f"{provider.address}/keys"))
        await asyncio.gather(*(keys.key("RS256") for _ in range(50)))

    asyncio.run(all_of_it())
    assert provider.asked == 1


def test_the_keys_may_lie_in_a_file(tmp_path):
    (tmp_path / "jwks.json").write_text(json.dumps({"keys": [jwk("ES256")]}))
    keys = IssuerKeys(offered_at(str(tmp_path / "jwks.json")))
    assert asyncio.run(keys.key("ES256")).key_id == "ES256"


@pytest.mark.parametrize("where", ["http://login.example/keys", "file:///etc/passwd", "ftp://a/b"])
def test_keys_from_where_they_could_be_forged_are_not_taken(where):
    with pytest.raises(ParamsError, match="https"):
        offered_at(where)


def test_half_a_configuration_stops_the_service(releases, tmp_path, pytestconfig, monkeypatch):
    monkeypatch.setenv("MEDPIPE_OIDC_ISSUER", ISSUER)
    made = api.create(
        lambda: None, recorder=lambda: None, page=pytestconfig.rootpath, porter=access.at(tmp_path)
    )
    with (
        pytest.raises(ParamsError, match="MEDPIPE_OIDC_AUDIENCE and MEDPIPE_OIDC_JWKS"),
        TestClient(made),
    ):
        pass
