"""Fixtures that several test files use."""

import os
import shutil
import subprocess

import pytest

os.environ["FLECKCORE_TUNING"] = "off"  # a profile of whoever runs the tests


@pytest.fixture
def fitsverify():
    """What Debian's fitsverify has to say of a file: empty when it finds nothing to complain about."""
    tool = shutil.which("fitsverify")
    if tool is None:
        message = "fitsverify is not installed: apt-get install fitsverify"
        if os.environ.get("FLECKCORE_REQUIRE_TOOLS"):
            pytest.fail(message)
        pytest.skip(message)

    def verify(path):
        run = subprocess.run([tool, path], capture_output=True, text=True, check=False)
        faultless = "Verification found 0 warning(s) and 0 error(s)" in run.stdout
        return "" if faultless else run.stdout + run.stderr + f"exit code {run.returncode}"

    return verify
