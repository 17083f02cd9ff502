"""What the project promises about its own code, as tests."""

import importlib
import importlib.metadata
import importlib.util
import inspect
import os
import pkgutil
import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

import fleckcore

ROOT = Path(__file__).resolve().parents[1]
SOURCES = Path(fleckcore.__file__).parent
HEAVY = {"astropy", "click", "dask", "jinja2", "matplotlib", "pydantic", "rich", "scipy"}
LONGEST = 600
CODE = re.compile(r"\b[IAMR][0-9]{2}\b")
TEXT = {"", ".py", ".pyi", ".cpp", ".hpp", ".md", ".toml", ".cmake", ".in", ".json", ".html"}
PRIVATE_PATH = re.compile(r"(?<![\w/.~-])/(?:work|home|root)/")

MODULES = sorted(
    module.name
    for module in pkgutil.walk_packages([str(SOURCES)], "fleckcore.")
    if not module.name.endswith(("._core", ".__main__"))
)


@cache
def tracked_files() -> tuple[Path, ...]:
    """Every text file under version control."""
    if not (ROOT / ".git").exists():
        pytest.skip("not a git checkout: nothing says which files belong to the project")
    listing = subprocess.run(
        ["git", "-c", f"safe.directory={ROOT}", "ls-files", "-z"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    paths = (ROOT / name for name in listing.split("\0") if name)
    return tuple(path for path in paths if path.suffix in TEXT and path.is_file())


def public_names(module_name: str) -> list[tuple[str, object]]:
    module = importlib.import_module(module_name)
    return [(name, getattr(module, name, None)) for name in getattr(module, "__all__", ())]


def codes_in(paths: list[Path]) -> set[str]:
    return {code for path in paths for code in CODE.findall(path.read_text("utf-8"))}


def documented_codes() -> list[str]:
    table = (ROOT / "docs" / "faults.md").read_text("utf-8")
    return re.findall(r"^\| ([IAMR][0-9]{2}) \|", table, re.MULTILINE)


def test_a_floor_imports_only_what_stands_below_it() -> None:
    if importlib.util.find_spec("importlinter") is None:
        if os.environ.get("FLECKCORE_REQUIRE_TOOLS"):
            pytest.fail("import-linter is required here and not installed")
        pytest.skip("import-linter is not installed: pip install --group lint")
    result = subprocess.run(
        [Path(sys.executable).with_name("lint-imports"), "--no-cache"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stdout + result.stderr


def test_only_kernels_touches_the_compiled_module() -> None:
    importers = {
        path.relative_to(SOURCES).as_posix()
        for path in SOURCES.rglob("*.py")
        if re.search(r"^\s*(?:from|import) .*\b_core\b", path.read_text("utf-8"), re.MULTILINE)
    }
    assert importers == {"kernels.py"}


def test_importing_fleckcore_is_light() -> None:
    program = "import sys, fleckcore; print(*sorted({name.split('.')[0] for name in sys.modules}))"
    loaded = subprocess.run(
        [sys.executable, "-c", program], check=True, capture_output=True, text=True
    ).stdout.split()
    assert "fleckcore" in loaded
    assert HEAVY.isdisjoint(loaded)


def test_command_line_help_is_light() -> None:
    program = (
        "import sys; from fleckcore.cli import main\n"
        "sys.argv = ['fleckcore', '--help']\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "print('LOADED', *sorted({name.split('.')[0] for name in sys.modules}))"
    )
    output = subprocess.run(
        [sys.executable, "-c", program], check=True, capture_output=True, text=True
    ).stdout
    loaded = output.rpartition("LOADED")[2].split()
    assert "click" in loaded
    assert {"astropy", "dask", "matplotlib", "scipy"}.isdisjoint(loaded)


def test_version_is_the_installed_one() -> None:
    assert fleckcore.__version__ == importlib.metadata.version("fleckcore")


def test_changelog_opens_with_this_version() -> None:
    headings = re.findall(r"^## \[([^]]+)\]", (ROOT / "CHANGELOG.md").read_text("utf-8"), re.M)
    assert headings[0] == fleckcore.__version__


@pytest.mark.parametrize("module_name", ["fleckcore", *MODULES])
def test_public_names_exist_and_say_what_they_do(module_name: str) -> None:
    for name, thing in public_names(module_name):
        assert thing is not None, f"{module_name}.__all__ names {name}, which does not exist"
        if inspect.isroutine(thing) or inspect.isclass(thing):
            assert inspect.getdoc(thing), f"{module_name}.{name} has no docstring"


def test_every_parameter_of_the_public_functions_is_documented() -> None:
    for name, function in public_names("fleckcore"):
        if not inspect.isfunction(function):
            continue
        text = inspect.getdoc(function) or ""
        missing = [
            parameter
            for parameter in inspect.signature(function).parameters
            if not re.search(rf"\b{parameter}\b", text)
        ]
        assert not missing, f"fleckcore.{name} does not document {missing}"


def test_every_public_name_is_in_the_api_reference() -> None:
    reference = (ROOT / "docs" / "api.md").read_text("utf-8")
    listed = set(re.findall(r"^ +(?:fleckcore\.)?([A-Za-z_.]+)$", reference, re.M))
    names = {name for name, _ in public_names("fleckcore")} - {"__version__"}
    assert names <= listed, f"not in docs/api.md: {sorted(names - listed)}"


def test_every_code_in_the_source_is_documented_once() -> None:
    documented = documented_codes()
    assert len(documented) == len(set(documented))
    used = codes_in(sorted(SOURCES.rglob("*.py")))
    assert used, "no code found: the pattern is wrong"
    assert used <= set(documented), f"not in docs/faults.md: {sorted(used - set(documented))}"


def test_every_documented_code_is_raised_or_tested() -> None:
    known = codes_in([*SOURCES.rglob("*.py"), *(ROOT / "tests").glob("*.py")])
    unknown = set(documented_codes()) - known
    assert not unknown, f"docs/faults.md promises {sorted(unknown)}; neither code nor test does"


def test_no_file_is_too_long_to_read() -> None:
    lengths = {path: len(path.read_text("utf-8").splitlines()) for path in tracked_files()}
    assert {path.name: n for path, n in lengths.items() if n > LONGEST} == {}


def test_no_private_path_is_tracked() -> None:
    found = [path.name for path in tracked_files() if PRIVATE_PATH.search(path.read_text("utf-8"))]
    assert found == []


def test_private_path_pattern_sees_one() -> None:
    assert PRIVATE_PATH.search('open("' + "/home" + '/me/frame.fits")')
    assert not PRIVATE_PATH.search("https://example.org/home/page")
