"""The log of the service says where, never what."""

import logging

from medpipe.serving.log import WithoutValues


def logged(caplog, act):
    logger = logging.getLogger("tests.without_values")
    logger.addFilter(WithoutValues())
    with caplog.at_level(logging.INFO, logger.name):
        act(logger)
    return logging.Formatter().format(caplog.records[-1])


def test_an_unexpected_error_is_logged_by_type_and_place_only(caplog):
    def fail(logger):
        try:
            int("DOE^JANE")
        except ValueError:
            logger.exception("failed on %s", "DOE^JANE")

    text = logged(caplog, fail)
    assert "unexpected ValueError at test_log.py:" in text
    assert "DOE" not in text


def test_a_line_without_an_error_is_left_alone(caplog):
    assert logged(caplog, lambda logger: logger.info("answer %d", 7)) == "answer 7"
