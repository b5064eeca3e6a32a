-- name: history_page(account_id, after, before, most)
-- Along the primary key of entries, newest first; numbers of the two accounts never change.
select e.version, e.amount_minor as change_minor, e.balance_after_minor, t.id, t.kind, t.amount_minor, t.currency,
       t.description, t.created_at, t.related_id, t.hold_id,
       d.kind as debit_kind, d.number as debit_number, c.kind as credit_kind, c.number as credit_number
from entries e
join transactions t on t.id = e.transaction_id
join accounts d on d.id = t.debit_account_id
join accounts c on c.id = t.credit_account_id
where e.account_id = :account_id and e.version > :after and e.version < :before
order by e.version desc limit :most;

-- name: position_before(account_id, moment)
-- How many entries an account had before a moment, and its balance then, from the entries alone. Their versions are
-- gapless and their times in the same order, so that halving finds the place along the primary key: 20 looks among a million.
with recursive halving (low, high) as (
    select 0::bigint, coalesce(max(version), 0) from entries where account_id = :account_id
    union all
    select case when e.created_at < :moment then e.version else low end,
           case when e.created_at < :moment then high else e.version - 1 end
    from halving join entries e on e.account_id = :account_id and e.version = (low + high + 1) / 2
    where low < high
)
select low as version, coalesce(
    (select balance_after_minor from entries where account_id = :account_id and version = low), 0
) as balance_minor
from halving where low = high;

-- name: sides_of(id)^
select debit_account_id, credit_account_id from transactions where id = :id;

-- name: hold_sides(id)^
select account_id, to_account_id from holds where id = :id;

-- name: expired_holds(now, most)
select id, account_id, to_account_id from holds
where status = 'AUTHORIZED' and expires_at <= :now order by expires_at limit :most;

-- name: holds_of(account_id, before, most)
-- The latest first; ids are in order of time. Along the index over account and id.
select h.id, h.status, h.amount_minor, h.captured_minor, h.currency, h.description, h.expires_at, h.created_at,
       d.number as debit_number, c.number as credit_number
from holds h join accounts d on d.id = h.account_id join accounts c on c.id = h.to_account_id
where h.account_id = :account_id and h.id < :before order by h.id desc limit :most;
