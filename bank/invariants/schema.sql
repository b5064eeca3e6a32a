-- name: describe_schema(role)
-- Return one row for each object of the bank's schema with its definition, and for each privilege of another role than
-- the owner. Objects of extensions are left out. Definitions are text, to be stored in a file, and do not contain the
-- schema's name.
with home as (
    select relnamespace as oid, relnamespace::regnamespace::text as name from pg_class
    where oid = to_regclass('alembic_version')
), brought as materialized (
    select classid, objid from pg_depend where deptype = 'e'
), relations as materialized (
    select c.* from pg_class c join home on home.oid = c.relnamespace
    where not exists (select from brought b where b.classid = 'pg_class'::regclass and b.objid = c.oid)
), tables as materialized (
    select * from relations where relkind not in ('i', 'I', 'S', 'c', 't')
), functions as materialized (
    select p.* from pg_proc p join home on home.oid = p.pronamespace
    where not exists (select from brought b where b.classid = 'pg_proc'::regclass and b.objid = p.oid)
), described (object, definition) as (
    select 'table ' || relname, concat_ws(', ',
        case relkind when 'r' then 'table' when 'p' then 'partitioned table' when 'v' then 'view' when 'm' then
            'materialized view' else 'relation of kind ' || relkind::text end,
        case relpersistence when 'p' then 'permanent' when 'u' then 'unlogged' else 'temporary' end,
        case when relrowsecurity then 'row security on' end, case when relforcerowsecurity then 'row security forced' end,
        case when relreplident <> 'd' then 'replica identity ' || relreplident::text end,
        array_to_string(reloptions, ', '),
        (select 'also the rows of ' || string_agg(inhrelid::regclass::text, ', ' order by inhrelid::regclass::text)
            from pg_inherits where inhparent = tables.oid),
        case when relkind in ('v', 'm') then pg_get_viewdef(oid) end)
    from tables
    union all
    select format('column %s of %s', attname, relname), concat_ws(' ', format_type(atttypid, atttypmod),
        case when attnotnull then 'not null' end,
        case when attcollation <> typcollation then 'collate ' || attcollation::regcollation::text end,
        case when attidentity <> '' then 'identity ' || attidentity::text end,
        case attgenerated when 's' then 'stored' when 'v' then 'virtual' end,
        'default ' || pg_get_expr(adbin, adrelid))
    from tables join pg_attribute on attrelid = tables.oid and attnum > 0 and not attisdropped
    join pg_type on pg_type.oid = atttypid left join pg_attrdef on adrelid = attrelid and adnum = attnum
    union all
    select format('constraint %s of %s', conname, relname), concat_ws(', ', pg_get_constraintdef(k.oid),
        case when not convalidated then 'not validated' end, case when not conenforced then 'not enforced' end)
    from tables join pg_constraint k on conrelid = tables.oid
    union all
    select format('index %s of %s', i.relname, t.relname), concat_ws(', ', replace(pg_get_indexdef(i.oid), home.name || '.', ''),
        case when i.relpersistence <> t.relpersistence then 'of another persistence' end,
        case when not indisvalid then 'not valid' end, case when not indisready then 'not ready' end,
        case when not indislive then 'not live' end, case when not indimmediate then 'deferrable' end)
    from tables t join pg_index on indrelid = t.oid join pg_class i on i.oid = indexrelid cross join home
    union all
    -- The triggers of a foreign key have generated names, so that they are identified by their functions.
    select case when tgisinternal then format('trigger %s for %s of %s', tgfoid::regproc, conname, relname)
            else format('trigger %s of %s', tgname, relname) end,
        concat_ws(', ', case tgenabled when 'O' then 'enabled' when 'D' then 'disabled' when 'R' then 'enabled for replicas alone'
            else 'enabled always' end,
            case when not tgisinternal then replace(pg_get_triggerdef(t.oid), home.name || '.', '') end)
    from pg_trigger t join tables on tables.oid = tgrelid left join pg_constraint k on k.oid = tgconstraint cross join home
    union all
    select format('rule %s of %s', rulename, relname), replace(pg_get_ruledef(r.oid), home.name || '.', '')
    from pg_rewrite r join tables on tables.oid = ev_class cross join home where rulename <> '_RETURN'
    union all
    select format('policy %s of %s', polname, relname), concat_ws(', ', polcmd::text, polpermissive::text,
        pg_get_expr(polqual, polrelid), pg_get_expr(polwithcheck, polrelid))
    from pg_policy join tables on tables.oid = polrelid
    union all
    select 'sequence ' || relname, concat_ws(', ', seqtypid::regtype::text, 'from ' || seqstart, 'by ' || seqincrement,
        'min ' || seqmin, 'max ' || seqmax, 'cache ' || seqcache, case when seqcycle then 'cycle' end,
        case when relpersistence <> 'p' then 'not logged' end)
    from relations join pg_sequence on seqrelid = relations.oid
    union all
    select format('%s %s(%s)', case prokind when 'a' then 'aggregate' when 'p' then 'procedure' else 'function' end, proname,
            pg_get_function_identity_arguments(functions.oid)),
        concat_ws(', ', 'returns ' || pg_get_function_result(functions.oid), lanname, provolatile::text, proparallel::text,
            case when prosecdef then 'security definer' end, case when proisstrict then 'strict' end,
            case when proleakproof then 'leakproof' end,
            replace(array_to_string(proconfig, ', '), 'search_path=' || home.name || ',', 'search_path=its own,'),
            (select concat_ws(' ', 'of', aggkind, aggtransfn::regproc, aggfinalfn::regproc, aggcombinefn::regproc,
                aggtranstype::regtype, agginitval) from pg_aggregate where aggfnoid = functions.oid),
            coalesce(pg_get_function_sqlbody(functions.oid), prosrc), probin)
    from functions join pg_language l on l.oid = prolang cross join home
    union all
    select 'type ' || typname, typtype::text from pg_type join home on home.oid = typnamespace
    where typelem = 0 and typtype <> 'p' and not exists (select from pg_class c where c.oid = typrelid and c.relkind <> 'c')
    and not exists (select from brought b where b.classid = 'pg_type'::regclass and b.objid = pg_type.oid)
    union all
    -- The owner's privileges are left out, since the user who migrates owns everything. Read privileges of others are the
    -- operator's decision.
    select format('rights of %s to %s', coalesce(nullif(grantee, 0)::regrole::text, 'everybody'), thing),
        string_agg(lower(privilege_type) || case when is_grantable then ' with grant option' else '' end, ', '
            order by privilege_type)
    from (
        select case relkind when 'S' then 'sequence ' else 'table ' end || relname as thing, relowner as owner, a.*
        from relations cross join aclexplode(relacl) a
        union all
        select format('column %s of %s', attname, relname), relowner, a.*
        from tables join pg_attribute on attrelid = tables.oid and not attisdropped cross join aclexplode(attacl) a
        union all
        select 'the schema', nspowner, a.* from pg_namespace n join home on home.oid = n.oid cross join aclexplode(nspacl) a
        where privilege_type = 'CREATE'
        union all
        select 'the database', datdba, a.* from pg_database cross join aclexplode(datacl) a
        where datname = current_database() and privilege_type = 'CREATE'
        union all
        select 'setting ' || parname, 10, a.* from pg_parameter_acl cross join aclexplode(paracl) a
        union all
        select 'what is made later', defaclrole, a.* from pg_default_acl cross join aclexplode(defaclacl) a
    ) granted
    where grantee <> owner and (privilege_type <> 'SELECT' or grantee in (0, (select oid from pg_roles where rolname = :role)))
    group by grantee, thing
    union all
    select 'role ' || rolname, concat_ws(', ', case when rolsuper then 'superuser' end, case when rolcreaterole then 'creates roles' end,
        case when rolcreatedb then 'creates databases' end, case when rolcanlogin then 'logs in' end,
        case when rolreplication then 'replicates' end, case when rolbypassrls then 'passes by row security' end,
        (select 'member of ' || string_agg(roleid::regrole::text, ', ' order by roleid::regrole::text)
            from pg_auth_members where member = r.oid))
    from pg_roles r where rolname = :role
    union all
    select 'owner of ' || thing, owner::regrole::text from (
        select relname as thing, relowner as owner from relations
        union all select proname, proowner from functions
        union all select 'the schema', nspowner from pg_namespace n join home on home.oid = n.oid
        union all select 'the database', datdba from pg_database where datname = current_database()
    ) owned where pg_has_role(:role, owner, 'usage')
    union all
    -- An operator may change settings of memory, plans, logging, display formats and time-outs. The other settings change
    -- the meaning of statements for clients that do not set them, as the bank does.
    select format('setting %s of %s', split_part(setting, '=', 1), concat_ws(' in ',
            case when setrole <> 0 then 'role ' || setrole::regrole::text end,
            case when setdatabase <> 0 then 'this database' end)), split_part(setting, '=', 2)
    from pg_db_role_setting cross join unnest(setconfig) setting
    where setdatabase in (0, (select oid from pg_database where datname = current_database()))
    and (setrole = 0 or pg_has_role(setrole, :role, 'member'))
    and split_part(setting, '=', 1) !~* '^(log_|auto_explain\.|pg_stat_statements\.|track_|random_page_cost|seq_page_cost'
        '|effective_|(maintenance_)?work_mem|temp_buffers|hash_mem_multiplier|max_parallel_|application_name|jit|plan_cache_mode'
        '|timezone|datestyle|intervalstyle|bytea_output|extra_float_digits|client_encoding|lc_|.+_timeout$)'
    union all
    select 'setting ' || s.name, s.setting from pg_settings s
    where s.name = 'session_replication_role' and s.setting <> 'origin'
    union all
    select 'event trigger ' || evtname, concat_ws(', ', evtevent, evtfoid::regproc::text, evtenabled::text) from pg_event_trigger t
    where not exists (select from brought b where b.classid = 'pg_event_trigger'::regclass and b.objid = t.oid)
    union all
    -- Objects in schemas that are searched before the bank's, and objects that were added to the server's own schemas.
    select format('%s %s.%s', kind, namespace::regnamespace, thing.name), 'in the way of the bank''s or the server''s own' from (
        select 'relation' as kind, relname as name, relnamespace as namespace, oid, 'pg_class'::regclass as class from pg_class
        union all select 'function', proname, pronamespace, oid, 'pg_proc'::regclass from pg_proc
        union all select 'operator', oprname, oprnamespace, oid, 'pg_operator'::regclass from pg_operator
    ) thing join pg_namespace n on n.oid = namespace cross join home
    where thing.oid >= 16384 and n.oid <> home.oid
    and (nspname in ('pg_catalog', :role)
        or array_position(current_schemas(false), nspname) < array_position(current_schemas(false), home.name::name))
    and not exists (select from brought b where b.classid = thing.class and b.objid = thing.oid)
)
select object, coalesce(definition, '') as definition from described order by object;

-- name: working_as(role)
-- Return the users that may use the bank's role. An administrator decides which of them should.
select rolname from pg_roles r
where rolcanlogin and not rolsuper and pg_has_role(r.oid, :role, 'member') order by rolname;
