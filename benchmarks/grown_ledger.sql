-- Fill a ledger with the rows that the bank would write for :transactions transactions, by statements on whole sets, in a
-- minute. One deposit for each of :accounts accounts comes first, then transfers between accounts at a fixed distance.
-- Triggers are off, because they expect one batch at a time. `bank check` verifies the result.
set session_replication_role = replica
;;
create temporary table owner as select uuidv7() as id, timestamptz '2026-01-01 12:00Z' as since

;;
insert into users (id, email, email_digest, full_name, password_hash, role, version, created_at, updated_at)
select id, 'enc1.0.-', sha256('grown@example.com'), 'enc1.0.-', '-', 'ADMIN', 1 + :accounts, since, since from owner
;;
create temporary table grown_accounts as
select n, uuidv7() as id from generate_series(0, :accounts - 1) as n
;;
create temporary table grown as
select s.n, uuidv7() as id, 'DEPOSIT' as kind, 1000000000 as amount_minor,
    '00000000-0000-7000-8000-000000000986'::uuid as debit_id, c.id as credit_id
from generate_series(1, :accounts) as s (n) join grown_accounts c on c.n = s.n - 1
union all
select s.n, uuidv7(), 'TRANSFER', 1 + s.n % 997, d.id, c.id
from generate_series(:accounts + 1, :transactions) as s (n)
join grown_accounts d on d.n = s.n % :accounts
-- Source and target are different accounts, because the distance is less than the number of accounts.
join grown_accounts c on c.n = (s.n + 1 + (s.n / :accounts) % (:accounts - 1)) % :accounts
;;
create temporary table grown_entries as
select n, nth, id as transaction_id, account_id, change_minor,
    row_number() over line as version, (sum(change_minor) over line)::bigint as balance_minor,
    timestamptz '2026-01-01 12:00Z' + n * interval '10 milliseconds' as created_at
from grown cross join lateral (values (2, debit_id, -amount_minor), (3, credit_id, amount_minor)) as s
    (nth, account_id, change_minor)
window line as (partition by account_id order by n rows unbounded preceding)
;;
insert into accounts (id, user_id, kind, number, currency, status, balance_minor, version, revision, created_at, updated_at,
    spent_minor, spent_on)
select a.id, o.id, 'CUSTOMER', 'GROWN-' || a.n, 'BRL', 'ACTIVE', e.balance_minor, e.version, e.version, o.since,
    e.created_at, coalesce(s.spent_minor, 0), coalesce(s.day, '-infinity')
from grown_accounts a cross join owner o
join (select distinct on (account_id) * from grown_entries order by account_id, version desc) e on e.account_id = a.id
-- At this rate, a day has about eight million transactions.
left join (
    select g.debit_id, sum(g.amount_minor) as spent_minor, max((e.created_at at time zone 'America/Sao_Paulo')::date) as day
    from grown g join grown_entries e on e.n = g.n and e.nth = 2 where g.kind = 'TRANSFER' group by g.debit_id
) s on s.debit_id = a.id
;;
update accounts a set balance_minor = e.balance_minor, version = e.version, revision = e.version, updated_at = e.created_at
from (select distinct on (account_id) * from grown_entries order by account_id, version desc) e
where a.kind = 'CASH' and e.account_id = a.id
;;
insert into transactions (id, kind, amount_minor, currency, debit_account_id, credit_account_id, debit_version,
    credit_version, initiated_by, created_at)
select g.id, g.kind, g.amount_minor, 'BRL', g.debit_id, g.credit_id, d.version, c.version, o.id, d.created_at
from grown g cross join owner o
join grown_entries d on d.n = g.n and d.nth = 2 join grown_entries c on c.n = g.n and c.nth = 3
order by g.n
;;
insert into entries (account_id, version, transaction_id, amount_minor, currency, balance_after_minor, created_at)
select account_id, version, transaction_id, change_minor, 'BRL', balance_minor, created_at from grown_entries
order by n, nth
;;
create temporary table grown_keys as
select g.n, o.id as caller_id, 'grown-' || g.n as key, lower(g.kind) as operation, sha256(g.n::text::bytea) as request_digest,
    json_build_object('version', 2, 'receipt', json_build_object('transaction_id', g.id, 'kind', g.kind, 'amount_minor', g.amount_minor,
        'currency', 'BRL', 'debit_number', '0001/00000001-9', 'credit_number', '0001/00000002-7', 'description', null,
        'created_at', e.created_at, 'debit_balance_after_minor', e.balance_minor, 'credit_balance_after_minor', 0)) as outcome,
    g.id as transaction_id, uuid_send(gen_random_uuid()) as salt, e.created_at
