"""The terminal shows what tasks say of themselves, and not what Prefect says about them."""

import logging

import pytest

from flows import console
from medpipe.errors import DataError


@pytest.fixture
def shown(monkeypatch):
    """Messages that reach a terminal of the level given, as a flow's log writes them."""
    logger = logging.getLogger("a terminal")

    def told(*records: logging.LogRecord, level: int) -> list[str]:
        lines: list[str] = []
        handler = logging.Handler()
        handler.emit = lambda record: lines.append(record.getMessage())  # type: ignore[method-assign]
        monkeypatch.setattr(logging.getLogger(), "handlers", [handler])
        monkeypatch.setattr(logging.getLogger("medpipe"), "level", level)
        logging.getLogger("medpipe").manager._clear_cache()
        console.calm()
        for record in records:
            logger.handle(record)
        return lines

    return told


def said(message: str, *, by: str, error: BaseException | None = None) -> logging.LogRecord:
    level = logging.ERROR if error else logging.INFO
    info = (type(error), error, None) if error else None
    return logging.LogRecord("prefect.task_runs", level, f"/prefect/{by}.py", 1, message, (), info)


OWN = said("promote: chest_xray version 1: is champion now", by="training")
BEGINS = said("Beginning flow run 'chest_xray: manual' for flow 'train'", by="flow_engine")
ENDS = said("Finished in state Completed()", by="task_engine")
RETRY = said(
    "Task run failed with exception: TrackingError('MLflow …') - Retry 1/2", by="task_engine"
)
FAILED = said("Task run failed with exception", by="task_engine", error=DataError("one class"))


def test_a_person_reads_the_tasks_own_lines_and_of_retries(shown):
    lines = shown(BEGINS, OWN, ENDS, RETRY, FAILED, level=logging.INFO)
    assert lines == [record.getMessage() for record in (BEGINS, OWN, RETRY)]


def test_who_asks_for_more_reads_everything(shown):
    assert len(shown(BEGINS, OWN, ENDS, RETRY, FAILED, level=logging.DEBUG)) == 5


def test_who_asks_for_quiet_reads_errors_only(shown):
    error = said("the disk is full", by="training", error=OSError())
    lines = shown(BEGINS, OWN, ENDS, RETRY, FAILED, error, level=logging.ERROR)
    assert lines == ["the disk is full"]
