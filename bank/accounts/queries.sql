-- name: lock_owner(user_id)$
-- The lock serializes two requests by one person, so that the limit of accounts holds.
select version from users where id = :user_id and erased_at is null for no key update;

-- name: count_accounts(user_id)$
select count(*) from accounts where user_id = :user_id;

-- name: next_number()$
select nextval('account_number_sequence');

-- name: insert_account(id, user_id, number, currency, now)$
-- The new version of the owner invalidates the cached list of accounts.
with opened as (
    insert into accounts (id, user_id, kind, number, currency, status, created_at, updated_at)
    values (:id, :user_id, 'CUSTOMER', :number, :currency, 'ACTIVE', :now, :now)
)
update users set version = version + 1 where id = :user_id returning version;

-- name: account_by_id(id)^
select id, user_id, kind, number, currency, status, balance_minor, version, created_at,
    held_minor, revision, spent_minor, spent_on, transfer_limit_minor, daily_limit_minor, updated_at
from accounts where id = :id;

-- name: accounts_of_user(user_id)
select id, user_id, kind, number, currency, status, balance_minor, version, created_at,
    held_minor, revision, spent_minor, spent_on, transfer_limit_minor, daily_limit_minor, updated_at
from accounts where user_id = :user_id order by id;

-- name: account_by_number(number)^
select id, user_id from accounts where number = :number and kind = 'CUSTOMER';

-- name: add_to_days(account_ids, versions, changes, balances, currencies, moments, zone)!
-- Only versions that a day does not include yet are added, so that a repeated delivery changes nothing. The closing
-- balance of the day is the one of the highest version, in whatever order the versions arrive.
with updates as (
    select distinct on (account_id, version) account_id, (moment at time zone :zone)::date as day, version, change_minor,
        balance_minor, currency
    from unnest(:account_ids::uuid[], :versions::bigint[], :changes::bigint[], :balances::bigint[], :currencies::text[],
        :moments::timestamptz[]) as t (account_id, version, change_minor, balance_minor, currency, moment)
), new_updates as (
    -- The planner uses the index for a scalar subquery; for a join it might scan all days.
    select * from updates u where (
        select d.applied @> u.version from account_days d where d.account_id = u.account_id and d.day = u.day
    ) is not true
)
insert into account_days as d
    (account_id, day, currency, debits, debited_minor, credits, credited_minor, closing_balance_minor, applied)
select account_id, day, min(currency),
    count(*) filter (where change_minor < 0), coalesce(-sum(change_minor) filter (where change_minor < 0), 0),
    count(*) filter (where change_minor > 0), coalesce(sum(change_minor) filter (where change_minor > 0), 0),
    (array_agg(balance_minor order by version desc))[1], range_agg(int8range(version, version + 1))
from new_updates group by account_id, day
-- In one order, so that two concurrent statements wait for each other and do not deadlock.
order by account_id, day
on conflict (account_id, day) do update set
    debits = d.debits + excluded.debits, debited_minor = d.debited_minor + excluded.debited_minor,
    credits = d.credits + excluded.credits, credited_minor = d.credited_minor + excluded.credited_minor,
    closing_balance_minor = case when upper(excluded.applied) > upper(d.applied)
        then excluded.closing_balance_minor else d.closing_balance_minor end,
    applied = d.applied + excluded.applied;

-- name: delete_days()!
delete from account_days;

-- name: lock_account(id)^
select id, user_id, kind, number, currency, status, balance_minor, version, created_at,
    held_minor, revision, spent_minor, spent_on, transfer_limit_minor, daily_limit_minor, updated_at
from accounts where id = :id and kind = 'CUSTOMER' for no key update;

-- name: frozen_by_role(id)$
select frozen_by_role from accounts where id = :id;

-- name: change_account(id, status, frozen_by_role, transfer_limit_minor, daily_limit_minor, now)^
update accounts set status = :status, frozen_by_role = :frozen_by_role,
    transfer_limit_minor = :transfer_limit_minor, daily_limit_minor = :daily_limit_minor,
    revision = revision + 1, updated_at = greatest(updated_at, :now)
where id = :id
returning id, user_id, kind, number, currency, status, balance_minor, version, created_at,
    held_minor, revision, spent_minor, spent_on, transfer_limit_minor, daily_limit_minor, updated_at;

-- name: revisions(ids)
select id, revision from accounts where id = any(:ids::uuid[]);

-- name: owner_versions(ids)
select id, version from users where id = any(:ids::uuid[]);

-- name: days_of_account(account_id, first, last)
select day, currency, debits, debited_minor, credits, credited_minor, closing_balance_minor from account_days
where account_id = :account_id and day between :first and :last order by day;

-- name: history_page(account_id, after, before, max_rows)
-- A range scan of the primary key of entries, newest first. The numbers of the two accounts never change.
select e.version, e.amount_minor as change_minor, e.balance_after_minor, t.id, t.kind, t.amount_minor, t.currency,
       t.description, t.created_at, t.related_id, t.hold_id,
       d.kind as debit_kind, d.number as debit_number, c.kind as credit_kind, c.number as credit_number
from entries e
join transactions t on t.id = e.transaction_id
join accounts d on d.id = t.debit_account_id
join accounts c on c.id = t.credit_account_id
where e.account_id = :account_id and e.version > :after and e.version < :before
order by e.version desc limit :max_rows;

-- name: balance_before(account_id, moment)
-- The balance of an account before a moment, and its number of entries then, from the entries alone. Versions have no
-- gaps and are in the order of their times, so that a binary search along the primary key finds the last entry before
-- the moment: 20 reads among a million entries.
with recursive bisection (low, high) as (
    select 0::bigint, coalesce(max(version), 0) from entries where account_id = :account_id
    union all
    select case when e.created_at < :moment then e.version else low end,
           case when e.created_at < :moment then high else e.version - 1 end
    from bisection join entries e on e.account_id = :account_id and e.version = (low + high + 1) / 2
    where low < high
)
select low as version, coalesce(
    (select balance_after_minor from entries where account_id = :account_id and version = low), 0
) as balance_minor
from bisection where low = high;
