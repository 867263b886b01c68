"""Who is answered: the whole application, with keys and without."""

import base64
import logging

import pytest
from brightness_release import TRUSTED, png
from fastapi import Request
from fastapi.testclient import TestClient
from starlette.websockets import WebSocketDisconnect

from medpipe.serving import access, api, recorder
from medpipe.serving.access import keyfile, routes
from medpipe.serving.access.caller import MEANINGS
from medpipe.serving.catalogue import Catalogue

EVERY_ROUTE = [
    ("GET", "/"),
    ("GET", "/docs"),
    ("GET", "/v1/"),
    ("GET", "/v1/openapi.json"),
    ("GET", "/v1/brightness"),
    ("GET", "/v1/brightness/example"),
    ("POST", "/v1/brightness"),
    ("GET", "/docs.json"),
    ("GET", "/static_content/x.js"),
    ("GET", "/no/such/route"),
]


@pytest.fixture
def keys(tmp_path):
    """A project's file of keys, still empty."""
    return tmp_path / ".medpipe" / "keys" / "access.json"


@pytest.fixture
def app(releases, tmp_path, pytestconfig):
    page = pytestconfig.rootpath / "service/page.html"
    catalogue = Catalogue(releases, trusted=lambda _: TRUSTED)
    return api.create(
        lambda: catalogue,
        recorder=lambda: recorder.at(tmp_path),
        page=page,
        porter=access.at(tmp_path),
    )


def key(keys, *scopes, **options):
    return keyfile.add(keys, "pacs", scopes=scopes, **{"lifetime": None, **options})[1]


def bearer(secret):
    return {"Authorization": f"Bearer {secret}"}


def basic(secret, user="anyone"):
    return {"Authorization": "Basic " + base64.b64encode(f"{user}:{secret}".encode()).decode()}


def ask(client, headers=None):
    return client.post("/v1/brightness", files={"file": png(204)}, headers=headers or {})


def test_without_keys_this_machine_is_answered_and_the_log_says_so_once(app, caplog):
    with caplog.at_level(logging.WARNING, "medpipe"), TestClient(app) as client:
        assert [ask(client).status_code for _ in range(2)] == [200, 200]
    assert [r.getMessage().startswith("no API key") for r in caplog.records] == [True]


@pytest.mark.parametrize(
    ("peer", "address", "headers"),
    [
        (("10.0.0.7", 1), "http://127.0.0.1:3000", {}),
        (("::ffff:10.0.0.7", 1), "http://127.0.0.1:3000", {}),
        (None, "http://127.0.0.1:3000", {}),
        (("127.0.0.1", 1), "http://127.0.0.1:3000", {"X-Forwarded-For": "127.0.0.1"}),
        (("127.0.0.1", 1), "http://127.0.0.1:3000", {"X-Forwarded-Proto": "https"}),
        (("127.0.0.1", 1), "http://127.0.0.1:3000", {"Forwarded": "for=127.0.0.1"}),
        (("127.0.0.1", 1), "http://127.0.0.1:3000", {"X-Real-IP": "127.0.0.1"}),
        (("127.0.0.1", 1), "http://rebound.example", {}),
    ],
)
def test_without_keys_nobody_else_is_answered_and_told_what_to_run(app, peer, address, headers):
    with TestClient(app, base_url=address, client=peer) as client:
        response = ask(client, headers)
    assert response.status_code == 401
    assert "medpipe keys add" in response.json()["error"]
    assert response.headers.get_list("www-authenticate") == ['Bearer realm="medpipe"']


@pytest.mark.parametrize(
    ("peer", "address"),
    [("::1", "http://[::1]:3000"), ("127.0.0.9", "http://localhost"), ("::ffff:127.0.0.1",) * 2],
)
def test_every_spelling_of_this_machine_is_understood(app, peer, address):
    address = address if "//" in address else "http://127.0.0.1"
    with TestClient(app, base_url=address, client=(peer, 1)) as client:
        assert ask(client).status_code == 200


@pytest.mark.parametrize(("method", "path"), EVERY_ROUTE)
def test_with_keys_nothing_is_answered_without_one_not_even_to_this_machine(
    app, keys, method, path
):
    key(keys, "*")
    with TestClient(app) as client:
        response = client.request(method, path)
    assert response.status_code == 401
    schemes = [line.partition(" ")[0] for line in response.headers.get_list("www-authenticate")]
    assert schemes == (["Bearer"] if path in ("/", "/docs") else ["Bearer", "Basic"])


@pytest.mark.parametrize("shown", [bearer, basic, lambda secret: {"X-API-Key": secret}])
def test_a_key_is_taken_in_each_of_the_three_ways(app, keys, shown):
    secret = key(keys, "answer:*")
    with TestClient(app, client=("10.0.0.7", 1)) as client:
        assert ask(client, shown(secret)).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"Authorization": "Bearer"},
        {"Authorization": "Bearer medpipe_"},
        {"Authorization": "Bearer medpipe_000000000000_" + "A" * 43},
        {"Authorization": "Basic ???"},
        {"Authorization": "Basic " + base64.b64encode(b"no colon").decode()},
        {"Authorization": "Digest username=pacs"},
        {"X-API-Key": "ä".encode()},
        {"X-API-Key": "x" * 20_000},
        [("X-API-Key", "a"), ("Authorization", "Bearer b")],
    ],
)
def test_what_is_no_key_is_refused(app, keys, headers):
    key(keys, "*")
    with TestClient(app) as client:
        assert ask(client, headers).status_code == 401


