"""Mutants, one in each file: planted bugs that show that a check or criterion catches the bug for which it is made.

A mutant is patched into the bank's classes and functions when a worker starts (`python -m simulation.mutants.serve`);
the bank itself has no hook for it. If a guard of the database would prevent the bug, the mutant drops the guard.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from simulation.mutants.mutant import Mutant

REACHED = "SIMULATION_MUTANT_REACHED"
"""The environment variable with the path of the file that a worker creates when it executes the planted bug."""

MARKER = "mutant-reached"
"""The name of that file, in the folder of the logs."""

NAMES = (
    "credit_twice",
    "one_side_only",
    "balance_not_checked",
    "key_not_checked",
    "key_in_another_transaction",
    "digest_not_compared",
    "refusal_not_remembered",
    "wrong_input_burns_key",
    "callers_share_keys",
    "mutations_share_no_keys",
    "answered_before_commit",
    "write_through_forgotten",
    "accounts_read_one_by_one",
    "history_line_lost",
    "half_the_balance_spendable",
    "closed_session_opens",
    "one_cent_rounded_off",
    "event_lost",
    "events_swapped",
    "published_twice",
    "cursor_skips",
    "audit_row_lost",
    "audit_chain_broken",
    "locks_in_arrival_order",
    "debit_without_lock",
    "reversal_twice",
    "hold_not_counted",
    "request_logged",
    "resolver_breaks",
    "event_appended_after_commit",
    "position_moved_before_effect",
    "lease_too_long",
    "stopped_worker_waited_for",
    "own_position_believed",
    "handlers_start_late",
    "answers_not_cached",
    "receipt_names_wrong_payee",
    "no_next_page",
    "history_one_commit_late",
    "hold_life_ignored",
    "decision_raises",
    "handler_raises",
    "batches_never_answered",
    "loop_breaks",
    "hold_captured_after_its_end",
    "staff_debits_customers",
    "logout_not_told",
    "digest_without_target",
    "person_named_in_logs",
    "deaf_worker_believes",
    "older_value_put",
    "older_answer_kept",
    "older_redis_believed",
    "logout_told_to_redis_alone",
)
"""The names of all mutants; each is the name of a file."""


def load(name: str) -> "Mutant":
    """Return a mutant. This imports the parts of the bank that it patches, which an ordinary run never imports."""
    from simulation.mutants.mutant import Mutant  # noqa: PLC0415 - only a run with a mutant needs it

    mutant = import_module(f"{__name__}.{name}").MUTANT
    if not isinstance(mutant, Mutant):
        raise TypeError(f"simulation.mutants.{name}.MUTANT must be a Mutant")
    return mutant
