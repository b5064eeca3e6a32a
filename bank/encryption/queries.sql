-- name: find_key(person_id, day)^
select number, wrapped from encryption_keys where person_id = :person_id::uuid or day = :day::date;

-- name: insert_key(person_id, day, wrapped, now)!
insert into encryption_keys (person_id, day, wrapped, created_at)
values (:person_id::uuid, :day::date, :wrapped, :now) on conflict do nothing;

-- name: newest_key()^
select number, person_id, day, wrapped from encryption_keys where wrapped is not null order by number desc limit 1;

-- name: keys_with_numbers(numbers)
select number, person_id, day, wrapped from encryption_keys where number = any(:numbers::bigint[]);
