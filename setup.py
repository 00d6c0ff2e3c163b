"""Adds the price book and the examples to the wheel; everything else is in pyproject.toml."""

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

TOP = Path(__file__).parent


class WithData(build_py):
    """Copies files from the top of a checkout into the package that is built."""

    def run(self) -> None:
        """Build, then copy; an editable install reads the files in the checkout."""
        super().run()
        if self.editable_mode:
            return
        package = Path(self.build_lib) / "advisor"
        shutil.copy(TOP / "pricing.yaml", package / "pricing.yaml")
        shutil.copytree(TOP / "examples", package / "examples", dirs_exist_ok=True)


setup(cmdclass={"build_py": WithData})
