"""Changes of accounts, transactions, entries, holds and keys by a superuser."""

from tests.integration.tampering import A_TRANSFER, ANA, ANAS, NOBODY, Tampering

LEDGER_TAMPERINGS = [
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
            "delete from transactions where kind = 'DEPOSIT' and amount_minor = 10000",
        ],
        {"transactions_complete", "transactions_have_events"},
        "transactions_complete",
        "transaction …: its entries should be a row of transactions, and is -10000 BRL at …",
    ),
    Tampering(
        "a transaction that has no entries",
        [
            "insert into transactions select uuidv7(), 'DEPOSIT', 7, 'BRL', debit_account_id, credit_account_id, "
            "null, initiated_by, now(), null, null, 900, 901 from transactions"
            " where kind = 'DEPOSIT' and amount_minor = 10000",
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
        "that agree with it, and is 2 at positions … to …, of which 0 and 0 are right.",
    ),
    Tampering(
        "an entry that is another account's",
        [
            f"update transactions set credit_account_id = '{NOBODY}' where id = {A_TRANSFER}",
        ],
        {"reversals_within_originals", "transactions_complete", "transactions_have_events"},
        "reversals_within_originals",
        "reversal …: its direction should be from 00000000-… (and 1 more).",
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
        "account …: its revision should be … or more, as its version, and is … (and 2 more).",
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
        "account …: the amount held on it should be 500, the sum of its active holds, and is 0.",
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
        "hold …: its captured amount should be 499 BRL, and is 500 BRL.",
    ),
    Tampering(
        "a capture that ends no hold",
        [
            "delete from holds where status = 'CAPTURED'",
        ],
        {"captures_end_holds"},
        "captures_end_holds",
        "capture …: its hold should be a hold that this capture has ended, and is …, which does not exist.",
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
        "reversal …: its original should be a transaction, and is …, which does not exist.",
    ),
    Tampering(
        "a fee for nothing",
        [
            f"update transactions set related_id = '{NOBODY}' where id ="
            " (select id from transactions where kind = 'FEE' and amount_minor = 20 order by id limit 1)",
        ],
        {"fees_name_transactions", "transactions_have_events"},
        "fees_name_transactions",
        "fee …: its transaction should be a transaction, and is …, which does not exist.",
    ),
    Tampering(
        "a fee that the bank does not earn",
        [
            "update accounts set kind = 'CASH' where kind = 'FEES'",
        ],
        {"fees_name_transactions"},
        "fees_name_transactions",
        "fee …: its credit account should be an account of kind FEES, and is account … (and … more).",
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
]
