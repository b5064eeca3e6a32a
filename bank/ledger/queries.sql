-- name: lock_accounts(ids)
-- In id order, so that two transactions that lock the same accounts wait for each other and do not deadlock.
select id, user_id, kind, number, currency, status, balance_minor, version, created_at,
    held_minor, revision, spent_minor, spent_on, transfer_limit_minor, daily_limit_minor, updated_at
from accounts where id = any(:ids::uuid[]) order by id for no key update;

-- name: find_originals(ids)
-- Only a batch writes transactions, and batches run one at a time, so that these rows cannot change before its commit.
select o.id, o.kind, o.debit_account_id, o.credit_account_id, o.amount_minor, o.currency, (
    select coalesce(sum(r.amount_minor), 0)::bigint from transactions r where r.related_id = o.id and r.kind = 'REVERSAL'
) from transactions o where o.id = any(:ids::uuid[]);

-- name: find_holds(ids)
select id, account_id, to_account_id, amount_minor, currency, description, status, captured_minor, transaction_id,
    initiated_by, expires_at, created_at, ended_at, salt
from holds where id = any(:ids::uuid[]);

-- name: write_holds(ids, account_ids, to_account_ids, amounts, currencies, descriptions, statuses, captureds, transaction_ids, initiators, expiries, creations, ends, salts)!
insert into holds (id, account_id, to_account_id, amount_minor, currency, description, status, captured_minor,
    transaction_id, initiated_by, expires_at, created_at, ended_at, salt)
select * from unnest(:ids::uuid[], :account_ids::uuid[], :to_account_ids::uuid[], :amounts::bigint[],
    :currencies::text[], :descriptions::text[], :statuses::text[], :captureds::bigint[], :transaction_ids::uuid[],
    :initiators::uuid[], :expiries::timestamptz[], :creations::timestamptz[], :ends::timestamptz[],
    :salts::bytea[])
on conflict (id) do update set status = excluded.status, captured_minor = excluded.captured_minor,
    transaction_id = excluded.transaction_id, ended_at = excluded.ended_at;

-- name: write_batch(now, transaction_ids, kinds, amounts, currencies, debit_ids, debit_versions, debit_balances, credit_ids, credit_versions, credit_balances, descriptions, initiators, related_ids, hold_ids, metadata, salts, description_digests, key_digests, event_ids, account_ids, balances, versions, helds, revisions, spents, spent_days, callers, keys, operations, digests, outcomes, key_transactions, key_salts)$
-- All decisions of a batch in one statement: one round trip and one plan, and the head of the log is locked last.
-- The input has one row for each posting. Its two entries and four events are made here, which halves the work in Python
-- (measured). The ids of events are parameters, because uuidv7() reads randomness for each id: 3 µs an event (measured).
with posted as (
    select * from unnest(:transaction_ids::uuid[], :kinds::text[], :amounts::bigint[], :currencies::text[],
        :debit_ids::uuid[], :debit_versions::bigint[], :debit_balances::bigint[],
        :credit_ids::uuid[], :credit_versions::bigint[], :credit_balances::bigint[],
        :descriptions::text[], :initiators::uuid[], :related_ids::uuid[], :hold_ids::uuid[], :metadata::jsonb[],
        :salts::bytea[], :description_digests::text[], :key_digests::text[])
        with ordinality as p
        (id, kind, amount_minor, currency, debit_id, debit_version, debit_balance_minor,
         credit_id, credit_version, credit_balance_minor, description, initiated_by,
         related_id, hold_id, metadata, salt, description_digest, key_digest, place)
), sides as (
    select p.place, p.id as transaction_id, p.currency, p.initiated_by, p.metadata, side.*
    from posted p cross join lateral (values
        (2, p.debit_id, p.debit_version, -p.amount_minor, p.debit_balance_minor),
        (3, p.credit_id, p.credit_version, p.amount_minor, p.credit_balance_minor)
    ) as side (nth, account_id, version, change_minor, balance_minor)
), new_transactions as (
    insert into transactions
        (id, kind, amount_minor, currency, debit_account_id, credit_account_id, debit_version, credit_version,
         description, initiated_by, related_id, hold_id, salt, created_at)
    select id, kind, amount_minor, currency, debit_id, credit_id, debit_version, credit_version,
           description, initiated_by, related_id, hold_id, salt, :now from posted
), new_entries as (
    insert into entries
        (account_id, version, transaction_id, amount_minor, currency, balance_after_minor, created_at)
    select account_id, version, transaction_id, change_minor, currency, balance_minor, :now from sides
), new_balances as (
    update accounts a set balance_minor = b.balance_minor, version = b.version, held_minor = b.held_minor,
        revision = b.revision, spent_minor = b.spent_minor, spent_on = b.spent_on, updated_at = :now
    from unnest(:account_ids::uuid[], :balances::bigint[], :versions::bigint[], :helds::bigint[], :revisions::bigint[],
        :spents::bigint[], :spent_days::date[])
        as b (id, balance_minor, version, held_minor, revision, spent_minor, spent_on)
    where a.id = b.id
), new_keys as (
    insert into idempotency_keys
        (caller_id, key, operation, request_digest, outcome, transaction_id, salt, created_at)
    select k.*, :now from unnest(:callers::uuid[], :keys::text[], :operations::text[], :digests::bytea[],
        :outcomes::json[], :key_transactions::uuid[], :key_salts::bytea[]) as k
), transaction_data as materialized (
    -- The data of two events, built once.
    select p.place, p.id, p.initiated_by, p.metadata, p.key_digest, jsonb_build_object(
        'transaction_id', p.id, 'kind', p.kind, 'amount_minor', p.amount_minor, 'currency', p.currency,
        'debit_account_id', p.debit_id, 'credit_account_id', p.credit_id, 'initiated_by', p.initiated_by,
        'related_transaction_id', p.related_id, 'hold_id', p.hold_id, 'description_digest', p.description_digest
    ) as event_data from posted p
), events as (
    select t.place, e.nth, e.event_type, t.id as aggregate_id, 'Transaction' as aggregate_type,
           t.event_data, 2 as event_version, t.initiated_by,
           case when e.nth = 1 and t.key_digest is not null then
               t.metadata || jsonb_build_object('key_digest', t.key_digest) else t.metadata end as metadata
    from transaction_data t
    cross join (values (1, 'TransactionInitiatedEvent'), (4, 'TransactionCompletedEvent')) as e (nth, event_type)
    union all
    select place, nth, 'BalanceUpdatedEvent', account_id, 'Account',
           jsonb_build_object(
               'account_id', account_id, 'transaction_id', transaction_id, 'version', version,
               'change_minor', change_minor, 'balance_minor', balance_minor, 'currency', currency,
               'initiated_by', initiated_by
           ), 1, initiated_by, metadata
    from sides
), head as (
    update event_log_head set position = position + 4 * (select count(*) from posted) returning position
), new_events as (
    insert into event_store
        (id, position, event_type, aggregate_id, aggregate_type, event_data, event_version, user_id, metadata, created_at)
    select (:event_ids::uuid[])[4 * (place - 1) + nth], head.position - 4 * ((select count(*) from posted) - place) - 4 + nth, event_type, aggregate_id,
           aggregate_type, event_data, event_version, initiated_by, metadata, :now
    from events, head
)
select position from head;

