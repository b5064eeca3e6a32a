-- name: hold_accounts(id)^
select account_id, to_account_id from holds where id = :id;

-- name: expired_holds(now, max_rows)
select id, account_id, to_account_id from holds
where status = 'AUTHORIZED' and expires_at <= :now order by expires_at limit :max_rows;

-- name: holds_of(account_id, before, max_rows)
-- Newest first: ids are in the order of time. The query uses the index on account and id.
select h.id, h.status, h.amount_minor, h.captured_minor, h.currency, h.description, h.expires_at, h.created_at,
       d.number as debit_number, c.number as credit_number
from holds h join accounts d on d.id = h.account_id join accounts c on c.id = h.to_account_id
where h.account_id = :account_id and h.id < :before order by h.id desc limit :max_rows;
