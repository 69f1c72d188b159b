-- name: AliveWorkers :one
-- How many of a host's processes have given a sign of life within their lease.
-- The table has a row a process, so it is read whole.
SELECT count(*)
FROM worker
WHERE host = sqlc.arg(host)
  AND lease_until >= clock_timestamp();
