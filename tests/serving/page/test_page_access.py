"""The page of a service that asks for a key, and of models that do not know an input."""

import functools
import re
import time

import httpx
import pytest
from brightness_release import write_release
from playwright.sync_api import expect
from visitor import ask

pytestmark = pytest.mark.slow


def show_key(page, secret):
    page.get_by_label("API key or token").fill(secret)
    page.get_by_role("button", name="Use this key").click()


def let_in(look, guarded, path=""):
    address, secret, _ = guarded
    page = look(address + path)
    show_key(page, secret)
    return page


def test_who_shows_no_key_is_asked_for_one_and_told_why_another_will_not_do(look, guarded):
    page = look(guarded[0])
    key = page.get_by_label("API key or token")
    expect(key).to_be_focused()
    expect(page.locator("#access-why")).to_contain_text("key")
    expect(page.get_by_role("button", name="Get the answer")).to_be_hidden()
    show_key(page, "medpipe_wrong")
    expect(page.locator("#access-why")).to_have_text(re.compile("valid|known|key"))
    show_key(page, guarded[1])
    expect(page.get_by_role("button", name="Get the answer")).to_be_visible()
    expect(page.locator("#access")).to_be_hidden()


def test_a_key_stays_in_the_page_alone(look, guarded):
    page = let_in(look, guarded)
    ask(page, "chest_xray")
    assert page.evaluate("localStorage.length + sessionStorage.length") == 0
    assert page.context.cookies() == []
    assert guarded[1] not in page.content()
    page.reload()
    expect(page.get_by_label("API key or token")).to_be_focused()


def test_the_description_is_shown_to_who_has_a_key(look, guarded):
    page = let_in(look, guarded, "/docs")
    expect(page.locator("details").first).to_be_visible()


def test_an_unfamiliar_input_is_told_first(look, guarded):
    page = let_in(look, guarded)
    answer = ask(page, "icu_mortality")
    expect(answer).to_contain_text("Unfamiliar input: this input is unlike the training data")
    expect(answer.locator(".figure")).to_contain_text("%")


def test_a_model_that_abstains_gives_no_figure(look, guarded):
    page = let_in(look, guarded)
    answer = ask(page, "readmission")
    expect(answer.locator(".figure")).to_have_text("No answer")
    expect(answer).to_contain_text("the model is not for this input, and gives no answer")
    expect(answer).not_to_contain_text("threshold")
    expect(page.get_by_role("status")).to_contain_text("No answer")


def test_a_question_that_is_not_answered_is_listed_with_its_reason(look, guarded):
    address, secret, releases = guarded
    write_release(releases / "astrology")  # its settings say that it is of another question
    listed = functools.partial(httpx.get, f"{address}/v1/", headers={"X-API-Key": secret})
    until = time.monotonic() + 15  # the service looks for new releases every second
    while len(listed().json()) < 4 and time.monotonic() < until:
        time.sleep(0.5)
    page = let_in(look, guarded)
    waiting = page.get_by_role("region", name="Not answered now")
    expect(waiting).to_contain_text("astrology: release 'astrology' is of workload 'brightness'")
    assert "astrology" not in page.get_by_label("Question").inner_text()


def test_who_was_refused_too_often_may_still_show_a_key(look, guarded):
    for _ in range(25):
        httpx.get(f"{guarded[0]}/v1/")
    page = let_in(look, guarded)
    expect(page.get_by_role("button", name="Get the answer")).to_be_visible()
