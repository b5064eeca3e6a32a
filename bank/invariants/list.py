"""Every invariant of the books, by name, in the order of a report; and the guards that keep them."""

from collections.abc import Mapping
from types import MappingProxyType

INVARIANTS: Mapping[str, str] = MappingProxyType(
    {
        "entries_sum_to_zero": "the entries of every transaction sum to zero, in each currency",
        "transactions_complete": "every transaction has its two entries and no others: account, amount, currency, sign",
        "running_balances": "the balance of every entry is the one before plus its amount",
        "balances_are_entries": "every balance is the sum of the account's entries, and that of the last of them",
        "versions_gapless": "the entries of every account are numbered 1 to n, and its version is n",
        "revisions_not_behind": "the revision of every account is at least its version",
        "times_go_forward": "the entries of an account are in the order of time",
        "one_currency": "every entry is of an account that there is, in its currency",
        "ledger_sums_to_zero": "all balances, and all entries, sum to zero in each currency",
        "no_overdraft": "no customer was ever below zero, or is below what is held",
        "holds_add_up": "what is held on an account is the sum of its active holds",
        "captures_end_holds": "every captured hold has the transaction that captured it, and the other way round",
        "reversals_within_originals": "reversals go back the way of their original, and never beyond its amount",
        "fees_name_their_cause": "every fee names what it is for, and is paid to the bank by whoever did that",
        "keys_name_transactions": "an idempotency key names a transaction that there is, or none",
        "positions_dense": "the positions of events are 1 to the head of the log",
        "transactions_have_events": "every transaction was told of as it is: initiated, then completed",
        "balance_updates_are_entries": "every entry was told of once, as it is, and nothing else was",
        "subscribers_within_log": "no subscriber is beyond the head of the log",
        "events_audited": "every event has one audit row, as far as the audit has come",
        "audit_chain": "the audit rows are chained without a break",
        "guards_in_place": "the database's own guards are there and count, and the bank's role may not get around them",
    }
)
"""Each invariant: its name, and what is true while it holds."""

KEPT = ("transactions", "entries", "event_store", "audit_logs")
"""The tables whose rows are never changed."""

TRIGGERS = (
    ("accounts", "accounts_open_empty"),
    ("accounts", "balances_change_by_entries"),
    ("accounts", "held_is_the_sum_of_holds"),
    ("audit_logs", "audit_logs_are_append_only"),
    ("entries", "entries_are_append_only"),
    ("entries", "entries_sum_to_zero"),
    ("event_log_head", "head_moves_with_events"),
    ("event_store", "event_store_is_append_only"),
    ("event_store", "positions_are_dense"),
    ("holds", "holds_are_kept"),
    ("holds", "holds_end_once"),
    ("transactions", "reversals_stay_within_the_original"),
    ("transactions", "transactions_are_append_only"),
    ("transactions", "transactions_have_entries"),
)
"""The triggers that a sound database has, with their tables."""

CONSTRAINTS = (
    ("accounts", "customers_do_not_overdraw"),
    ("audit_logs", "audit_logs_number_is_unique"),
    ("audit_logs", "audit_logs_tell_each_event_once"),
    ("entries", "entries_pkey"),
    ("event_store", "event_store_position_is_unique"),
    ("idempotency_keys", "idempotency_keys_pkey"),
    ("transactions", "transactions_name_what_they_belong_to"),
    ("transactions", "transactions_pkey"),
)
"""The constraints without which the ledger could be wrong although every trigger is there."""