def test_one_wrong_letter_is_refused_and_nothing_shown_is_repeated(app, keys, caplog):
    secret = key(keys, "*")
    wrong = secret[:-1] + ("A" if secret[-1] != "A" else "B")
    with caplog.at_level(logging.DEBUG), TestClient(app) as client:
        assert ask(client, bearer(secret)).status_code == 200
        response = ask(client, bearer(wrong))
    assert response.status_code == 401
    for told in (response.text, str(response.headers), caplog.text):
        assert wrong[8:] not in told
        assert secret[-20:] not in told


def test_a_missing_scope_is_named(app, keys):
    secret = key(keys, "papers", "answer:chest_xray")
    with TestClient(app) as client:
        assert client.get("/", headers=bearer(secret)).status_code == 200
        response = ask(client, bearer(secret))
        elsewhere = client.post("/v1/Doe_Jane", headers=bearer(secret))
    assert response.status_code == elsewhere.status_code == 403
    assert "key:pacs lacks the scope answer:brightness" in response.json()["error"]
    assert 'error="insufficient_scope"' in response.headers["www-authenticate"]
    assert "Doe" not in elsewhere.text + str(elsewhere.headers)


def test_a_route_that_no_rule_names_needs_everything(app, keys):
    some, all_ = key(keys, "papers", "answer:*", "audit", "feedback"), key(keys, "*")
    with TestClient(app) as client:
        statuses = [client.get("/docs.json", headers=bearer(s)).status_code for s in (some, all_)]
    assert statuses == [403, 404]


def test_every_route_of_the_application_has_a_rule(app):
    described = app.openapi()["paths"]
    needed = {
        (method, path): routes.scope_of(method.upper(), path)
        for path, operations in described.items()
        for method in operations
    }
    assert "*" not in needed.values(), needed
    assert needed["post", "/v1/{workload}"] == "answer:{workload}"


def test_the_page_on_serving_lists_every_rule_and_scope(pytestconfig):
    text = (pytestconfig.rootpath / "docs/serve.md").read_text()
    rows = [line.split("|") for line in text.splitlines() if line.startswith("| `")]
    for method, path, scope in routes.RULES:
        kind = scope.partition(":")[0]
        shown = f"`{method} {path}`".replace("\\", "")  # rules are patterns
        assert any(f"`{kind}" in row[1] and shown in row[-2] for row in rows), path
    for scope in (*MEANINGS, "*", "answer:*"):
        assert any(f"`{scope}`" in row[1] for row in rows), scope
    assert all(f"`{path}`" in text for path in routes.OPEN)


def test_the_description_says_how_to_ask(app):
    described = app.openapi()
    schemes = described["components"]["securitySchemes"]
    assert {s["type"] for s in schemes.values()} == {"http", "apiKey"}
    for operations in described["paths"].values():
        for operation in operations.values():
            assert {"401", "403", "429"} <= set(operation["responses"])
            assert [list(way) for way in operation["security"]] == [[name] for name in schemes]


@pytest.mark.parametrize("path", ["/", "/docs"])
def test_a_page_asks_for_the_key_itself_and_is_given_nothing_else(app, keys, path):
    secret = key(keys, "papers")
    with TestClient(app) as client:
        refused, let_in = client.get(path), client.get(path, headers=bearer(secret))
    assert (refused.status_code, let_in.status_code) == (401, 200)
    assert refused.text == let_in.text
    assert "API key or token" in refused.text
    # The browser's own question would cover the page, and it would keep what is typed there.
    assert refused.headers.get_list("www-authenticate") == ['Bearer realm="medpipe"']


def test_too_many_requests_are_told_when_to_come_back(app, keys):
    secret, other = key(keys, "*", rate="2/h"), keyfile.add(keys, "ris", scopes="*", lifetime=None)
    with TestClient(app) as client:
        statuses = [ask(client, bearer(secret)).status_code for _ in range(3)]
        response = ask(client, bearer(secret))
        assert ask(client, bearer(other[1])).status_code == 200
    assert statuses == [200, 200, 429]
    assert 0 < int(response.headers["retry-after"]) <= 1800


def test_an_address_that_fails_too_often_is_slowed_and_who_has_a_key_there_is_not(app, keys):
    secret = key(keys, "*")
    with TestClient(app) as client:
        statuses = [ask(client, bearer("guess")).status_code for _ in range(21)]
        assert ask(client, bearer(secret)).status_code == 200
    with TestClient(app, client=("10.0.0.8", 1)) as elsewhere:
        assert ask(elsewhere, bearer("guess")).status_code == 401
    assert statuses == [401] * 20 + [429]


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
    ],
)
def test_a_page_of_another_site_cannot_ask_with_what_the_browser_keeps(app, keys, headers):
    with TestClient(app) as client:
        assert ask(client, headers).status_code == 403
    secret = key(keys, "*")
    with TestClient(app) as client:
        assert ask(client, {**headers, **basic(secret)}).status_code == 403
        assert ask(client, {**headers, **bearer(secret)}).status_code == 200
        ours = {"Origin": "http://127.0.0.1:3000", "Sec-Fetch-Site": "same-origin"}
        assert ask(client, {**ours, **basic(secret)}).status_code == 200


def test_the_caller_is_known_behind_the_guard(app, keys):
    secret, seen = key(keys, "*"), []

    def who(request: Request) -> None:
        seen.append(request.state.caller.name)

    app.add_api_route("/who/asks", who)
    with TestClient(app) as client:
        client.get("/who/asks", headers=bearer(secret))
    assert seen == ["key:pacs"]


def test_a_websocket_is_not_opened(app):
    with (
        TestClient(app) as client,
        pytest.raises(WebSocketDisconnect),
        client.websocket_connect("/v1/brightness"),
    ):
        pass
