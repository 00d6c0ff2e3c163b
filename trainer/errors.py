"""Everything that can go wrong between a plan and a settled run.

* TrainerError (an AdvisorError)
  + Refused               we do not do this: over the cap, unpriced, closed, too old (exit 3)
    - OverBudget          the cap of a run, a day or all time would be passed
    - NoConsent           data would leave the machine without a word of yours
  + Unreachable           database or provider cannot be reached now (exit 4)
    - DatabaseBusy        another process holds the database
  + LeaseLost             another process took the run over while this one slept
  + NoSecret              a key is missing, or belongs to another host
"""

from __future__ import annotations

from advisor.errors import AdvisorError


class TrainerError(AdvisorError):
    """Base of every error the trainer raises on purpose."""

    code = "trainer-error"
    exit_code = 2


class Refused(TrainerError):
    """A rule of ours forbids it; nothing was asked of anybody."""

    code = "refused"
    exit_code = 3
    http_status = 409


class OverBudget(Refused):
    """A cap would be passed."""

    code = "over-budget"


class NoConsent(Refused):
    """Data would leave this machine, and nobody agreed."""

    code = "no-consent"


class Unreachable(TrainerError):
    """Something outside does not answer; nothing is lost, try again."""

    code = "unreachable"
    exit_code = 4
    http_status = 503


class DatabaseBusy(Unreachable):
    """The database cannot be written now."""

    code = "database-busy"


class LeaseLost(Unreachable):
    """Another process works on this run."""

    code = "lease-lost"
    http_status = 409


class ApiKeyError(TrainerError):
    """A key is missing, or would go to a host it does not belong to."""

    code = "no-secret"
    http_status = 409