from grown g cross join owner o join grown_entries e on e.n = g.n and e.nth = 2
;;
insert into idempotency_keys
    (caller_id, key, operation, request_digest, outcome, transaction_id, salt, created_at)
select caller_id, key, operation, request_digest, outcome, transaction_id, salt, created_at from grown_keys order by n
;;
insert into event_store (id, position, event_type, aggregate_id, aggregate_type, event_data, event_version, user_id,
    metadata, created_at)
select uuidv7(), 1, 'UserRegisteredEvent', id, 'User', jsonb_build_object('id', id, 'role', 'ADMIN'), 1, id,
    '{"correlation_id": "grown"}'::jsonb, since
from owner
union all
select uuidv7(), 2 + n, 'AccountCreatedEvent', a.id, 'Account', jsonb_build_object('account_id', a.id, 'owner_id', o.id,
    'number', 'GROWN-' || n, 'currency', 'BRL'), 1, o.id, '{"correlation_id": "grown"}', o.since
from grown_accounts a cross join owner o
;;
create index on grown_keys (n)
;;
analyze grown_keys
;;
insert into event_store (id, position, event_type, aggregate_id, aggregate_type, event_data, event_version, user_id,
    metadata, created_at)
select uuidv7(), 1 + :accounts + 4 * (n - 1) + nth, event_type, aggregate_id, aggregate_type, event_data, event_version, owner.id,
    case when nth = 1 then jsonb_build_object('correlation_id', 'grown', 'key_digest', (
        select encode(sha256(k.salt || uuid_send(k.caller_id) || uuid_send(k.transaction_id)
            || convert_to(k.operation, 'UTF8') || '\x00' || convert_to(k.key, 'UTF8') || '\x00'
            || convert_to(k.outcome::text, 'UTF8') || '\x00' || k.request_digest), 'hex')
        from grown_keys k where k.n = told.n
    )) else '{"correlation_id": "grown"}' end, timestamptz '2026-01-01 12:00Z' + n * interval '10 milliseconds'
from (
    select n, nth, event_type, id as aggregate_id, 'Transaction' as aggregate_type, 2 as event_version,
        jsonb_build_object(
            'transaction_id', g.id, 'kind', kind, 'amount_minor', amount_minor, 'currency', 'BRL',
            'debit_account_id', debit_id, 'credit_account_id', credit_id, 'initiated_by', (select o.id from owner o),
            'related_transaction_id', null, 'hold_id', null, 'description_digest', null
        ) as event_data
    from grown g
    cross join (values (1, 'TransactionInitiatedEvent'), (4, 'TransactionCompletedEvent')) as told (nth, event_type)
    union all
    select n, nth, 'BalanceUpdatedEvent', account_id, 'Account', 1, jsonb_build_object(
        'account_id', account_id, 'transaction_id', transaction_id, 'version', version, 'change_minor', change_minor,
        'balance_minor', balance_minor, 'currency', 'BRL', 'initiated_by', (select o.id from owner o)
    )
    from grown_entries
) as told cross join owner order by n, nth
;;
update event_log_head set position = 1 + :accounts + 4 * :transactions
;;
insert into account_days
select e.account_id, (e.created_at at time zone 'America/Sao_Paulo')::date, 'BRL',
    count(*) filter (where change_minor < 0), coalesce(-sum(change_minor) filter (where change_minor < 0), 0),
    count(*) filter (where change_minor > 0), coalesce(sum(change_minor) filter (where change_minor > 0), 0),
    (array_agg(balance_minor order by version desc))[1], int8multirange(int8range(min(version), max(version) + 1))
from grown_entries e group by 1, 2
;;
insert into subscriber_positions (subscriber, position)
select subscriber, 1 + :accounts + 4 * :transactions from unnest(array['audit', 'account_days']) as subscriber
on conflict (subscriber) do update set position = excluded.position
;;
insert into audit_logs (number, event_position, id, user_id, entity_type, entity_id, action, old_values, new_values,
    ip_address, user_agent, created_at, hash)
select position, position, id, user_id, aggregate_type, aggregate_id, 'CREATE', null, event_data, '127.0.0.1', 'grown/1',
    created_at, audit_chain(
        decode(repeat('00', 32), 'hex'),
        json_build_array(position, id, user_id, aggregate_type, aggregate_id, 'CREATE', null::jsonb, event_data,
            '127.0.0.1'::text, 'grown/1'::text, created_at at time zone 'UTC',
            id, event_type, event_version, event_data, metadata)::text
    ) over (order by position rows unbounded preceding)
from event_store
;;
set session_replication_role = origin
;;
analyze
