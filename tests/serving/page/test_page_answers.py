"""What somebody does with the page, and what it then says: in a real browser, of a real service."""

import re

import httpx
import pytest
from playwright.sync_api import expect
from visitor import QUESTIONS, answered, ask, choose, ramp

pytestmark = pytest.mark.slow

RECORDS = ("icu_mortality", "readmission")


def traced(answer, name):
    """What stands in the answer beside `name`."""
    return answer.locator(f"dt:text-is('{name}') + dd").inner_text()


@pytest.mark.parametrize("name", QUESTIONS)
def test_the_example_is_answered_in_words_and_figures(look, address, name):
    page = look(address)
    answer = ask(page, name)
    example = httpx.get(f"{address}/v1/{name}/example")
    headers = {"Content-Type": example.headers["content-type"]}
    told = httpx.post(f"{address}/v1/{name}", content=example.content, headers=headers).json()
    figure = f"{100 * told['risk']:.1f}\u00a0%"
    expect(answer.locator(".figure")).to_have_text(figure)
    side = "at or above" if told["decision"] else "below"
    expect(answer).to_contain_text(f"{side} the threshold of {100 * told['threshold']:.1f}")
    expect(answer).to_contain_text("The model cannot tell: negative and positive are both possible")
    expect(answer).to_contain_text("about the invented example, and about nobody")
    assert traced(answer, "Certificate") == told["certificate_sha256"]
    assert re.fullmatch(r"[0-9a-f-]{36}", traced(answer, "Answer"))
    expect(page.get_by_role("status")).to_contain_text(f"Calibrated risk {figure}")


def test_a_film_is_sent_without_its_name_and_its_map_can_be_faded(look, address, tmp_path):
    page = look(address)
    choose(page, "chest_xray")
    page.get_by_label("A DICOM, PNG or JPEG file").set_input_files(ramp(tmp_path, "Doe^Jane.png"))
    with page.expect_request("**/v1/chest_xray?explain=true") as sent:
        page.get_by_role("button", name="Get the answer").click()
    assert b"Doe" not in (sent.value.post_data_buffer or b"")
    answer = answered(page)
    above, slider = answer.locator("img.above"), page.get_by_role("slider", name="Heat map")
    assert above.evaluate("image => image.naturalWidth") == 128
    slider.focus()
    page.keyboard.press("Home")
    assert above.evaluate("image => getComputedStyle(image).opacity") == "0"
    expect(answer.locator(".slider .number")).to_have_text("0\u00a0%")


def test_a_film_can_be_dropped(look, address, tmp_path):
    page = look(address)
    choose(page, "chest_xray")
    content = list(ramp(tmp_path).read_bytes())
    carried = page.evaluate_handle(
        """bytes => {
            const carried = new DataTransfer();
            carried.items.add(new File([new Uint8Array(bytes)], "a.png", { type: "image/png" }));
            return carried;
        }""",
        content,
    )
    page.dispatch_event("#file-part", "drop", {"dataTransfer": carried})
    page.get_by_role("button", name="Get the answer").click()
    expect(answered(page)).to_contain_text("Calibrated risk")


def test_the_hours_that_moved_the_answer_are_told_and_drawn(look, address):
    page = look(address)
    answer = ask(page, "icu_mortality")
    expect(answer.get_by_role("row", name=re.compile(r"hours \d+–\d+")).first).to_be_visible()
    expect(answer.get_by_role("cell", name=re.compile("raises by|lowers by")).first).to_be_visible()
    drawing = answer.get_by_role("img", name="What raised and what lowered the model's score")
    assert drawing.evaluate("image => image.naturalWidth") > 500


def test_what_is_wrong_is_told_at_its_field(look, address):
    page = look(address)
    choose(page, "icu_mortality")
    age, hour = page.get_by_label("Age"), page.get_by_label("heart rate, measurement 1: hour")
    age.fill("seventy")
    hour.fill("99")
    page.get_by_role("button", name="Get the answer").click()
    errors = page.get_by_role("alert").filter(has_text="There is no answer yet")
    expect(errors).to_be_focused()
    expect(errors.get_by_role("listitem")).to_have_count(2)
    expect(errors).to_contain_text("age is not a number; allowed: numbers from 0 to 120 years")
    expect(age).to_have_attribute("aria-invalid", "true")
    expect(hour).to_have_attribute("aria-invalid", "true")
    errors.get_by_role("link", name=re.compile("hour of heart rate")).click()
    expect(hour).to_be_focused()
    age.fill("70")
    hour.fill("1")
    page.get_by_role("button", name="Get the answer").click()
    answered(page)
    expect(page.locator("[aria-invalid]")).to_have_count(0)


