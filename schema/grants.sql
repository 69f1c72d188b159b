-- What a database still lacks of the roles' rights, as statements in the order in which
-- they are to be run; no row when nothing is missing. $1 is source or target, $2 the names
-- of the tables of that schema, $3 those of its enumerations.
--
-- Only what Delfos made changes hands: those tables and types, and River's in schema river.
-- Whoever owned any of it, and whoever runs this, becomes a member of the owner, and so
-- keeps what they could do.
WITH role AS ( -- oid is NULL until the role is made
    SELECT r.name, a.oid
    FROM unnest(ARRAY['delfos_owner', 'delfos_api', 'delfos_import', 'delfos_etl', 'delfos_read']) AS r (name)
    LEFT JOIN pg_catalog.pg_roles AS a ON a.rolname = r.name
), owner AS (
    SELECT oid
    FROM role
    WHERE name = 'delfos_owner'
), may AS ( -- what a role may do with the tables of a schema
    SELECT m.namespace, m.role, role.oid, m.privileges
    FROM (
        VALUES
            ('source', 'public', 'delfos_api', ARRAY['SELECT']),
            ('source', 'public', 'delfos_import', ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE']),
            ('source', 'public', 'delfos_read', ARRAY['SELECT']),
            ('target', 'public', 'delfos_etl', ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE']),
            ('target', 'public', 'delfos_read', ARRAY['SELECT']),
            ('target', 'river', 'delfos_etl', ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE'])
    ) AS m (database, namespace, role, privileges)
    JOIN role ON role.name = m.role
    WHERE m.database = $1
), ours AS ( -- tables, sequences, types, functions; an identity's sequence needs no right
    SELECT 'TABLE' AS kind, c.oid, n.nspname AS namespace, format('%I.%I', n.nspname, c.relname) AS name, c.relowner AS owner
    FROM pg_catalog.pg_class AS c
    JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p')
      AND (n.nspname = 'public' AND c.relname = ANY ($2::text[]) OR n.nspname = 'river' AND $1 = 'target' AND c.relname LIKE 'river\_%')
    UNION ALL
    SELECT 'SEQUENCE', c.oid, n.nspname, format('%I.%I', n.nspname, c.relname), c.relowner
    FROM pg_catalog.pg_class AS c
    JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
    WHERE c.relkind = 'S' AND n.nspname = 'river' AND $1 = 'target'
    UNION ALL
    SELECT 'TYPE', t.oid, n.nspname, format('%I.%I', n.nspname, t.typname), t.typowner
    FROM pg_catalog.pg_type AS t
    JOIN pg_catalog.pg_namespace AS n ON n.oid = t.typnamespace
    WHERE t.typtype = 'e'
      AND (n.nspname = 'public' AND t.typname = ANY ($3::text[]) OR n.nspname = 'river' AND $1 = 'target')
    UNION ALL
    SELECT 'FUNCTION', p.oid, n.nspname, p.oid::regprocedure::text, p.proowner
    FROM pg_catalog.pg_proc AS p
    JOIN pg_catalog.pg_namespace AS n ON n.oid = p.pronamespace
    WHERE n.nspname = 'river' AND $1 = 'target' AND p.proname LIKE 'river\_%'
    UNION ALL
    SELECT 'SCHEMA', n.oid, n.nspname, format('%I', n.nspname), n.nspowner
    FROM pg_catalog.pg_namespace AS n
    WHERE n.nspname = 'river' AND $1 = 'target'
), rights AS ( -- also of what is made later: the owner's default privileges
    SELECT 'TABLE' AS kind, m.namespace, m.role, m.oid, m.privileges
    FROM may AS m
    UNION ALL
    SELECT 'SEQUENCE', m.namespace, m.role, m.oid, ARRAY['USAGE']
    FROM may AS m
    WHERE m.namespace = 'river'
), tidy AS ( -- what the owner alone may do for the readers of data, and the ETL does after a load
    SELECT to_regprocedure('public.delfos_tidy(boolean)')::oid AS oid, $body$
BEGIN
    IF statistics THEN
        ANALYZE public.data;
        RETURN;
    END IF;
    PERFORM brin_summarize_new_values('public.data_timestamp_idx');
    IF to_regclass('pg_dist_partition') IS NOT NULL THEN
        PERFORM run_command_on_shards(logicalrelid, $$SELECT brin_summarize_new_values(replace('%s', 'data_', 'data_timestamp_idx_')::regclass)$$)
        FROM pg_dist_partition
        WHERE logicalrelid = 'public.data'::regclass;
    END IF;
END $body$ AS body
), missing (step, statement) AS (
    SELECT 1, format('GRANT %s TO %I;', string_agg(role.name, ', ' ORDER BY role.name), member.rolname)
    FROM pg_catalog.pg_roles AS member
    JOIN role ON role.name = 'delfos_owner' OR role.name = 'delfos_etl' AND $1 = 'target'
    WHERE (member.rolname = current_user OR member.oid IN (SELECT ours.owner FROM ours))
      AND NOT member.rolsuper
      AND member.rolname <> role.name
      AND member.rolname <> 'delfos_owner'
      AND pg_has_role(member.oid, role.oid, 'USAGE') IS NOT TRUE
    GROUP BY member.rolname

    UNION ALL
    SELECT 2, format('GRANT %s ON DATABASE %I TO %I;', right_on.privilege, current_database(), role.name)
    FROM (
        SELECT DISTINCT m.role, 'CONNECT'
        FROM may AS m
        UNION ALL
        SELECT 'delfos_import', 'TEMPORARY' -- samples are staged
        WHERE $1 = 'source'
    ) AS right_on (role, privilege)
    JOIN role ON role.name = right_on.role
    WHERE coalesce(
        has_database_privilege(role.oid, current_database(), right_on.privilege),
        has_database_privilege('public', current_database(), right_on.privilege)
    ) IS NOT TRUE

    UNION ALL
    SELECT 3, 'GRANT USAGE, CREATE ON SCHEMA public TO delfos_owner;'
    FROM owner
    WHERE has_schema_privilege(owner.oid, 'public', 'CREATE') IS NOT TRUE

    UNION ALL
    SELECT 3, 'CREATE SCHEMA river AUTHORIZATION delfos_owner;'
    WHERE $1 = 'target' AND to_regnamespace('river') IS NULL

    UNION ALL
    SELECT CASE ours.kind WHEN 'SCHEMA' THEN 3 ELSE 4 END, format('ALTER %s %s OWNER TO delfos_owner;', ours.kind, ours.name)
    FROM ours
    CROSS JOIN owner
    WHERE ours.owner IS DISTINCT FROM owner.oid AND ours.kind <> 'SEQUENCE' -- which follows its table

    UNION ALL
    SELECT 5, format('GRANT USAGE ON SCHEMA %I TO %s;', m.namespace, string_agg(m.role, ', ' ORDER BY m.role))
    FROM may AS m
    WHERE coalesce(
        has_schema_privilege(m.oid, to_regnamespace(m.namespace)::oid, 'USAGE'),
        has_schema_privilege('public', to_regnamespace(m.namespace)::oid, 'USAGE')
    ) IS NOT TRUE
    GROUP BY m.namespace

    UNION ALL
    SELECT 6, format('GRANT %s ON %s %s TO %I;', array_to_string(r.privileges, ', '), r.kind, string_agg(ours.name, ', ' ORDER BY ours.name), r.role)
    FROM rights AS r
    JOIN ours ON ours.kind = r.kind AND ours.namespace = r.namespace
    WHERE EXISTS (
        SELECT
        FROM unnest(r.privileges) AS p (privilege)
        WHERE CASE r.kind
            WHEN 'TABLE' THEN has_table_privilege(r.oid, ours.oid, p.privilege)
            ELSE has_sequence_privilege(r.oid, ours.oid, p.privilege)
        END IS NOT TRUE
    )
    GROUP BY r.kind, r.namespace, r.role, r.privileges

    UNION ALL
    SELECT 7, format(
        'ALTER DEFAULT PRIVILEGES FOR ROLE delfos_owner IN SCHEMA %I GRANT %s ON %sS TO %I;',
        r.namespace, array_to_string(r.privileges, ', '), r.kind, r.role
    )
    FROM rights AS r
    CROSS JOIN owner
    WHERE NOT r.privileges <@ ARRAY(
        SELECT a.privilege_type
        FROM pg_catalog.pg_default_acl AS d
        CROSS JOIN LATERAL aclexplode(d.defaclacl) AS a
        WHERE d.defaclrole = owner.oid
          AND d.defaclnamespace = to_regnamespace(r.namespace)::oid
          AND d.defaclobjtype = CASE r.kind WHEN 'TABLE' THEN 'r' ELSE 'S' END
          AND a.grantee = r.oid
    )

    UNION ALL
    SELECT 8, format('CREATE OR REPLACE FUNCTION public.delfos_tidy(statistics boolean) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $body$%s$body$;', tidy.body)
    FROM tidy
    LEFT JOIN pg_catalog.pg_proc AS p ON p.oid = tidy.oid
    WHERE $1 = 'target' AND p.prosrc IS DISTINCT FROM tidy.body

    UNION ALL
    SELECT 9, 'ALTER FUNCTION public.delfos_tidy(boolean) OWNER TO delfos_owner;'
    FROM tidy
    LEFT JOIN pg_catalog.pg_proc AS p ON p.oid = tidy.oid
    CROSS JOIN owner
    WHERE $1 = 'target' AND (p.oid IS NULL OR p.proowner IS DISTINCT FROM owner.oid)

    UNION ALL
    SELECT 10, 'REVOKE EXECUTE ON FUNCTION public.delfos_tidy(boolean) FROM PUBLIC;'
    FROM tidy
    WHERE $1 = 'target' AND has_function_privilege('public', tidy.oid, 'EXECUTE') IS NOT FALSE

    UNION ALL
    SELECT 11, 'GRANT EXECUTE ON FUNCTION public.delfos_tidy(boolean) TO delfos_etl;'
    FROM tidy
    JOIN role ON role.name = 'delfos_etl'
    WHERE $1 = 'target'
      -- The right that it has as everybody is about to be revoked.
      AND (has_function_privilege(role.oid, tidy.oid, 'EXECUTE') IS NOT TRUE OR has_function_privilege('public', tidy.oid, 'EXECUTE'))
)
SELECT statement
FROM missing
ORDER BY step, statement
