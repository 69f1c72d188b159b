-- name: AliveWorkers :one
-- How many of a host's processes have given a sign of life within their lease.
-- The table has a row a process, so it is read whole.
SELECT count(*)
FROM worker
WHERE host = sqlc.arg(host)
  AND lease_until >= clock_timestamp();

-- name: ReadWorkforce :one
-- How many days the workers that are alive can load at once, and whether the
-- queue is paused. Both tables have few rows and are read whole.
SELECT
    (
        SELECT coalesce(sum(w.workers), 0)
        FROM worker AS w
        WHERE w.lease_until >= clock_timestamp()
    )::bigint AS workers,
    EXISTS (
        SELECT
        FROM river.river_queue AS q
        WHERE q.name = sqlc.arg(queue)
          AND q.paused_at IS NOT NULL
    )::boolean AS queue_paused;

-- name: OtherSettings :many
-- The settings of the workers that are alive and have others than settings, each with a
-- process that has them. Versions before the column tell none. The table is read whole.
SELECT w.settings, min(w.host || ', process ' || w.pid)::text AS process
FROM worker AS w
WHERE w.lease_until >= clock_timestamp()
  AND w.settings NOT IN ('', sqlc.arg(settings)::text)
GROUP BY w.settings
ORDER BY w.settings;
