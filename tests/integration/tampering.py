"""What a superuser can do to the books by hand, which invariants that breaks, and what is said of it."""

import re
from dataclasses import dataclass

ANA = "(select account_id from holds limit 1)"
ANAS = f"account_id = {ANA}"
A_TRANSFER = "(select id from transactions where kind = 'TRANSFER' order by id limit 1)"
NOBODY = "00000000-0000-7000-8000-00000000dead"


@dataclass(frozen=True)
class Tampering:
    """Statements, every invariant that they break, and the sentence on one of these, with … for anything."""

    what: str
    statements: list[str]
    breaks: set[str]
    named: str
    sentence: str

    def is_said(self, sentence: str) -> bool:
        pattern = ".*".join(re.escape(part) for part in self.sentence.split("…"))
        return re.fullmatch(pattern, sentence) is not None


TAMPERINGS = [
    Tampering(
        "an amount",
        [
            f"update entries set amount_minor = amount_minor + 1 where {ANAS} and version = 1",
        ],
        {
            "balance_updates_are_entries",
            "balances_are_entries",
            "entries_sum_to_zero",
            "ledger_sums_to_zero",
            "running_balances",
            "transactions_complete",
        },
        "ledger_sums_to_zero",
        "all entries: their sum in BRL should be 0, and is 1.",
    ),
    Tampering(
        "an entry of one side only",
        [
            f"delete from entries where {ANAS} and version = (select max(version) from entries where {ANAS})",
        ],
        {
            "balance_updates_are_entries",
            "balances_are_entries",
            "entries_sum_to_zero",
            "ledger_sums_to_zero",
            "transactions_complete",
            "versions_gapless",
        },
        "transactions_complete",
        "transaction …: its entries should be -10 BRL at version … of account … and 10 BRL at version … of account "
        "…, and is 10 BRL at version … of account ….",
    ),
    Tampering(
        "a transaction deleted from under its entries",
        [
            "delete from idempotency_keys where transaction_id is not null",
            "delete from transactions where kind = 'DEPOSIT'",
        ],
        {"transactions_complete", "transactions_have_events"},
        "transactions_complete",
        "transaction …: its entries should be a row of transactions, and is -10000 BRL at …",
    ),
    Tampering(
        "a transaction that has no entries",
        [
            "insert into transactions select uuidv7(), 'DEPOSIT', 7, 'BRL', debit_account_id, credit_account_id, "
            "null, initiated_by, now(), null, null, 900, 901 from transactions where kind = 'DEPOSIT'",
        ],
        {"transactions_complete", "transactions_have_events"},
        "transactions_complete",
        "transaction …, and is none.",
    ),
    Tampering(
        "the amount of a transaction",
        [
            f"update transactions set amount_minor = amount_minor + 500 where id = {A_TRANSFER}",
        ],
        {"transactions_complete", "transactions_have_events"},
        "transactions_have_events",
        "transaction …: its events should be one TransactionInitiatedEvent and then one TransactionCompletedEvent "
        "that tell of it as it is, and is 2 at positions … to …, of which 0 and 0 are right.",
    ),
    Tampering(
        "an entry that is another account's",
        [
            f"update transactions set credit_account_id = '{NOBODY}' where id = {A_TRANSFER}",
        ],
        {"reversals_within_originals", "transactions_complete", "transactions_have_events"},
        "reversals_within_originals",
        "reversal …: its way should be from 00000000-… (and 1 more).",
    ),
    Tampering(
        "a balance after an entry",
        [
            f"update entries set balance_after_minor = balance_after_minor + 1 where {ANAS} and version = 2",
        ],
        {"balance_updates_are_entries", "running_balances"},
        "running_balances",
        "entry 2 of account …: the balance after it should be 9000, and is 9001 (and 1 more).",
    ),
    Tampering(
        "a balance",
        [
            f"update accounts set balance_minor = balance_minor + 1 where id = {ANA}",
        ],
        {"balances_are_entries", "ledger_sums_to_zero"},
        "balances_are_entries",
        "account …: its balance should be …, …, and is … (and 1 more).",
    ),
    Tampering(
        "a version",
        [
            f"update accounts set version = version + 1, revision = revision + 1 where id = {ANA}",
        ],
        {"balances_are_entries", "versions_gapless"},
        "versions_gapless",
        "account …: its version should be …, the number of its entries, and is ….",
    ),
    Tampering(
        "a gap of versions",
        [
            f"update entries set version = version + 100 where {ANAS} and version = 3",
        ],
        {
            "balance_updates_are_entries",
            "running_balances",
            "times_go_forward",
            "transactions_complete",
            "versions_gapless",
        },
        "versions_gapless",
        "entry 103 of account …: the version after … should be …, and is 103 (and 1 more).",
    ),
    Tampering(
        "a revision",
        [
            "update accounts set revision = version - 1 where version > 0 and kind = 'CUSTOMER'",
        ],
        {"revisions_not_behind"},
        "revisions_not_behind",
        "account …: its revision should be … or more, as its version, and is … (and 1 more).",
    ),
    Tampering(
        "the time of an entry",
        [
            f"update entries set created_at = created_at - interval '1 day' where {ANAS} and version = 4",
        ],
        {"balance_updates_are_entries", "times_go_forward"},
        "times_go_forward",
        "entry 4 of account …: its time should be 20… or later, and is 20….",
    ),
    Tampering(
        "the currency of an entry",
        [
            f"update entries set currency = 'USD' where {ANAS} and version = 1",
        ],
        {
            "balance_updates_are_entries",
            "entries_sum_to_zero",
            "ledger_sums_to_zero",
            "one_currency",
            "transactions_complete",
        },
        "one_currency",
        "entry 1 of account …: its currency should be BRL, and is USD.",
    ),
    Tampering(
        "one side in another currency",
        [
            f"update entries set currency = 'USD' where {ANAS} and version = 1",
        ],
        {
            "balance_updates_are_entries",
            "entries_sum_to_zero",
            "ledger_sums_to_zero",
            "one_currency",
            "transactions_complete",
        },
        "entries_sum_to_zero",
        "transaction …: the sum of its entries in BRL should be 0, and is -10000 (and 1 more).",
    ),
    Tampering(
        "an account deleted from under its entries",
        [
            f"delete from accounts where id = {ANA}",
        ],
        {"ledger_sums_to_zero", "one_currency"},
        "one_currency",
        "entry 1 of account …: its account should be a row of accounts, and is missing (and … more).",
    ),
    Tampering(
        "a customer below zero at some time",
        [
            f"update entries set balance_after_minor = -1 where {ANAS} and version = 2",
        ],
        {"balance_updates_are_entries", "no_overdraft", "running_balances"},
        "no_overdraft",
        "entry 2 of account …: the balance after it should be zero or more, and is -1.",
    ),
    Tampering(
        "more held than there is",
        [
            "alter table accounts drop constraint customers_do_not_overdraw",
            f"update accounts set held_minor = balance_minor + 1 where id = {ANA}",
        ],
        {"schema_as_migrated", "holds_add_up", "no_overdraft"},
        "no_overdraft",
        "account …: its balance should be … or more, which is held on it, and is ….",
    ),
    Tampering(
        "what is held",
        [
            f"update accounts set held_minor = 0 where id = {ANA}",
        ],
        {"holds_add_up"},
        "holds_add_up",
        "account …: what is held on it should be 500, the sum of its active holds, and is 0.",
    ),
    Tampering(
        "a captured hold without its transaction",
        [
            f"update holds set transaction_id = '{NOBODY}' where status = 'CAPTURED'",
        ],
        {"captures_end_holds"},
        "captures_end_holds",
        "capture …: its hold should be a hold that this capture has ended, and is captured hold …",
    ),
    Tampering(
        "a capture of another amount",
        [
            "update holds set captured_minor = 499 where status = 'CAPTURED'",
        ],
        {"captures_end_holds"},
        "captures_end_holds",
        "hold …: what was captured should be 499 BRL, and is 500 BRL.",
    ),
    Tampering(
        "a capture that ends no hold",
        [
            "delete from holds where status = 'CAPTURED'",
        ],
        {"captures_end_holds"},
        "captures_end_holds",
        "capture …: its hold should be a hold that this capture has ended, and is …, which there is not.",
    ),
    Tampering(
        "reversals beyond the original",
        [
            f"update transactions set amount_minor = 500 where id = {A_TRANSFER}",
        ],
        {"reversals_within_originals", "transactions_complete", "transactions_have_events"},
        "reversals_within_originals",
        "transaction …: the sum of its reversals should be 500 or less, and is 1000.",
    ),
    Tampering(
        "a reversal of nothing",
        [
            f"update transactions set related_id = '{NOBODY}' where kind = 'REVERSAL' and amount_minor = 300",
        ],
        {"reversals_within_originals", "transactions_have_events"},
        "reversals_within_originals",
        "reversal …: its original should be a transaction, and is …, which there is not.",
    ),
    Tampering(
        "a fee for nothing",
        [
            f"update transactions set related_id = '{NOBODY}' where kind = 'FEE' and amount_minor = 20",
        ],
        {"fees_name_their_cause", "transactions_have_events"},
        "fees_name_their_cause",
        "fee …: what it is for should be a transaction, and is …, which there is not.",
    ),
    Tampering(
        "a fee that the bank does not earn",
        [
            "update accounts set kind = 'CASH' where kind = 'FEES'",
        ],
        {"fees_name_their_cause"},
        "fees_name_their_cause",
        "fee …: who earns it should be an account of kind FEES, and is account … (and … more).",
    ),
    Tampering(
        "a key that names no transaction",
        [
            f"update idempotency_keys set transaction_id = '{NOBODY}' where transaction_id = {A_TRANSFER}",
        ],
        {"keys_name_transactions"},
        "keys_name_transactions",
        "key 'key-0' of caller …: its transaction should be a row of transactions, and is …",
    ),
    Tampering(
        "an event that is missing",
        [
            "delete from event_store where position = 3",
        ],
        {"events_audited", "positions_dense", "audit_chain"},
        "positions_dense",
        "the log: the event at position 3 should be a row of event_store, and is missing.",
    ),
    Tampering(
        "an event put far beyond the others",
        [
            "update event_store set position = 4000000000000000000 where position = 3",
        ],
        {"positions_dense", "events_audited", "audit_chain"},
        "positions_dense",
        "the log: the event at position 3 should be a row of event_store, and is missing (and 1 more).",
    ),
    Tampering(
        "the first event",
        [
            "delete from event_store where position = 1",
        ],
        {"positions_dense", "events_audited", "audit_chain"},
        "positions_dense",
        "the log: the event at position 1 should be a row of event_store, and is missing.",
    ),
    Tampering(
        "the last event",
        [
            "delete from event_store where position = (select max(position) from event_store)",
        ],
        {"events_audited", "positions_dense", "audit_chain"},
        "positions_dense",
        "the log: the position of its head should be …, of its last event, and is ….",
    ),
    Tampering(
        "the head of the log",
        [
            "update event_log_head set position = position - 1",
        ],
        {"positions_dense", "subscribers_within_log"},
        "subscribers_within_log",
        "subscriber account_days: its position should be 0 to …, the head of the log, and is … (and … more).",
    ),
    Tampering(
        "what an event says of a transaction",
        [
            "update event_store set event_data = event_data || '{\"amount_minor\": 1}' where event_type = "
            f"'TransactionCompletedEvent' and aggregate_id = {A_TRANSFER}",
        ],
        {"transactions_have_events", "audit_chain"},
        "transactions_have_events",
        "…, of which 1 and 0 are right.",
    ),
    Tampering(
        "an event of no transaction",
        [
            f"update event_store set aggregate_id = '{NOBODY}' where event_type = 'TransactionInitiatedEvent' and "
            f"aggregate_id = {A_TRANSFER}",
        ],
        {"events_audited", "transactions_have_events"},
        "transactions_have_events",
        "transaction 00000000-…: its events should be a row of transactions that they tell of, and is 1 at positions "
        "… to …, of which 0 and 0 are right (and 1 more).",
    ),
    Tampering(
        "what an event says of a balance",
        [
            'update event_store set event_data = event_data || \'{"balance_minor": "nonsense"}\' where event_type '
            f"= 'BalanceUpdatedEvent' and aggregate_id = {ANA} and event_data ->> 'version' = '2'",
        ],
        {"balance_updates_are_entries", "audit_chain"},
        "balance_updates_are_entries",
        "entry 2 of account …: its event should be -1000 to a balance of 9000 BRL by …, and is -1000 to a balance of "
        "nonsense BRL by ….",
    ),
    Tampering(
        "an event that tells of an entry again",
        [
            "insert into event_store (id, position, event_type, aggregate_id, aggregate_type, event_data, user_id, "
            "metadata, created_at) select uuidv7(), h.position + 1, event_type, aggregate_id, aggregate_type, "
            "event_data, user_id, metadata, created_at from event_store e, event_log_head h "
            "where event_type = 'BalanceUpdatedEvent' order by e.position limit 1",
            "update event_log_head set position = position + 1",
        ],
        {"balance_updates_are_entries"},
        "balance_updates_are_entries",
        "the event at position …: its entry should be told of once, and is told of 2 times.",
    ),
    Tampering(
        "who an event says has asked for it",
        [
            "update event_store set metadata = '{}' where position = 4",
        ],
        {"audit_chain"},
        "audit_chain",
        "audit row 4 (event 4) is not as it was written: it or its event has been changed, …",
    ),
    Tampering(
        "an audit row",
        [
            "update audit_logs set action = 'NOTHING' where number = 5",
        ],
        {"audit_chain"},
        "audit_chain",
        "audit row 5 (event 5) is not as it was written: …",
    ),
    Tampering(
        "an audit row that is missing",
        [
            "delete from audit_logs where number = 6",
        ],
        {"audit_chain", "events_audited"},
        "events_audited",
        "the …Event at position 6: its audit row should be there, for the audit has come past it, and is missing.",
    ),
    Tampering(
        "an audit row that is about something else",
        [
            f"update audit_logs set entity_id = '{NOBODY}' where number = 6",
        ],
        {"audit_chain", "events_audited"},
        "events_audited",
        "the …Event at position 6: its audit row should be about …, and is row 6, about ….",
    ),
    Tampering(
        "an audit row of no event",
        [
            "update audit_logs set event_position = 10000 where number = (select max(number) from audit_logs)",
        ],
        {"audit_chain", "events_audited"},
        "events_audited",
        "… (and 1 more).",
    ),
    Tampering(
        "a trigger that is disabled",
        [
            "alter table entries disable trigger entries_are_append_only",
        ],
        {"schema_as_migrated"},
        "schema_as_migrated",
        "trigger entries_are_append_only of entries: its definition should be enabled, …, and is disabled, ….",
    ),
    Tampering(
        "a trigger that is gone",
        [
            "drop trigger balances_change_by_entries on accounts",
        ],
        {"schema_as_migrated"},
        "schema_as_migrated",
        "trigger balances_change_by_entries of accounts: it should be there, …, and is missing.",
    ),
    Tampering(
        "a constraint that is gone",
        [
            "alter table idempotency_keys drop constraint idempotency_keys_pkey",
        ],
        {"schema_as_migrated"},
        "schema_as_migrated",
        "constraint idempotency_keys_pkey of idempotency_keys: it should be there, …, and is missing….",
    ),
    Tampering(
        "a right that the bank should not have",
        [
            "grant delete on entries to bank_app",
        ],
        {"schema_as_migrated"},
        "schema_as_migrated",
        "rights of bank_app to table entries: its definition should be insert, select, and is delete, insert, select.",
    ),
    Tampering(
        "a right to change one column",
        [
            "grant update (amount_minor) on entries to bank_app",
        ],
        {"schema_as_migrated"},
        "schema_as_migrated",
        "rights of bank_app to column amount_minor of entries: it should be none of the bank's, and is update.",
    ),
    Tampering(
        "when a transaction was",
        [
            f"update transactions set created_at = created_at - interval '1 second' where id = {A_TRANSFER}",
        ],
        {"transactions_have_events"},
        "transactions_have_events",
        "transaction …, of which 0 and 0 are right.",
    ),
    Tampering(
        "whose an account is",
        [
            f"update accounts set user_id = (select id from users where role = 'OPERATOR') where id = {ANA}",
        ],
        {"accounts_as_told"},
        "accounts_as_told",
        "account …: its owner should be …, and is ….",
    ),
    Tampering(
        "an account that is frozen without anybody's doing",
        [
            f"update accounts set status = 'FROZEN' where id = {ANA}",
        ],
        {"accounts_as_told"},
        "accounts_as_told",
        "account …: its state should be ACTIVE, and is FROZEN.",
    ),
    Tampering(
        "what was spent today",
        [
            f"update accounts set spent_minor = 0 where id = {ANA}",
        ],
        {"accounts_as_told"},
        "accounts_as_told",
        "account …: what is spent on that day should be …, and is 0.",
    ),
    Tampering(
        "an administrator put in",
        [
            "insert into users (id, email, full_name, password_hash, role, created_at, updated_at)"
            " values (uuidv7(), 'eve@example.com', 'Eve', '-', 'ADMIN', now(), now())",
        ],
        {"users_as_told"},
        "users_as_told",
        "user …: it should be told of when it was registered, and is of no event.",
    ),
    Tampering(
        "a role",
        [
            "update users set role = 'ADMIN' where role = 'OPERATOR'",
        ],
        {"users_as_told"},
        "users_as_told",
        "user …: its role should be OPERATOR, and is ADMIN.",
    ),
    Tampering(
        "a hold's amount together with what is held",
        [
            "update holds set amount_minor = amount_minor + 100 where status = 'AUTHORIZED'",
            f"update accounts set held_minor = held_minor + 100 where id = {ANA}",
        ],
        {"holds_as_told"},
        "holds_as_told",
        "hold …: its amount should be 500, and is 600.",
    ),
    Tampering(
        "a hold's expiry",
        [
            "update holds set expires_at = expires_at + interval '1 year' where status = 'AUTHORIZED'",
        ],
        {"holds_as_told"},
        "holds_as_told",
        "hold …: its expiry should be …, and is ….",
    ),
    Tampering(
        "a day of an account",
        [
            f"update account_days set debits = debits + 1 where {ANAS}",
        ],
        {"days_as_told"},
        "days_as_told",
        "day …-…-… of account …: its debits should be …, and is ….",
    ),
    Tampering(
        "a projection set back",
        [
            "update subscriber_positions set position = position / 2 where subscriber = 'account_days'",
        ],
        {"days_as_told"},
        "days_as_told",
        "day …, and is ….",
    ),
    Tampering(
        "the audit set back",
        [
            "update subscriber_positions set position = position - 1 where subscriber = 'audit'",
        ],
        {"deliveries_leave_their_trace"},
        "deliveries_leave_their_trace",
        "subscriber audit: its position should be … or more, for that event has its audit row, and is ….",
    ),
    Tampering(
        "an address",
        [
            "update users set email = 'eve@example.com' where role = 'OPERATOR'",
        ],
        {"users_as_told"},
        "users_as_told",
        "user …: the digest of address, name, CPF and password should be …, and is ….",
    ),
    Tampering(
        "a password together with its salt",
        [
            "update users set password_hash = '$argon2id$…', salt = uuid_send(uuidv7()) where role = 'OPERATOR'",
        ],
        {"users_as_told"},
        "users_as_told",
        "user …: the digest of address, name, CPF and password should be …, and is ….",
    ),
    Tampering(
        "the end of a session taken back",
        [
            "update sessions set closed_at = null where closed_at is not null",
        ],
        {"sessions_as_told"},
        "sessions_as_told",
        "session …: its end should be 20…, and is none (and … more).",
    ),
    Tampering(
        "a refresh token put in",
        [
            "insert into refresh_tokens select sha256('eve'), session_id, issued_at, expires_at from refresh_tokens"
            " limit 1",
        ],
        {"sessions_as_told"},
        "sessions_as_told",
        "refresh token …: it should be told of when it was issued, and is of no event.",
    ),
    Tampering(
        "a description",
        [
            "update transactions set description = 'For services rendered.' where kind = 'REVERSAL'",
        ],
        {"transactions_have_events"},
        "transactions_have_events",
        "transaction …, of which 0 and 0 are right (and … more).",
    ),
    Tampering(
        "a key's stored outcome",
        [
            "update idempotency_keys set outcome = json_build_object('refusal', json_build_object('code', 'X', "
            f"'message', 'No.')) where transaction_id = {A_TRANSFER}",
        ],
        {"keys_as_told"},
        "keys_as_told",
        "key 'key-0' of caller …: what was stored with it should be as an event vouches for, and is as none does …",
    ),
    Tampering(
        "a key that points at another transaction",
        [
            "update idempotency_keys set transaction_id = (select id from transactions where kind = 'DEPOSIT')"
            f" where transaction_id = {A_TRANSFER}",
        ],
        {"keys_as_told"},
        "keys_as_told",
        "key 'key-0' of caller …: what was stored with it should be as an event vouches for, and is as none does …",
    ),
    Tampering(
        "a key taken out, so that a retry pays again",
        [
            f"delete from idempotency_keys where transaction_id = {A_TRANSFER}",
        ],
        {"keys_as_told"},
        "keys_as_told",
        "the event at position …: the key that it vouches for should be a row of idempotency_keys, and is missing …",
    ),
]
