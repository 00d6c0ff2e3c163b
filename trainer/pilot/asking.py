"""A chat model and messages -> an answer that is kept and paid once, asked with patience."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, TypeVar

import orjson

from trainer.clock import Clock
from trainer.distilling import ALL_ALIKE, FAILED_IN_A_ROW, MOST_WAIT_SECONDS, WAIT_SECONDS
from trainer.errors import Refused, Unreachable
from trainer.pilot.bill import Tariff, most_tokens
from trainer.pilot.held import Case
from trainer.pilot.journal import Cell, Purse
from trainer.providers.chat import Chat, Said
from trainer.providers.job import Declined, Limited, ProviderError, Unknown

TRIES = 4
T = TypeVar("T")


@dataclass
class Patience:
    """Asks again where it helps, waits as it is told, and gives up where nobody is there."""

    provider: str
    clock: Clock
    failed: int = 0

    def of(self, send: Callable[[], T], lose: Callable[[], None]) -> T | None:
        """Send until there is an answer, or an end to patience: then nothing.

        Args:
            send: One request.
            lose: Called for each request of which it is not known whether it is billed.

        Raises:
            Declined: the provider says no to this very request.
            Refused: it would say no to every request, or not for a long time.
            Unreachable: it has not answered several times in a row.
        """
        for number in range(TRIES):
            try:
                found = send()
            except Declined as error:
                self._refuse_all_alike(error)
                raise
            except ProviderError as error:
                if isinstance(error, Unknown):
                    lose()
                self.clock.sleep(self._wait(error, number))
            else:
                self.failed = 0
                return found
        self.failed += 1
        if self.failed >= FAILED_IN_A_ROW:
            raise Unreachable(f"{self.provider} left {self.failed} questions in a row without an "
                              "answer. What was answered is kept: say it again later.")  # fmt: skip
        return None

    def _refuse_all_alike(self, error: Declined) -> None:
        if error.status in ALL_ALIKE:
            raise Refused(f"{self.provider} refuses: {error}. See to the key and the name of the "
                          "model, then say it again.") from None  # fmt: skip

    def _wait(self, error: ProviderError, number: int) -> float:
        if not isinstance(error, Limited):
            return float(min(WAIT_SECONDS * 2**number, MOST_WAIT_SECONDS))
        if error.meaning != "seconds" or error.wait_seconds > MOST_WAIT_SECONDS:
            raise Refused(f"{self.provider}: {error}. What was answered is kept: say it again "
                          "when there is room.") from None  # fmt: skip
        return error.wait_seconds


@dataclass
class Model:
    """A chat model, its prices, and the purse that pays it."""

    named: str
    """As the provider calls it."""
    chat: Chat
    tariff: Tariff
    purse: Purse
    clock: Clock
    patience: Patience
    max_answer_tokens: int
    limit_name: str = "max_tokens"

    def answer(
        self, arm: str, case: Case, messages: list[dict[str, Any]], counted: int
    ) -> Cell | None:
        """Ask once, and keep what came; nothing where no answer came.

        Args:
            arm: Who asks.
            case: What is asked.
            messages: As they are sent.
            counted: Their tokens.

        Raises:
            OutOfRoom: one more request might pass what was set aside.
        """
        most = self.tariff.usd(most_tokens(counted), self.max_answer_tokens)
        more: dict[str, Any] = {self.limit_name: self.max_answer_tokens}
        if case.tools is not None:
            more["tools"] = orjson.loads(case.tools)

        began = 0.0

        def send() -> Said:
            nonlocal began
            self.purse.hold(most)
            began = self.clock.ticks()
            return self.chat.ask(self.named, messages, **more)

        try:
            said = self.patience.of(send, lambda: self.purse.lose(most))
        except Declined:
            cell = Cell(arm, case.key, "", "declined", 0, 0, "0", 0.0)
        else:
            if said is None:
                return None
            cell = self._cell(arm, case, said, counted, self.clock.ticks() - began)
        self.purse.journal.keep(self.purse.subject, cell)
        self.purse.compare(most, Decimal(cell.usd))
        return cell

    def _cell(self, arm: str, case: Case, said: Said, counted: int, seconds: float) -> Cell:
        """Write an answer down; usage that nobody told is taken at its dear end."""
        read = most_tokens(counted) if said.prompt_tokens is None else said.prompt_tokens
        wrote = said.completion_tokens
        wrote = self.max_answer_tokens if wrote is None else wrote
        usd = self.tariff.usd(read, wrote)
        return Cell(arm, case.key, said.content, said.flaw, read, wrote, str(usd), seconds)
