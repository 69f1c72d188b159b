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

-- name: ListWorkers :many
-- The workers that are alive, with how many days each has in hand. The table has a row a
-- process and is read whole; River's index of states serves the jobs.
SELECT
    w.id,
    w.host,
    w.pid,
    w.workers,
    (
        SELECT count(*)
        FROM river.river_job AS j
        WHERE j.kind = 'partition'
          AND j.state = 'running'
          AND j.attempted_by[array_upper(j.attempted_by, 1)] = w.id
    ) AS busy,
    w.started_at
FROM worker AS w
WHERE w.lease_until >= clock_timestamp()
ORDER BY w.id;

-- name: ReadTotals :one
-- What is queued and running, whatever its days; how complete the days
-- [first_day, last_day] are that are loaded; the newest day up to last_day that was loaded
-- after its end, NULL if there is none; and the checks that did not pass.
-- run_partition_open_idx, partition_pkey and check_result_doubt_idx serve it; partition is
-- read whole for the claims.
SELECT
    (
        SELECT count(DISTINCT rp.day)
        FROM run_partition AS rp
        WHERE rp.outcome IS NULL
          AND rp.queued
          AND NOT EXISTS (
              SELECT
              FROM partition AS p
              WHERE p.day = rp.day
                AND p.lease_until >= clock_timestamp()
          )
    ) AS waiting,
    (
        SELECT count(*)
        FROM partition AS p
        JOIN pg_catalog.pg_stat_activity AS a ON a.pid = p.claim_pid AND coalesce(a.backend_start, p.claim_backend_start) = p.claim_backend_start
        WHERE p.lease_until >= clock_timestamp()
    ) AS running,
    (
        SELECT count(*)
        FROM check_result AS c
        WHERE c.status <> 'pass'
    ) AS warnings,
    recent.days,
    recent.samples,
    recent.expected,
    newest.day AS newest_done
FROM (
    SELECT
        count(*) AS days,
        coalesce(sum(p.samples), 0)::bigint AS samples,
        coalesce(sum(p.expected), 0)::bigint AS expected
    FROM partition AS p
    WHERE p.day BETWEEN sqlc.arg(first_day)::date AND sqlc.arg(last_day)::date
      AND p.loaded_at IS NOT NULL
) AS recent
LEFT JOIN partition AS newest ON newest.day = (
    SELECT p.day
    FROM partition AS p
    JOIN run AS r ON r.id = p.run_id
    WHERE p.day <= sqlc.arg(last_day)::date
      AND p.outcome = 'done'
      AND p.started_at >= (p.day + 1)::timestamp AT TIME ZONE 'UTC'
      AND r.trigger <> 'today'
    ORDER BY p.day DESC
    LIMIT 1
);

-- name: MedianSeconds :one
-- How long a day takes to load, the median of the 20 days loaded last; 0 if none was.
-- partition is read whole.
SELECT coalesce(percentile_cont(0.5) WITHIN GROUP (ORDER BY extract(epoch FROM last.took)), 0)::double precision AS seconds
FROM (
    SELECT p.finished_at - p.started_at AS took
    FROM partition AS p
    WHERE p.outcome = 'done'
    ORDER BY p.finished_at DESC NULLS LAST
    LIMIT 20
) AS last;
