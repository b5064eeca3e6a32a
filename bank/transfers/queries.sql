-- name: transaction_accounts(id)^
select debit_account_id, credit_account_id from transactions where id = :id;
