"""Every invariant of the books, by name, in the order of a report."""

from collections.abc import Mapping
from types import MappingProxyType

INVARIANTS: Mapping[str, str] = MappingProxyType(
    {
        "entries_sum_to_zero": "the entries of every transaction sum to zero, in each currency",
        "transactions_complete": "every transaction has its two entries and no others: account, amount, currency, sign",
        "running_balances": "the balance of every entry is the balance of the previous entry plus its amount",
        "balances_are_entries": "every balance is the sum of the account's entries, and the balance of the last entry",
        "versions_gapless": "the entries of every account are numbered 1 to n, and its version is n",
        "revisions_not_behind": "the revision of every account is at least its version",
        "times_go_forward": "the entries of an account are in the order of time",
        "one_currency": "every entry belongs to an existing account and has its currency",
        "ledger_sums_to_zero": "all balances, and all entries, sum to zero in each currency",
        "no_overdraft": "no customer's balance was ever below zero, and none is below the amount held",
        "holds_add_up": "the amount held on an account is the sum of its active holds",
        "captures_end_holds": "every captured hold has its capture, and every capture has its hold",
        "reversals_within_originals": "reversals go back between the accounts of their original, and never exceed it",
        "fees_name_transactions": "every fee names its transaction, and the same account pays it to the bank",
        "keys_name_transactions": "every idempotency key names an existing transaction, or none",
        "positions_dense": "the positions of events are 1 to the head of the log",
        "transactions_have_events": "every transaction has two events that agree with it: initiated, then completed",
        "balance_updates_are_entries": "every entry has one event that agrees with it, and every such event an entry",
        "accounts_match_events": "every account agrees with its events: owner, number, state, limits, spent, revision",
        "users_match_events": "every user agrees with their events: address, name, CPF, password, role, erasure",
        "sessions_match_events": "every session and refresh token agrees with its events: user, expiry, use, end",
        "second_factors_match_events": "every second factor has the state of its last event",
        "signing_keys_match_events": "every signing key agrees with its event: key, times",
        "identities_match_events": "every retained identity is the record of an erasure, until the end of its term",
        "templates_match_events": "every version of a template agrees with its event: text, time",
        "approvals_match_events": "every approval agrees with its events: request, decision by another person, effect",
        "observations_match_events": "every observation of a security rule is of an event: kind, time, user",
        "holds_match_events": "every hold agrees with its events: accounts, amount, expiry, end",
        "keys_match_events": "every idempotency key agrees with the digest in its event: request, outcome, time",
        "keys_of_texts_exist": "every encrypted origin has the key of its user or of its day",
        "days_match_entries": "the days of an account are the sums of the entries that their subscriber has handled",
        "positions_match_effects": "no subscriber is behind its effects, and dead letters are of existing events",
        "subscribers_within_log": "no subscriber is beyond the head of the log",
        "events_audited": "every event has one audit row, up to the position that the audit has or should have",
        "audit_chain": "the audit rows are chained without a break",
        "schema_as_migrated": "tables, guards, rights and settings are exactly as the migrations make them",
    }
)
"""Each invariant: its name, and what is true while it holds."""
