-- What a database lacks to be spread over the nodes of a Citus cluster, as statements in the
-- order in which they are to be run; no row when nothing is missing. $1 is source or target, $2
-- the number of shards, NULL for Citus's own.
--
-- A table that many rows are joined to by turbine is spread by turbine, and those are kept
-- together. signal is known to the cluster and stays on the coordinator, since loads at once
-- deadlock on the row locks of a reference table. The ledger, data_change and River's tables
-- stay local to the coordinator: locks, NOTIFY and the sessions of claims are there.
--
-- delfos_owner may log in here, without a password: the coordinator changes the shards of
-- a table as the role that changes the table.
WITH wanted (database, step, relation, column_name, together_with) AS (
    VALUES
        ('target', 2, 'data', 'turbine_id', NULL),
        ('target', 3, 'flag', 'turbine_id', 'data'),
        ('source', 2, 'turbine', 'id', NULL),
        ('source', 3, 'data', 'turbine_id', 'turbine')
), distributed AS (
    SELECT p.logicalrelid::oid AS relation, p.partmethod, p.repmodel
    FROM pg_catalog.pg_dist_partition AS p
), signal AS (
    SELECT d.partmethod = 'n' AND d.repmodel = 't' AS reference
    FROM (SELECT to_regclass('public.signal')::oid AS oid) AS s
    LEFT JOIN distributed AS d ON d.relation = s.oid
), missing (step, statement) AS (
    SELECT 0, 'ALTER ROLE delfos_owner LOGIN;'
    FROM pg_catalog.pg_roles
    WHERE rolname = 'delfos_owner' AND NOT rolcanlogin

    UNION ALL
    SELECT 1, 'SELECT undistribute_table(''public.signal'');'
    FROM signal
    WHERE $1 = 'target' AND signal.reference

    UNION ALL
    SELECT w.step, format(
        'SELECT create_distributed_table(%L, %L%s);', 'public.' || w.relation, w.column_name,
        CASE
            WHEN w.together_with IS NOT NULL THEN format(', colocate_with => %L', 'public.' || w.together_with)
            WHEN $2::integer IS NOT NULL THEN format(', shard_count => %s', $2::integer)
            ELSE ''
        END
    )
    FROM wanted AS w
    WHERE w.database = $1
      AND NOT EXISTS (
        SELECT
        FROM distributed AS d
        WHERE d.relation = to_regclass('public.' || w.relation)::oid AND d.partmethod = 'h'
    )

    UNION ALL
    SELECT 4, 'SELECT citus_add_local_table_to_metadata(''public.signal'');'
    FROM signal
    WHERE $1 = 'target' AND signal.reference IS DISTINCT FROM false
)
SELECT statement
FROM missing
ORDER BY step
