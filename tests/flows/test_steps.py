"""What a failed command said is told whole, whoever said it."""

from flows.steps import explained


def test_medpipes_message_is_told_whole_and_dvcs_is_not():
    lines = [
        "validate chest_xray: start",
        "medpipe: raw breaks 1 of the rules (see index.html):",
        "  - data.examples: 881 examples where at least 5000 are asked; ingest more",
        "",
        "ERROR: failed to reproduce 'validate@chest_xray': exited with 1",
    ]
    assert explained(lines) == (
        "raw breaks 1 of the rules (see index.html):\n"
        "  - data.examples: 881 examples where at least 5000 are asked; ingest more"
    )


def test_of_a_command_that_is_not_medpipes_the_last_lines_are_told():
    lines = [f"line {number}" for number in range(9)]
    assert explained(lines) == "line 4\nline 5\nline 6\nline 7\nline 8"
