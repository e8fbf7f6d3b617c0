"""A package of somebody else in the place of ours is named in one line, before anything of it is used."""

import pytest

from tercet.installed import PACKAGES, check_packages, place_of
from tests.conftest import ROOT


@pytest.fixture
def import_in(python):
    return lambda folder: python("-c", "import tercet; tercet.InputError; print('imported')", cwd=folder)


@pytest.mark.parametrize("name", ["results.py", "corpora/__init__.py"])
def test_a_module_of_the_same_name_is_named(import_in, tmp_path, name):
    file = tmp_path / name
    file.parent.mkdir(exist_ok=True)
    file.write_text("raise SystemExit('this was run')", encoding="utf-8")
    done = import_in(tmp_path)
    found = file.parent if file.name == "__init__.py" else file
    package = name.partition("/")[0].removesuffix(".py")
    assert done.stderr.splitlines()[-1] == (
        f"ImportError: {package!r} is {found}: expected the package of that name that Tercet installs in {ROOT}; "
        "rename or remove the other one, or start Python in another folder."
    )


def test_a_folder_of_data_of_the_same_name_does_no_harm(import_in, tmp_path):
    (tmp_path / "results").mkdir()
    assert import_in(tmp_path).stdout == "imported\n"


def test_a_missing_package_is_named(monkeypatch):
    monkeypatch.setattr("tercet.installed.place_of", lambda _: None)
    with pytest.raises(ImportError, match=r"there is no package 'corpora': .*; install tercet again\.$"):
        check_packages()


def test_ours_are_where_they_should_be():
    check_packages()
    assert {name: place_of(name) for name in PACKAGES} == {name: ROOT / name for name in PACKAGES}
    assert place_of("no_such_package_anywhere") is None
