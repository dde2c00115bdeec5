"""numpy below 2 beside what was compiled before it."""

import pytest

from domain.assets.packages.numpy_versions import BOUND, bound


@pytest.mark.parametrize(
    "listed",
    [
        ("scikit-learn==1.2.2", "numpy"),
        ("scikit-learn==1.2.*",),
        ("pandas~=1.5.0", "numpy"),
        ("scipy<1.11",),
        ("SciKit_Learn==1.1.2", "mlflow"),
        ("torch==1.13.0",),
    ],
)
def test_what_was_compiled_before_numpy_2_does_not_get_it(listed: tuple[str, ...]) -> None:
    assert bound(listed) == BOUND


@pytest.mark.parametrize(
    "listed",
    [
        (),
        ("numpy",),
        ("scikit-learn",),
        ("scikit-learn==1.7.0", "numpy"),
        ("scikit-learn==1.2.2", "numpy==2.0.1"),
        ("scikit-learn==1.2.2", "numpy<1.25"),
        ("scikit-learn>=1.2.2", "numpy"),
        ("requests==2.0",),
        ("scikit-learn===nothing",),
    ],
)
def test_others_get_what_they_ask_for(listed: tuple[str, ...]) -> None:
    assert bound(listed) is None
