-- name: lock_owner(user_id)$
-- Two openings by one person wait for each other, so that the limit holds.
select version from users where id = :user_id for no key update;

-- name: count_accounts(user_id)$
select count(*) from accounts where user_id = :user_id;

-- name: next_number()$
select nextval('account_number_sequence');

-- name: insert_account(id, user_id, number, currency, now)$
-- The owner's version tells caches of the new list.
with opened as (
    insert into accounts (id, user_id, kind, number, currency, status, created_at)
    values (:id, :user_id, 'CUSTOMER', :number, :currency, 'ACTIVE', :now)
)
update users set version = version + 1 where id = :user_id returning version;

-- name: account_by_id(id)^
select id, user_id, kind, number, currency, status, balance_minor, version, created_at from accounts where id = :id;

-- name: accounts_of_user(user_id)
select id, user_id, kind, number, currency, status, balance_minor, version, created_at
from accounts where user_id = :user_id order by id;

-- name: id_by_number(number)$
select id from accounts where number = :number and kind = 'CUSTOMER';
