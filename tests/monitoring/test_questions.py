"""What an answer is held against: what the report promised, or answers have shown since."""

from medpipe.monitoring import questions
from medpipe.monitoring.facts import Fact, Watched
from medpipe.monitoring.windows import ALL

WATCHED = Watched(facts=(Fact(name="risk", part="score"),))
TEST, ANSWERS = ({"metrics": {"brier": {"value": value}}} for value in (0.1, 0.2))


def promised(**splits):
    (question,) = questions.asked(WATCHED, ["high"], {"splits": splits})
    return question.promises[ALL]["brier"]["value"]


def test_a_recalibrated_release_is_held_against_the_answers_that_judged_it():
    assert promised(test=TEST) == 0.1
    assert promised(test=TEST, answers=ANSWERS) == 0.2
