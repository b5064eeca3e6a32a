-- name: insert_observations(positions, kinds, moments, networks, user_ids, address_digests)!
-- A repeated delivery changes nothing.
insert into security_observations (position, kind, observed_at, network_digest, user_id, address_digest)
select position, kind, observed_at, network_digest, user_id, address_digest
from unnest(:positions::bigint[], :kinds::text[], :moments::timestamptz[], :networks::bytea[], :user_ids::uuid[],
    :address_digests::text[])
    as new (position, kind, observed_at, network_digest, user_id, address_digest)
on conflict (position) do nothing;

-- name: observations_of_networks(networks, kinds, since, until, max_rows)
-- The newest ones of each network and kind. The limit bounds the cost of a flood from one network.
select o.position, o.kind, o.observed_at, o.network_digest, o.user_id, o.address_digest
from unnest(:networks::bytea[], :kinds::text[], :since::timestamptz[], :until::bigint[])
    as asked (network_digest, kind, since, until)
cross join lateral (
    select position, kind, observed_at, network_digest, user_id, address_digest from security_observations
    where network_digest = asked.network_digest and kind = asked.kind and position <= asked.until
    order by position desc limit :max_rows
) as o
where o.observed_at > asked.since order by o.position;

-- name: observations_of_users(user_ids, kinds, since, max_rows)
select o.position, o.kind, o.observed_at, o.network_digest, o.user_id, o.address_digest
from unnest(:user_ids::uuid[]) as asked (user_id) cross join unnest(:kinds::text[]) as of_kind (kind)
cross join lateral (
    select position, kind, observed_at, network_digest, user_id, address_digest from security_observations
    where user_id = asked.user_id and kind = of_kind.kind order by position desc limit :max_rows
) as o
where o.observed_at > :since order by o.position;

-- name: payments_with(transaction_ids, entries_max)
-- The payments that customers have made themselves from their accounts, with the last debit of the account before. Among
-- its last entries may be none: then the account was used at the time of the oldest of these entries, or at its opening.
select t.id, t.created_at, t.debit_account_id, t.debit_version, a.user_id as owner_id, u.created_at as customer_since,
    t.amount_minor, t.currency, e.balance_after_minor + t.amount_minor as balance_before_minor,
    coalesce(before.debited_at, case when before.oldest > 1 then before.oldest_at end, a.created_at) as active_at
from unnest(:transaction_ids::uuid[]) as asked (id)
join transactions t on t.id = asked.id
join accounts a on a.id = t.debit_account_id
join users u on u.id = a.user_id
join entries e on e.account_id = t.debit_account_id and e.version = t.debit_version
cross join lateral (
    select max(p.created_at) filter (where p.amount_minor < 0) as debited_at, min(p.version) as oldest,
        min(p.created_at) as oldest_at
    from entries p where p.account_id = t.debit_account_id
    and p.version between t.debit_version - :entries_max and t.debit_version - 1
) as before
where t.initiated_by = a.user_id or t.kind = 'CAPTURE';

-- name: small_payments(account_ids, first_versions, last_versions, least_minor, below_minor)
select e.account_id, e.created_at, t.id, t.credit_account_id, t.amount_minor
from unnest(:account_ids::uuid[], :first_versions::bigint[], :last_versions::bigint[])
    as asked (account_id, first_version, last_version)
join entries e on e.account_id = asked.account_id and e.version between asked.first_version and asked.last_version
join transactions t on t.id = e.transaction_id
where e.amount_minor <= -:least_minor::bigint and e.amount_minor > -:below_minor::bigint and t.kind in ('TRANSFER', 'CAPTURE')
order by e.account_id, e.version;

-- name: detected_among(subject_ids, rules, periods)
-- The conditions are the expressions of the unique index of these events.
select asked.subject_id, asked.rule, asked.period
from unnest(:subject_ids::uuid[], :rules::text[], :periods::text[]) as asked (subject_id, rule, period)
where exists (
    select from event_store e
    where e.event_type = 'SuspiciousActivityDetectedEvent' and e.aggregate_id = asked.subject_id
    and e.event_data ->> 'rule' = asked.rule and e.event_data ->> 'period_begins_at' = asked.period offset 0
);

-- name: forget_observations_of(user_id)!
delete from security_observations where user_id = :user_id;
