-- name: LookAtChanges :one
-- What GET /data/changes answers from, as of one snapshot. days are those that transactions
-- of ours have changed which the snapshot since did not see, whatever their order, and
-- noted is by how many rows. written is how many rows anybody has ever written to data, -1
-- where nobody counts that: on a standby, and where data is in parts, whose rows are not
-- its own. epoch is another one when written may have begun anew, or data with it: after a
-- restart, a crash, a reset of the statistics, a TRUNCATE, a restore. data_change_pkey
-- serves the days.
WITH now AS (
    SELECT
        (pg_control_system()).system_identifier::bigint AS system,
        pg_snapshot_xmax(pg_current_snapshot())::text::bigint AS xmax
), changed AS (
    SELECT m.day, m.rows
    FROM data_change AS m
    JOIN now ON now.system = m.system
    WHERE m.xid >= pg_snapshot_xmin(sqlc.narg(since)::text::pg_snapshot)::text::bigint
      AND m.xid < now.xmax
      AND NOT pg_visible_in_snapshot(m.xid::text::xid8, sqlc.narg(since)::text::pg_snapshot)
)
SELECT
    hashtextextended(concat_ws(
        ' ', now.system, d.oid, c.oid, c.relfilenode,
        extract(epoch FROM pg_postmaster_start_time()),
        extract(epoch FROM pg_stat_get_bgwriter_stat_reset_time()),
        extract(epoch FROM pg_stat_get_db_stat_reset_time(d.oid))
    ), 0)::bigint AS epoch,
    pg_current_snapshot()::text AS snapshot,
    (CASE
        WHEN pg_is_in_recovery()
            OR c.relkind <> 'r'
            OR c.relhassubclass
            OR NOT current_setting('track_counts')::boolean
            OR to_regclass('pg_catalog.pg_dist_partition') IS NOT NULL
            THEN -1
        ELSE pg_stat_get_tuples_inserted(c.oid) + pg_stat_get_tuples_updated(c.oid) + pg_stat_get_tuples_deleted(c.oid)
    END)::bigint AS written,
    (SELECT coalesce(sum(changed.rows), 0) FROM changed)::bigint AS noted,
    ARRAY(SELECT DISTINCT changed.day FROM changed ORDER BY changed.day)::date[] AS days
FROM now
JOIN pg_catalog.pg_class AS c ON c.oid = 'data'::regclass
JOIN pg_catalog.pg_database AS d ON d.datname = current_database();
