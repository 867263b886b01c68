"""The calibration slope exists wherever the classes overlap."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from medpipe.evaluation import calibration
from medpipe.evaluation.sample import Sample


@pytest.mark.parametrize("seed", [0, 1, 70, 108, 141, 156])
def test_the_slope_is_found_and_agrees_with_scikit_learn(seed):
    rng = np.random.default_rng(seed)
    labels = rng.random(180) < 0.44
    logits = np.round(rng.normal(labels * 2.5 - 1.5, 1.3) * 2 / 5, 3)
    sample = Sample.of(labels, 1 / (1 + np.exp(-logits)), np.arange(180))
    expected = LogisticRegression(C=1e12, tol=1e-10).fit(logits[:, None], labels).coef_[0, 0]
    found = calibration.slope(sample)
    assert found is not None
    assert found.value == pytest.approx(expected, rel=1e-3)
