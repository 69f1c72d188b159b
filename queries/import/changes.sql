-- name: NoteChanges :exec
-- Notes which days the transaction has changed and by how many rows, once and last of all,
-- and removes the marks of a week ago that nobody else is removing. data_change_pkey
-- arbitrates, data_change_noted_at_idx finds the old ones.
WITH old AS MATERIALIZED (
    SELECT system, xid, day
    FROM data_change
    WHERE noted_at < now() - interval '7 days'
    ORDER BY noted_at
    FOR UPDATE SKIP LOCKED
), gone AS (
    DELETE FROM data_change AS m
    USING old
    WHERE (m.system, m.xid, m.day) = (old.system, old.xid, old.day)
)
INSERT INTO data_change (system, xid, day, rows)
SELECT (pg_control_system()).system_identifier::bigint, pg_current_xact_id()::text::bigint, new.day, new.rows
FROM (
    SELECT
        unnest(sqlc.arg(days)::date[]) AS day,
        unnest(sqlc.arg(counts)::bigint[]) AS rows
) AS new
WHERE new.rows > 0
ORDER BY new.day
ON CONFLICT (system, xid, day) DO NOTHING;
