"""Every invariant of the books, by name, in the order of a report."""

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
        "accounts_as_told": "every account is what its events say: owner, number, state, limits, spending, revision",
        "users_as_told": "every user is who their events say: address, name, CPF, password, role",
        "sessions_as_told": "every session and refresh token is what its events say: whose, until when, used, closed",
        "holds_as_told": "every hold is what its events say: accounts, amount, expiry, and how it ended",
        "keys_as_told": "every idempotency key is as its event vouches for: what was asked and answered, and when",
        "days_as_told": "the days of an account are the entries that their subscriber has come to",
        "deliveries_leave_their_trace": "no subscriber is behind what it has left, and dead letters are of events",
        "subscribers_within_log": "no subscriber is beyond the head of the log",
        "events_audited": "every event has one audit row, as far as the audit has come or should have",
        "audit_chain": "the audit rows are chained without a break",
        "schema_as_migrated": "tables, guards, rights and settings are what the migrations make, and nothing more",
    }
)
"""Each invariant: its name, and what is true while it holds."""
