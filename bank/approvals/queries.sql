-- name: approval_by_id(id)^
select id, kind, account_id, subject_id, original_id, amount_minor, currency, description, transfer_limit_minor,
    daily_limit_minor, old_transfer_limit_minor, old_daily_limit_minor, role, old_role, requested_by, requested_at,
    expires_at, status, decided_by, decided_at, reason, transaction_id, refusal_code, refusal_message
from approvals where id = :id;

-- name: pending_page(after, now, max_rows)
-- Oldest first: ids are in the order of time, and the oldest request expires first.
select id, kind, account_id, subject_id, original_id, amount_minor, currency, description, transfer_limit_minor,
    daily_limit_minor, old_transfer_limit_minor, old_daily_limit_minor, role, old_role, requested_by, requested_at,
    expires_at, status, decided_by, decided_at, reason, transaction_id, refusal_code, refusal_message
from approvals where status = 'PENDING' and id > :after and expires_at > :now order by id limit :max_rows;

-- name: owners_of(approval_id)
-- The owners of the accounts that a request is about: of a reversal, those of both sides.
select c.user_id from approvals a join accounts c on c.id = a.account_id where a.id = :approval_id
union all
select c.user_id from approvals a join transactions t on t.id = a.original_id
    join accounts c on c.id in (t.debit_account_id, t.credit_account_id) where a.id = :approval_id;

-- name: account_numbers(ids)
select id, number from accounts where id = any(:ids::uuid[]);

-- name: receipts(ids)
-- The receipts of transactions, with the balances after the fee, as their requests would have returned them.
select t.id, t.kind, t.amount_minor, t.currency, d.number as debit_number, c.number as credit_number, t.description,
    t.created_at, coalesce(fe.balance_after_minor, de.balance_after_minor) as debit_balance_after_minor,
    ce.balance_after_minor as credit_balance_after_minor, coalesce(f.amount_minor, 0) as fee_minor, t.related_id
from transactions t
join accounts d on d.id = t.debit_account_id
join accounts c on c.id = t.credit_account_id
join entries de on de.account_id = t.debit_account_id and de.version = t.debit_version
join entries ce on ce.account_id = t.credit_account_id and ce.version = t.credit_version
left join transactions f on f.related_id = t.id and f.kind = 'FEE'
left join entries fe on fe.account_id = f.debit_account_id and fe.version = f.debit_version
where t.id = any(:ids::uuid[]);

-- name: lock_expired(now, max_rows)
-- Another worker that expires some, or a decision, does not delay the others.
select id, kind, account_id, subject_id, original_id, amount_minor, currency, description, transfer_limit_minor,
    daily_limit_minor, old_transfer_limit_minor, old_daily_limit_minor, role, old_role, requested_by, requested_at,
    expires_at, status, decided_by, decided_at, reason, transaction_id, refusal_code, refusal_message
from approvals where status = 'PENDING' and expires_at <= :now
order by expires_at limit :max_rows for no key update skip locked;

-- name: lock_user_with_email(email_digest)^
select id, role, cpf is not null as has_cpf from users where email_digest = :email_digest for no key update;
