-- name: history_page(account_id, before, most)
-- Along the primary key of entries, newest first; numbers of the two accounts never change.
select e.version, e.amount_minor as change_minor, e.balance_after_minor, t.id, t.kind, t.amount_minor, t.currency,
       t.description, t.created_at, d.kind as debit_kind, d.number as debit_number, c.number as credit_number
from entries e
join transactions t on t.id = e.transaction_id
join accounts d on d.id = t.debit_account_id
join accounts c on c.id = t.credit_account_id
where e.account_id = :account_id and e.version < :before
order by e.version desc limit :most;
