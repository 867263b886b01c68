"""What somebody does who looks at the page."""

import cv2
import numpy as np
from playwright.sync_api import expect

from medpipe import workloads

QUESTIONS = ("chest_xray", "icu_mortality", "readmission")


def choose(page, name):
    """Show the form of a question."""
    title, heading = workloads.get(name).title, page.get_by_role("heading", level=1)
    expect(page.locator("#served")).to_be_visible()
    # Chosen anew, a form is emptied anew, and perhaps not before what a test does with it next.
    if heading.inner_text() != title:
        page.get_by_label("Question").select_option(title)
    expect(heading).to_have_text(title)
    expect(page.locator("#file-part" if name == "chest_xray" else "#record-part")).to_be_visible()


def answered(page):
    """The answer, once it is there."""
    answer = page.get_by_role("region", name="Answer", exact=True)
    expect(answer).to_be_visible()
    return answer


def ask(page, name):
    """Have the example answered."""
    choose(page, name)
    page.get_by_role(
        "button", name="Try an invented one" if name == "chest_xray" else "Get"
    ).click()
    return answered(page)


def ramp(tmp_path, name="ramp.png"):
    """A picture in a file."""
    path = tmp_path / name
    cv2.imwrite(str(path), np.tile(np.arange(128, dtype=np.uint8) * 2, (128, 1)))
    return path