-- name: lock_approvals(ids)
-- In id order, so that two transactions that lock the same approvals wait for each other and do not deadlock.
select id, kind, account_id, subject_id, original_id, amount_minor, currency, description, transfer_limit_minor,
    daily_limit_minor, old_transfer_limit_minor, old_daily_limit_minor, role, old_role, requested_by, requested_at,
    expires_at, status, decided_by, decided_at, reason, transaction_id, refusal_code, refusal_message
from approvals where id = any(:ids::uuid[]) order by id for no key update;

-- name: lock_roles(ids)
-- No other transaction changes a role before the commit, so that nobody decides in a role that they have lost.
select id, role from users where id = any(:ids::uuid[]) and erased_at is null order by id for no key update;

-- name: pending_change(kind, account_id, subject_id)^
-- Not locked: an approval locks the request first and the account or the user after it.
select id, kind, account_id, subject_id, original_id, amount_minor, currency, description, transfer_limit_minor,
    daily_limit_minor, old_transfer_limit_minor, old_daily_limit_minor, role, old_role, requested_by, requested_at,
    expires_at, status, decided_by, decided_at, reason, transaction_id, refusal_code, refusal_message
from approvals
where status = 'PENDING' and kind = :kind and (account_id = :account_id or subject_id = :subject_id);

-- name: lock_pending(id)^
select id from approvals where id = :id and status = 'PENDING' for no key update;

-- name: write_approvals(id, kind, account_id, subject_id, original_id, amount_minor, currency, description, transfer_limit_minor, daily_limit_minor, old_transfer_limit_minor, old_daily_limit_minor, role, old_role, requested_by, requested_at, expires_at, status, decided_by, decided_at, reason, transaction_id, refusal_code, refusal_message)!
insert into approvals (id, kind, account_id, subject_id, original_id, amount_minor, currency, description,
    transfer_limit_minor, daily_limit_minor, old_transfer_limit_minor, old_daily_limit_minor, role, old_role,
    requested_by, requested_at, expires_at, status, decided_by, decided_at, reason, transaction_id, refusal_code,
    refusal_message)
select * from unnest(:id::uuid[], :kind::text[], :account_id::uuid[], :subject_id::uuid[], :original_id::uuid[],
    :amount_minor::bigint[], :currency::text[], :description::text[], :transfer_limit_minor::bigint[],
    :daily_limit_minor::bigint[], :old_transfer_limit_minor::bigint[], :old_daily_limit_minor::bigint[], :role::text[],
    :old_role::text[], :requested_by::uuid[], :requested_at::timestamptz[], :expires_at::timestamptz[], :status::text[],
    :decided_by::uuid[], :decided_at::timestamptz[], :reason::text[], :transaction_id::uuid[], :refusal_code::text[],
    :refusal_message::text[])
on conflict (id) do update set status = excluded.status, decided_by = excluded.decided_by,
    decided_at = excluded.decided_at, reason = excluded.reason, transaction_id = excluded.transaction_id,
    refusal_code = excluded.refusal_code, refusal_message = excluded.refusal_message;
