-- name: session_began(id, user_id)$
select created_at from sessions where id = :id and user_id = :user_id;

-- name: user_with_id(id)$
select id from users where id = :id;

-- name: user_with_email(email)$
select id from users where email = :email;
