-- Has the transaction work as the owner of the tables, and names it; no row where the
-- roles were not applied to the database, or its login is not a member.
SELECT set_config('role', r.rolname, true)
FROM pg_catalog.pg_roles AS r
WHERE r.rolname = 'delfos_owner'
  AND pg_has_role(r.oid, 'USAGE')
  AND has_schema_privilege(r.oid, 'public', 'CREATE')
