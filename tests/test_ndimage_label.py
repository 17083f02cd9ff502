"""`fleckcore.ndimage.label` against scipy's, and under scipy's own tests of it."""

import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree as ET

import numpy as np
import pytest
import scipy.ndimage

from fleckcore.ndimage import label

CROSS = np.array([[0, 1, 0], [1, 1, 1], [0, 1, 0]])
SQUARE = np.ones((3, 3))

NOT_COVERED = {
    "test_label01": "0-D",
    "test_label02": "0-D",
    "test_label03": "1-D",
    "test_label04": "1-D",
    "test_label05": "1-D",
    "test_label06": "1-D",
    "test_label_output_typed": "1-D",
    "test_label_output_dtype": "1-D",
    "test_label_structuring_elements": "3x3 structures other than cross and square",
    "test_ticket_742": "3-D",
}

SWAP = """
import pytest, scipy.ndimage
import fleckcore.ndimage

@pytest.fixture(autouse=True)
def ours(monkeypatch):
    monkeypatch.setattr(scipy.ndimage, "label", fleckcore.ndimage.label)
"""


@pytest.fixture(scope="module")
def scipys_own_tests(tmp_path_factory):
    """Failure text, "" for passed, of scipy's tests of label with ours in its place."""
    folder = tmp_path_factory.mktemp("scipy")
    (folder / "swap_label.py").write_text(SWAP)
    command = [
        sys.executable, "-m", "pytest", "--pyargs", "scipy.ndimage.tests.test_measurements",
        "-k", "label or ticket_742 or gh_issue_3025", "-p", "swap_label", "-q",
        f"--junitxml={folder / 'report.xml'}", "-p", "no:cacheprovider",
    ]  # fmt: skip
    environment = {"PYTHONPATH": str(folder), "PATH": "", "HOME": str(folder)}
    subprocess.run(command, cwd=folder, env=environment, capture_output=True, check=False)
    outcomes = {}
    for case in ET.parse(folder / "report.xml").iter("testcase"):
        if "test_measurements.Test" not in case.get("classname", ""):  # functions only
            failure = case.find("failure")
            name = case.get("name", "").partition("[")[0]
            outcomes[name] = "" if failure is None else failure.get("message", "")
            assert case.find("skipped") is None, name
            assert case.find("error") is None, name
    return outcomes


def test_scipys_own_tests_pass_or_are_refused(scipys_own_tests):
    refused = {name for name, why in scipys_own_tests.items() if why}
    assert refused == set(NOT_COVERED)
    for name in refused:
        assert "NotImplementedError" in scipys_own_tests[name]
        assert "scipy.ndimage.label" in scipys_own_tests[name]
    assert len(scipys_own_tests) - len(refused) >= 10


def test_scipys_structuring_elements():
    folder = Path(scipy.ndimage.__file__).parent / "tests" / "data"
    inputs = np.loadtxt(folder / "label_inputs.txt").reshape(-1, 7, 7)
    structures = np.loadtxt(folder / "label_strels.txt").reshape(-1, 3, 3)
    results = iter(np.loadtxt(folder / "label_results.txt").reshape(-1, 7, 7))
    compared = 0
    for data in inputs:
        for structure in structures:
            expected = next(results)
            if np.array_equal(structure, CROSS) or np.array_equal(structure, SQUARE):
                np.testing.assert_array_equal(label(data, structure)[0], expected)
                compared += 1
            else:
                with pytest.raises(NotImplementedError, match=r"scipy\.ndimage\.label"):
                    label(data, structure)
    assert compared == 2 * len(inputs)


@pytest.mark.parametrize("structure", [None, CROSS, SQUARE, SQUARE.astype(bool).tolist()])
@pytest.mark.parametrize("dtype", ["?", "i1", "u2", ">i4", "f4", ">f8"])
def test_equals_scipy(dtype, structure):
    rng = np.random.default_rng(1)
    data = (rng.integers(-2, 3, (90, 131)) * (rng.random((90, 131)) < 0.6)).astype(dtype)
    labels, count = label(data, structure)
    expected, expected_count = scipy.ndimage.label(
        data.astype(data.dtype.newbyteorder("=")), structure
    )
    np.testing.assert_array_equal(labels, expected)
    assert count == expected_count
    assert labels.dtype == expected.dtype


def test_negative_and_nan_are_nonzero():
    data = np.array([[np.nan, 0, -1.0], [0, 0, 0], [-0.0, np.inf, 0]])
    np.testing.assert_array_equal(label(data)[0], scipy.ndimage.label(data)[0])
    assert label(data)[1] == 3


def test_output_type_and_array():
    data = np.eye(200)
    labels, count = label(data, output=np.uint8)
    assert (labels.dtype, count) == (np.uint8, 200)
    out = np.zeros((400, 200), dtype=">i8")[::2]
    assert label(data, SQUARE, out) == 1
    np.testing.assert_array_equal(out, data)
    assert label(data, output=data) == 200  # in place
    assert data[199, 199] == 200


def test_empty_input_has_no_objects():
    labels, count = label(np.zeros((0, 5)))
    assert (labels.shape, count) == ((0, 5), 0)


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ((np.eye(200), None, np.int8), RuntimeError),
        ((np.eye(5), None, np.zeros((5, 4), int)), ValueError),
        ((np.eye(5), np.ones((5, 5))), ValueError),
        ((np.eye(5), np.ones(3)), RuntimeError),
        ((np.eye(5) * 1j,), TypeError),
    ],
)
def test_faults_are_scipys(arguments, error):
    with pytest.raises(error):
        scipy.ndimage.label(*arguments)
    with pytest.raises(error):
        label(*arguments)


@pytest.mark.parametrize(
    ("data", "structure"),
    [(np.ones(5), None), (np.ones((3, 3, 3)), None), (np.eye(5), np.eye(3)), (np.ones(()), None)],
)
def test_what_is_not_covered_says_what_to_call(data, structure):
    with pytest.raises(NotImplementedError, match=r"scipy\.ndimage\.label"):
        label(data, structure)
