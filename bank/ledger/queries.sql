-- name: find_keys(callers, keys)
-- A lateral probe for each key stays on the index; `(caller, key) in (select … unnest …)` scans the table (measured).
select wanted.place, found.operation, found.request_digest, found.outcome
from unnest(:callers::uuid[], :keys::text[]) with ordinality as wanted (caller_id, key, place)
cross join lateral (
    select operation, request_digest, outcome from idempotency_keys k
    where k.caller_id = wanted.caller_id and k.key = wanted.key limit 1
) found;

-- name: lock_accounts(ids)
-- In id order, so that two that lock the same accounts wait for each other instead of dying together.
select id, user_id, kind, number, currency, status, balance_minor, version, created_at
from accounts where id = any(:ids::uuid[]) order by id for no key update;

-- name: write_batch(now, transaction_ids, kinds, amounts, currencies, debit_ids, credit_ids, descriptions, initiators, entry_accounts, entry_versions, entry_transactions, entry_amounts, entry_currencies, entry_balances, account_ids, balances, versions, callers, keys, operations, digests, outcomes, key_transactions, event_count, event_ids, event_types, aggregate_ids, aggregate_types, event_data, event_versions, user_ids, metadata)^
-- Everything that a batch decided, in one statement: one round trip, one plan, and the head of the log locked last.
with new_transactions as (
    insert into transactions
        (id, kind, amount_minor, currency, debit_account_id, credit_account_id, description, initiated_by, created_at)
    select t.*, :now from unnest(:transaction_ids::uuid[], :kinds::text[], :amounts::bigint[], :currencies::text[],
        :debit_ids::uuid[], :credit_ids::uuid[], :descriptions::text[], :initiators::uuid[]) as t
), new_entries as (
    insert into entries
        (account_id, version, transaction_id, amount_minor, currency, balance_after_minor, created_at)
    select e.*, :now from unnest(:entry_accounts::uuid[], :entry_versions::bigint[], :entry_transactions::uuid[],
        :entry_amounts::bigint[], :entry_currencies::text[], :entry_balances::bigint[]) as e
), new_balances as (
    update accounts a set balance_minor = b.balance_minor, version = b.version
    from unnest(:account_ids::uuid[], :balances::bigint[], :versions::bigint[]) as b (id, balance_minor, version)
    where a.id = b.id
), new_keys as (
    insert into idempotency_keys
        (caller_id, key, operation, request_digest, outcome, transaction_id, created_at)
    select k.*, :now from unnest(:callers::uuid[], :keys::text[], :operations::text[], :digests::bytea[],
        :outcomes::jsonb[], :key_transactions::uuid[]) as k
), head as (
    update event_log_head set position = position + :event_count returning position
), new_events as (
    insert into event_store
        (id, position, event_type, aggregate_id, aggregate_type, event_data, event_version, user_id, metadata, created_at)
    select e.id, head.position - :event_count + e.place, e.event_type, e.aggregate_id, e.aggregate_type, e.event_data,
           e.event_version, e.user_id, e.metadata, :now
    from head, unnest(:event_ids::uuid[], :event_types::text[], :aggregate_ids::uuid[], :aggregate_types::text[],
        :event_data::jsonb[], :event_versions::integer[], :user_ids::uuid[], :metadata::jsonb[])
        with ordinality as e (id, event_type, aggregate_id, aggregate_type, event_data, event_version, user_id, metadata, place)
)
select position from head;
