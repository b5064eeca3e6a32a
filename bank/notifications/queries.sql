-- name: lock_template(key)!
-- Two operators who edit a template at the same time get one version each.
select pg_advisory_xact_lock(hashtextextended(:key, 0));

-- name: latest_version(name, language)^
select version, subject, short, text, html, created_at from notification_templates
where name = :name and language = :language order by version desc limit 1;

-- name: one_version(name, language, version)^
select version, subject, short, text, html, created_at from notification_templates
where name = :name and language = :language and version = :version;

-- name: versions(name, language)
select version, created_at from notification_templates
where name = :name and language = :language order by version;

-- name: latest_versions()
select name, language, max(version) as version from notification_templates group by name, language;

-- name: insert_version(name, language, version, subject, short, text, html, now)$
insert into notification_templates (name, language, version, subject, short, text, html, created_at)
values (:name, :language, :version, :subject, :short, :text, :html, :now)
returning encode(sha256(convert_to(json_build_array(subject, short, text, html)::text, 'UTF8')), 'hex');
