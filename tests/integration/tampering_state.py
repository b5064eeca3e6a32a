"""Changes by a superuser of the schema, and of state that no sum of money depends on."""

from tests.integration.tampering import A_TRANSFER, ANA, ANAS, Tampering

STATE_TAMPERINGS = [
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
        {"accounts_match_events"},
        "accounts_match_events",
        "account …: its owner should be …, and is ….",
    ),
    Tampering(
        "an account that is frozen without anybody's doing",
        [
            f"update accounts set status = 'FROZEN' where id = {ANA}",
        ],
        {"accounts_match_events"},
        "accounts_match_events",
        "account …: its state should be ACTIVE, and is FROZEN.",
    ),
    Tampering(
        "what was spent today",
        [
            f"update accounts set spent_minor = 0 where id = {ANA}",
        ],
        {"accounts_match_events"},
        "accounts_match_events",
        "account …: the amount spent on that day should be …, and is 0.",
    ),
    Tampering(
        "a hold's amount together with what is held",
        [
            "update holds set amount_minor = amount_minor + 100 where status = 'AUTHORIZED'",
            f"update accounts set held_minor = held_minor + 100 where id = {ANA}",
        ],
        {"holds_match_events"},
        "holds_match_events",
        "hold …: its amount should be 500, and is 600.",
    ),
    Tampering(
        "the amount of a request that waits for an approval",
        [
            "update approvals set amount_minor = amount_minor + 100 where kind = 'DEPOSIT' and status = 'EXPIRED'",
        ],
        {"approvals_match_events"},
        "approvals_match_events",
        "approval …: its amount should be 6000000, and is 6000100.",
    ),
    Tampering(
        "an approval by the person who asked",
        [
            "alter table approvals drop constraint approvals_need_two_people",
            "update approvals set decided_by = requested_by where kind = 'REVERSAL'",
        ],
        {"approvals_match_events", "schema_as_migrated"},
        "approvals_match_events",
        "approval …: its decider should be …, and is … (and 1 more).",
    ),
    Tampering(
        "an approval that nobody gave",
        [
            "update approvals set status = 'APPROVED', decided_by = gen_random_uuid(), decided_at = now()"
            " where status = 'PENDING'",
        ],
        {"approvals_match_events"},
        "approvals_match_events",
        "approval …: its decider should be nobody, and is … (and 2 more).",
    ),
    Tampering(
        "the transaction of an approval",
        [
            "update approvals set transaction_id ="
            " (select id from transactions where kind = 'DEPOSIT' order by id limit 1) where kind = 'REVERSAL'",
        ],
        {"approvals_match_events"},
        "approvals_match_events",
        "approval …: its transaction should be …, and is … (and 3 more).",
    ),
    Tampering(
        "a hold's expiry",
        [
            "update holds set expires_at = expires_at + interval '1 year' where status = 'AUTHORIZED'",
        ],
        {"holds_match_events"},
        "holds_match_events",
        "hold …: its expiry should be …, and is ….",
    ),
    Tampering(
        "a day of an account",
        [
            f"update account_days set debits = debits + 1 where {ANAS}",
        ],
        {"days_match_entries"},
        "days_match_entries",
        "day …-…-… of account …: its debits should be …, and is ….",
    ),
    Tampering(
        "a projection set back",
        [
            "update subscriber_positions set position = position / 2 where subscriber = 'account_days'",
        ],
        {"days_match_entries"},
        "days_match_entries",
        "day …, and is ….",
    ),
    Tampering(
        "the audit set back",
        [
            "update subscriber_positions set position = position - 1 where subscriber = 'audit'",
        ],
        {"positions_match_effects"},
        "positions_match_effects",
        "subscriber audit: its position should be … or more, because that event has an audit row, and is ….",
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
        {"keys_match_events"},
        "keys_match_events",
        "key 'key-0' of caller …: its row should be one with an event, and is one without …",
    ),
    Tampering(
        "a key that points at another transaction",
        [
            "update idempotency_keys set transaction_id ="
            " (select id from transactions where kind = 'DEPOSIT' order by id limit 1)"
            f" where transaction_id = {A_TRANSFER}",
        ],
        {"keys_match_events"},
        "keys_match_events",
        "key 'key-0' of caller …: its row should be one with an event, and is one without …",
    ),
    Tampering(
        "a key taken out, so that a retry pays again",
        [
            f"delete from idempotency_keys where transaction_id = {A_TRANSFER}",
        ],
        {"keys_match_events"},
        "keys_match_events",
        "the event at position …: the key of its digest should be a row of idempotency_keys, and is missing …",
    ),
]
