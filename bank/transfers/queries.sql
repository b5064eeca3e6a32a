-- name: transaction_accounts(id)^
select t.debit_account_id, t.credit_account_id, coalesce(credit.user_id, debit.user_id) as customer_id
from transactions t
join accounts debit on debit.id = t.debit_account_id
join accounts credit on credit.id = t.credit_account_id
where t.id = :id;
