"""That everybody can use the page: by keys, by ear, in the dark, on a phone."""

import re

import httpx
import numpy as np
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect
from visitor import QUESTIONS, answered, ask, choose, ramp

from medpipe.columns import Column
from medpipe.objectives.multiclass import Multiclass
from medpipe.objectives.multilabel import Multilabel
from medpipe.objectives.regression import Regression

pytestmark = pytest.mark.slow

PHONE = {"viewport": {"width": 360, "height": 740}}
RULES = {
    "runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"],
    "resultTypes": ["violations"],
}


def faults(page):
    """What axe-core finds, in words."""
    found = Axe().run(page, options=RULES)
    return [
        f"{each['id']}: {each['help']}: {node['target']}"
        for each in found.response["violations"]
        for node in each["nodes"]
    ]


def tab_to(page, target, *, most=400):
    """Press Tab until `target` has the focus."""
    for _ in range(most):
        if target.evaluate("element => element === document.activeElement"):
            return
        page.keyboard.press("Tab")
    raise AssertionError(f"{target} cannot be reached in {most} steps")


@pytest.mark.parametrize("colours", ["light", "dark"])
@pytest.mark.parametrize("name", QUESTIONS)
def test_axe_finds_nothing_in_a_question_and_its_answer(look, address, name, colours):
    page = look(address, color_scheme=colours)
    ask(page, name)
    page.evaluate("document.querySelectorAll('details').forEach(each => { each.open = true; })")
    assert faults(page) == []


def test_axe_finds_nothing_where_something_is_wrong_or_a_key_is_missing(look, address, guarded):
    page = look(address)
    choose(page, "icu_mortality")
    page.get_by_label("Age").fill("500")
    page.get_by_role("button", name="Get the answer").click()
    expect(page.locator("#errors")).to_be_visible()
    assert faults(page) == []
    page = look(guarded[0])
    expect(page.locator("#access")).to_be_visible()
    assert faults(page) == []


@pytest.mark.parametrize("colours", ["light", "dark"])
def test_axe_finds_nothing_in_the_page_for_programs(look, address, colours):
    page = look(f"{address}/docs", color_scheme=colours)
    page.locator("#post-v1-icu_mortality > summary").click()
    page.locator("#post-v1-icu_mortality").get_by_role("button", name="Send").click()
    expect(page.locator("#post-v1-icu_mortality")).to_contain_text("✓ 200")
    assert faults(page) == []


def test_a_record_can_be_asked_about_by_keys_alone(look, address):
    page = look(address)
    tab_to(page, page.get_by_label("Question"))
    page.keyboard.type("Death")
    expect(page.get_by_role("heading", level=1)).to_contain_text("Death in hospital")
    tab_to(page, page.get_by_label("Age"))
    page.keyboard.press("Control+a")
    page.keyboard.type("82")
    tab_to(page, page.get_by_role("button", name="Get the answer"))
    page.keyboard.press("Enter")
    expect(answered(page)).to_be_focused()
    tab_to(page, page.get_by_role("button", name="Print this answer"))


def test_a_film_can_be_asked_about_by_keys_alone(look, address, tmp_path):
    page = look(address)
    film = ramp(tmp_path)
    page.on("filechooser", lambda chooser: chooser.set_files(film))
    expect(page.locator("#file-part")).to_be_visible()
    field = page.get_by_label("A DICOM, PNG or JPEG file")
    tab_to(page, field)
    page.keyboard.press("Space")
    expect(field).to_have_value(re.compile("ramp.png$"))
    tab_to(page, page.get_by_role("button", name="Get the answer"))
    page.keyboard.press("Enter")
    expect(answered(page)).to_be_focused()
    tab_to(page, page.get_by_role("slider", name="Heat map"))


@pytest.mark.parametrize("name", QUESTIONS)
def test_nothing_is_wider_than_a_phone(look, address, name):
    page = look(address, **PHONE)
    ask(page, name)
    assert page.evaluate("document.documentElement.scrollWidth") <= 360


def test_the_page_for_programs_is_not_wider_than_a_phone_either(look, address):
    page = look(f"{address}/docs", **PHONE)
    page.locator("#post-v1-readmission > summary").click()
    assert page.evaluate("document.documentElement.scrollWidth") <= 360


def test_what_is_printed_is_the_answer_without_buttons(look, address):
    page = look(address)
    answer = ask(page, "chest_xray")
    page.emulate_media(media="print")
    assert page.get_by_role("button").filter(visible=True).count() == 0
    expect(answer.locator(".figure")).to_be_visible()
    expect(page.locator("#use")).to_be_visible()


def multiclass():
    stage = Column("stage", "category", "stage", values=("I", "II", "III"))
    made = Multiclass([stage])
    return made.answer(np.array([0.0, 0.0, 2.0]), made.point({"temperature": 1.0}))


def multilabel():
    named = [Column(name, "int", f"is {name} seen", low=0, high=1) for name in ("oedema", "mass")]
    made = Multilabel(named)
    point = {"temperatures": [1.0, 1.0], "thresholds": [0.5, 0.9]}
    return made.answer(np.array([2.0, 2.0]), made.point(point))


def regression():
    made = Regression([Column("stay", "float", "days to stay", unit="d", low=0, high=90)])
    point = {"offset": 5.0, "scale": 1.0, "half_width": 3.0, "coverage": 0.9}
    return made.answer(np.array([1.0]), made.point(point))


@pytest.mark.parametrize(
    ("answer", "figure", "told"),
    [
        (multiclass, "III", "78.7\u00a0%"),  # e² / (2 + e²)
        (multilabel, "oedema", "mass: 88.1\u00a0%"),  # 1 / (1 + e⁻²), below 0.9
        (regression, "6\u00a0d", "3\u00a0d to 9\u00a0d"),
    ],
)
def test_every_kind_of_answer_is_drawn(look, address, answer, figure, told):
    page = look(address)
    shown = ask(page, "chest_xray")
    common = httpx.get(f"{address}/v1/openapi.json").json()["components"]["schemas"]["Answer"]
    kept = {name: common["example"][name] for name in common["required"]}
    page.evaluate("answer => show(answer, false)", {**kept, **answer()})
    expect(shown.locator(".figure")).to_have_text(figure)
    expect(shown).to_contain_text(told)
    assert faults(page) == []
