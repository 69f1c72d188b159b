-- name: AddEvent :exec
-- Records a change, which is numbered after it is committed, and wakes the followers; an
-- actor of '' is none.
WITH added AS (
    INSERT INTO event (kind, day, run_id, state, actor)
    VALUES (sqlc.arg(kind), sqlc.narg(day), sqlc.narg(run_id), sqlc.arg(state), nullif(sqlc.arg(actor)::text, ''))
)
SELECT pg_notify('delfos_event', '');

-- name: TryNumbering :one
-- Reports whether this transaction may number events now.
SELECT pg_try_advisory_xact_lock(hashtextextended('delfos.event', 0));

-- name: NumberEvents :execrows
-- Numbers the committed events that have no number yet.
-- event_unnumbered_idx serves it.
UPDATE event AS e
SET id = numbered.id
FROM (
    SELECT
        u.entry,
        (SELECT coalesce(max(m.id), 0) FROM event AS m) + row_number() OVER (ORDER BY u.entry) AS id
    FROM event AS u
    WHERE u.id IS NULL
) AS numbered
WHERE e.entry = numbered.entry;

-- name: ReadEvents :many
-- Events after one, in order. event_id_key serves it.
SELECT coalesce(id, 0)::bigint AS id, at, kind, day, run_id, state, actor
FROM event
WHERE id > sqlc.arg(after)::bigint
ORDER BY id
LIMIT sqlc.arg(count)::integer;

-- name: EventRange :one
-- The oldest and the newest number; 0 while there is none.
SELECT coalesce(min(id), 0)::bigint AS oldest, coalesce(max(id), 0)::bigint AS newest
FROM event;

-- name: TrimEvents :exec
-- Removes all but the newest events. event_id_key serves it.
DELETE FROM event
WHERE id <= (SELECT max(m.id) FROM event AS m) - sqlc.arg(keep)::bigint;

-- name: AddRunLog :exec
-- Appends entries to the logs of runs: a JSON array of objects with run_id, day, at,
-- level, message and attributes.
INSERT INTO run_log (run_id, day, at, level, message, attributes)
SELECT
    (e ->> 'run_id')::bigint,
    (e ->> 'day')::date,
    (e ->> 'at')::timestamptz,
    (e ->> 'level')::log_level,
    e ->> 'message',
    e -> 'attributes'
FROM jsonb_array_elements(sqlc.arg(entries)::jsonb) AS e;

-- name: ReadRunLog :many
-- A run's log after an entry, in order. run_log_run_id_idx serves it.
SELECT id, day, at, level, message, attributes
FROM run_log
WHERE run_id = sqlc.arg(run_id)
  AND id > sqlc.arg(after)::bigint
ORDER BY id
LIMIT sqlc.arg(count)::integer;

-- name: TrimRunLog :exec
-- Removes all but the newest entries of some runs. run_log_run_id_idx serves it.
DELETE FROM run_log AS l
USING unnest(sqlc.arg(run_ids)::bigint[]) AS r (id)
WHERE l.run_id = r.id
  AND l.id <= (
      SELECT k.id
      FROM run_log AS k
      WHERE k.run_id = r.id
      ORDER BY k.id DESC
      OFFSET sqlc.arg(keep)::integer
      LIMIT 1
  );

-- name: DeleteOldRuns :exec
-- Removes runs that ended before a time, with their requests, attempts and logs,
-- unless a day's state still rests on them.
WITH old AS (
    SELECT r.id
    FROM run AS r
    WHERE r.closed_at < sqlc.arg(before)::timestamptz
      AND NOT EXISTS (SELECT FROM partition AS p WHERE p.run_id = r.id OR p.claim_run_id = r.id)
), requests AS (
    DELETE FROM run_partition AS rp
    USING old
    WHERE rp.run_id = old.id
), attempts AS (
    DELETE FROM attempt AS a
    USING old
    WHERE a.run_id = old.id
)
DELETE FROM run AS r
USING old
WHERE r.id = old.id;
