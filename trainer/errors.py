"""Errors of the trainer, between a plan and a settled run.

* TrainerError (an AdvisorError)
  + Refused               a rule forbids it: over the cap, unpriced, closed, too old (exit 3)
    - OverBudget          the cap of a run, a day or all time would be passed
    - NoConsent           data would leave the machine without consent
  + Unreachable           database or provider cannot be reached now (exit 4)
    - DatabaseBusy        another process holds the database
    - LeaseLost           another process took over the run
  + ApiKeyError           a key is missing, or belongs to another host
"""

from __future__ import annotations

from advisor.errors import AdvisorError


class TrainerError(AdvisorError):
    """Base of every error the trainer raises on purpose."""

    code = "trainer-error"
    exit_code = 2


class Refused(TrainerError):
    """A rule forbids it; no request was sent."""

    code = "refused"
    exit_code = 3
    http_status = 409


class OverBudget(Refused):
    """A cap would be passed."""

    code = "over-budget"


class NoConsent(Refused):
    """Data would leave this machine without consent."""

    code = "no-consent"


class Unreachable(TrainerError):
    """A database or provider does not respond; nothing is lost, try again."""

    code = "unreachable"
    exit_code = 4
    http_status = 503


class DatabaseBusy(Unreachable):
    """The database cannot be written to now."""

    code = "database-busy"


class LeaseLost(Unreachable):
    """Another process works on this run."""

    code = "lease-lost"
    http_status = 409


class ApiKeyError(TrainerError):
    """A key is missing, or would be sent to a host it does not belong to."""

    code = "no-secret"
    http_status = 409
