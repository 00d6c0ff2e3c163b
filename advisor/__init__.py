"""Prompt, retrieve, fine-tune or LoRA: what each costs, and which to do.

The public names of the library. They are imported on first use, so `import advisor` stays fast:

    import advisor
    advisor.recommend("scenario.yaml")
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from advisor.dataset.reader import profile_file as profile
    from advisor.decision.answer import Answer, Question
    from advisor.loading import load_scenario, recommend, sweep
    from advisor.prices.book import PriceBook
    from advisor.prices.loader import load_prices
    from advisor.scenario.scenario import Scenario

__version__ = "0.1.0"
__all__ = [
    "Answer",
    "PriceBook",
    "Question",
    "Scenario",
    "load_prices",
    "load_scenario",
    "profile",
    "recommend",
    "sweep",
]
_MODULES = {
    "Answer": "decision.answer",
    "PriceBook": "prices.book",
    "Question": "decision.answer",
    "Scenario": "scenario.scenario",
    "load_prices": "prices.loader",
    "load_scenario": "loading",
    "profile": "dataset.reader",
    "recommend": "loading",
    "sweep": "loading",
}
_ORIGINAL_NAMES = {"profile": "profile_file"}


def __getattr__(name: str) -> Any:
    """Import a public name on first use (PEP 562)."""
    if name not in _MODULES:
        raise AttributeError(f"module 'advisor' has no attribute '{name}'")
    module = import_module(f"advisor.{_MODULES[name]}")
    globals()[name] = value = getattr(module, _ORIGINAL_NAMES.get(name, name))
    return value


def __dir__() -> list[str]:
    """List the public names too, for completion in a notebook."""
    return sorted({*globals(), *__all__})
