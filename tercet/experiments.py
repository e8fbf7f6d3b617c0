"""An experiment that is built in code, and the same one as a TOML file."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Self

from pydantic import BaseModel, PrivateAttr

from flows.session.experiment import Experiment as Checked
from flows.session.experiment import check_experiment, experiment_file, load_experiment, parse_experiment
from tercet.toml_text import toml_text

IN_CODE = "tercet.Experiment"  # where an error says that a mistake is


class Experiment(Checked):
    """Everything that a run depends on: the sections and keys of an experiment's TOML file.

    A section is a dictionary: `Experiment(corpus={"source": "sample"}, retrieval={"sizes": [64, 128]}, readers=[])`.
    Relative paths start from the folder that was current when the experiment was built, or from that of its file. Two
    experiments are equal if their settings are.

    Args:
        sections: as in a TOML file; what is left out has its default.

    Raises:
        InputError: an unknown key, a bad value, or settings that contradict each other, in one line.
    """

    _folder: Path = PrivateAttr(default_factory=Path.cwd)

    def __init__(self, **sections: Any) -> None:
        given = {name: plain(value) for name, value in sections.items()}
        check_experiment(parse_experiment(given, IN_CODE))
        super().__init__(**given)

    @property
    def folder(self) -> Path:
        """The folder that relative paths start from."""
        return self._folder

    @classmethod
    def from_toml(cls, file: str | Path) -> Self:
        """Read a TOML file, or a bundled experiment such as `demo`.

        Raises:
            InputError: the file is missing or wrong, in one line.
        """
        path = Path(file).expanduser()
        return cls.from_settings(load_experiment(path), experiment_file(path).resolve().parent)

    @classmethod
    def from_settings(cls, settings: Checked, folder: Path) -> Self:
        """The same settings, with relative paths that start from a folder."""
        # What is of another type than it should be is refused here, and needs no warning.
        made = cls(**settings.model_dump(exclude_unset=True, warnings=False))
        made._folder = folder
        return made

    def to_toml(self) -> str:
        """The experiment as the text of a TOML file, which loads back equal.

        Relative paths in a file start from its folder: write the text to a file in `folder`.
        """
        return toml_text(self._given())

    def replace(self, **changes: Any) -> Self:
        """A copy with other settings, checked again. A section given as a dictionary keeps its other keys.

        Raises:
            InputError: as when an experiment is built.
        """
        before = self.model_dump(exclude_unset=True)
        made = type(self)(**{**before, **{name: _over(before.get(name), plain(one)) for name, one in changes.items()}})
        made._folder = self._folder
        return made

    def with_settings(self, **settings: Any) -> Self:
        """A copy with other settings for a run, by their names there, such as `threads`; checked again.

        Raises:
            InputError: as when an experiment is built.
        """
        given = {name: plain(value) for name, value in settings.items()}
        return self.from_settings(super().with_settings(**given), self._folder)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Checked) and self.model_dump() == other.model_dump()

    def __repr__(self) -> str:
        return f"Experiment({', '.join(f'{name}={value!r}' for name, value in self._given().items())})"

    __str__ = __repr__

    def _given(self) -> dict[str, Any]:
        """What was set, as JSON types; None is the default wherever it is allowed."""
        return self.model_dump(mode="json", exclude_unset=True, exclude_none=True)


def plain(value: Any) -> Any:
    """Models, ranges, arrays and the like as dictionaries, lists, numbers and texts, as a TOML file would have them."""
    if isinstance(value, BaseModel):
        return value.model_dump(exclude_unset=True)
    if isinstance(value, Mapping):
        return {name: plain(one) for name, one in value.items()}
    if hasattr(value, "tolist"):  # of NumPy
        return value.tolist()
    return [plain(one) for one in value] if isinstance(value, Iterable) and not isinstance(value, str) else value


def _over(before: Any, change: Any) -> Any:
    """A section with some of its keys replaced; anything else is replaced as a whole."""
    if not (isinstance(before, dict) and isinstance(change, dict)):
        return change
    return before | {name: _over(before.get(name), one) for name, one in change.items()}
