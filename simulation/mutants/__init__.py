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
    "debit_entry_missing",
    "balance_not_checked",
    "key_not_checked",
    "key_in_another_transaction",
    "digest_not_compared",
    "refusal_not_stored",
    "invalid_input_consumes_key",
    "callers_share_keys",
    "mutations_share_no_keys",
    "answered_before_commit",
    "write_through_missing",
    "accounts_read_one_by_one",
    "history_entry_missing",
    "half_the_balance_spendable",
    "closed_session_accepted",
    "one_cent_rounded_off",
    "event_lost",
    "events_swapped",
    "events_appended_twice",
    "late_commit_skipped",
    "audit_row_lost",
    "audit_chain_broken",
    "locks_in_arrival_order",
    "debit_without_lock",
    "reversal_twice",
    "hold_not_counted",
    "request_logged",
    "resolver_raises",
    "event_appended_after_commit",
    "position_moved_before_effect",
    "lease_too_long",
    "idle_transaction_not_aborted",
    "rolled_back_position_kept",
    "handlers_start_late",
    "answers_not_cached",
    "receipt_names_wrong_payee",
    "no_next_page",
    "history_lacks_newest_entry",
    "hold_expiry_time_ignored",
    "decision_raises",
    "handler_raises",
    "batches_never_answered",
    "expiry_loop_raises",
    "hold_captured_after_its_end",
    "staff_debits_customers",
    "logout_not_broadcast",
    "digest_without_target",
    "person_named_in_logs",
    "texts_not_encrypted",
    "unsubscribed_worker_trusts_cache",
    "older_value_overwrites_newer",
    "older_response_stored",
    "older_redis_trusted",
    "logout_written_to_redis_only",
    "stolen_token_only_refused",
    "limits_shared_by_all_clients",
    "sessions_of_others_revocable",
    "aliases_count_once",
    "failed_logins_not_recorded",
    "staff_reads_not_recorded",
    "logins_counted_by_address",
    "clients_choose_their_address",
    "stuffing_not_detected",
)
"""The names of all mutants; each is the name of a file."""


def load(name: str) -> "Mutant":
    """Return a mutant. This imports the parts of the bank that it patches, which an ordinary run never imports."""
    from simulation.mutants.mutant import Mutant  # noqa: PLC0415 - only a run with a mutant needs it

    mutant = import_module(f"{__name__}.{name}").MUTANT
    if not isinstance(mutant, Mutant):
        raise TypeError(f"simulation.mutants.{name}.MUTANT must be a Mutant")
    return mutant