def test_a_file_that_is_none_of_the_kinds_is_refused_in_words(look, address, tmp_path):
    page = look(address)
    choose(page, "chest_xray")
    page.get_by_role("button", name="Get the answer").click()
    expect(page.locator("#errors")).to_contain_text("Choose a file first")
    (tmp_path / "notes.txt").write_text("nothing to see")
    page.get_by_label("A DICOM, PNG or JPEG file").set_input_files(tmp_path / "notes.txt")
    page.get_by_role("button", name="Get the answer").click()
    expect(page.locator("#errors")).to_contain_text("In the service's log:")
    expect(page.locator("#answer")).to_be_hidden()


@pytest.mark.parametrize(
    ("text", "pairs"),
    [
        ("hour\tcreatinine\r\n2\t1.5\r\n40.5\t2.25\r\n", [[2, 1.5], [40.5, 2.25]]),
        ("2;1.5\n40.5;2.25", [[2, 1.5], [40.5, 2.25]]),
        ("2, 1.5\n40.5, 2.25", [[2, 1.5], [40.5, 2.25]]),
    ],
)
def test_two_columns_of_a_spreadsheet_can_be_pasted(look, address, text, pairs):
    page = look(address)
    choose(page, "icu_mortality")
    page.get_by_role("button", name="Clear").click()
    page.get_by_label("Measured, too").select_option("Creatinine")
    page.get_by_role("button", name="Add this series").click()
    expect(page.get_by_label("creatinine, measurement 1: hour")).to_be_focused()
    page.evaluate(
        """text => {
            const clipboardData = new DataTransfer();
            clipboardData.setData("text", text);
            const how = { clipboardData, bubbles: true, cancelable: true };
            document.activeElement.dispatchEvent(new ClipboardEvent("paste", how));
        }""",
        text,
    )
    assert page.evaluate("form.record()") == {"creatinine_mg_dl": pairs}


@pytest.mark.parametrize("name", RECORDS)
def test_the_form_states_the_example_exactly_and_cleared_states_nothing(look, address, name):
    page = look(address)
    choose(page, name)
    example = httpx.get(f"{address}/v1/{name}/example").json()
    stated = {field: value for field, value in example.items() if value is not None}
    assert page.evaluate("form.record()") == stated
    expect(page.locator("#record-note")).to_be_visible()
    page.get_by_role("button", name="Clear").click()
    assert page.evaluate("form.record()") == {}
    expect(page.locator("#record-note")).to_be_hidden()
    page.get_by_role("button", name="Get the answer").click()
    expect(page.locator("#answer, #errors").filter(visible=True)).to_have_count(1)


def test_an_answer_is_not_taken_for_one_of_what_stands_in_the_form_now(look, address):
    page = look(address)
    answer = ask(page, "readmission")
    page.get_by_label("Medications").fill("3")
    expect(answer).to_contain_text("The form has changed since this answer")
    page.get_by_role("button", name="Get the answer").click()
    expect(answer).not_to_contain_text("The form has changed")
    expect(answer).not_to_contain_text("about the invented example")


def test_the_card_the_verdict_and_the_certificate_are_shown(look, address):
    page = look(address)
    choose(page, "chest_xray")
    about = page.get_by_role("region", name="About this model")
    expect(about).to_contain_text("Dr Ada Example")
    about.get_by_text("The gate's last verdict: allowed, 2 of 2 checks passed").click()
    expect(about.get_by_role("row", name=re.compile("AUROC on test"))).to_contain_text("✓ passed")
    about.get_by_text("Recalibrated: version 6 with other risks").click()
    expect(about).to_contain_text("The odds of each risk are multiplied by 2.11.")
    about.get_by_text("Measured on test: 812 examples of 640 patients").click()
    expect(about.get_by_role("row", name="AUROC 0.910")).to_contain_text("0.910 (0.884–0.935)")
    expect(page.get_by_role("region", name="What this may be used for")).to_contain_text("Not for")
