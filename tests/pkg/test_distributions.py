"""What is installed, as the standard library says it, and ranges as `packaging` reads them."""

from __future__ import annotations

from importlib.metadata import distribution, distributions, entry_points
from itertools import product
from pathlib import Path

import pytest
from packaging.specifiers import SpecifierSet

from tests.support.installed import install
from x07py.contracts.distributions import distributions_with, installed_version, installed_versions, normalized
from x07py.contracts.requirement import admits

GROUPS = ("console_scripts", "pytest11", "x07.drivers", "x07.packages")


def test_names_and_versions_are_those_of_the_standard_library() -> None:
    expected: dict[str, str] = {}
    for one in distributions():
        expected.setdefault(normalized(one.name), one.version)
    assert installed_versions() == expected
    assert len(expected) > 50
    assert installed_version("Typing.Extensions") == distribution("typing-extensions").version
    assert installed_version("no-such-thing") is None


@pytest.mark.parametrize("group", GROUPS)
def test_entry_points_are_those_of_the_standard_library(group: str) -> None:
    found = {
        (one.name, name, value) for one in distributions_with(group) for name, value in one.entry_points(group).items()
    }
    points = {
        (point.dist.name, point.name, point.value.partition(" [")[0])
        for point in entry_points(group=group)
        if point.dist
    }
    assert found == points
    assert found


def test_files_are_those_of_the_record(site: Path) -> None:
    install(site, "greet", "1.0", {"greet/a b.py": "", "greet/c.py": "x"}, {"x07.packages": {"greet": "greet"}})
    (found,) = [one for one in distributions_with("x07.packages") if one.name == "greet"]
    assert found.files() == [str(file) for file in distribution("greet").files or ()]
    recorded = {str(file): file.hash.value for file in distribution("greet").files or () if file.hash}
    assert {name: digest for name, digest in found.digests().items() if digest} == recorded


def test_metadata_of_older_installers_counts(site: Path) -> None:
    for name, file in (("old_one-1.5-py3.egg-info", "PKG-INFO"), ("older-2.0.egg-info", "")):
        target = site / name / file if file else site / name
        target.parent.mkdir(exist_ok=True)
        target.write_text(f"Metadata-Version: 1.1\nName: {name.partition('-')[0]}\nVersion: {name.split('-')[1][:3]}\n")
    assert (installed_version("old-one"), installed_version("older")) == ("1.5", "2.0")


VERSIONS = ("1", "1.0", "0.2.0", "0.3", "2.0.1", "10.0", "1.2.3.4", "1.0rc1", "1.0+local")
RANGES = (">=0.2,<0.3", ">=1", "<2", ">=1,<2", "<1.0.0", ">=1.0rc1", "<2.dev0", ">=1,!=1.2", "~=1.0", ">1")


@pytest.mark.parametrize(("version", "wanted"), list(product(VERSIONS, RANGES)))
def test_ranges_mean_what_packaging_says(version: str, wanted: str) -> None:
    assert admits(wanted, version) == SpecifierSet(wanted).contains(version, prereleases=True)
