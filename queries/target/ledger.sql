-- name: CreateRun :one
-- Opens a run over the days [first_day, last_day]; turbines is NULL for all.
INSERT INTO run (trigger, first_day, last_day, turbines)
VALUES (sqlc.arg(trigger), sqlc.arg(first_day), sqlc.arg(last_day), sqlc.narg(turbines))
RETURNING id;

-- name: AddRunPartitions :execrows
-- Enters each day of a run, to be settled one by one.
INSERT INTO run_partition (run_id, day)
SELECT r.id, r.first_day + n
FROM run AS r, generate_series(0, r.last_day - r.first_day) AS n
WHERE r.id = sqlc.arg(run_id);

-- name: CancelRunPartitions :execrows
-- Settles the days that a run leaves behind untried. run_partition_pkey serves
-- it.
UPDATE run_partition
SET outcome = 'cancelled',
    finished_at = clock_timestamp()
WHERE run_id = sqlc.arg(run_id)
  AND outcome IS NULL;

-- name: EnsurePartition :exec
-- Gives a day its row in the ledger; partition_pkey arbitrates. It looks first,
-- as ON CONFLICT alone waits for whoever has changed the row and not committed:
-- for ever, if that is a stopped process.
INSERT INTO partition (day)
SELECT sqlc.arg(day)::date
WHERE NOT EXISTS (
    SELECT
    FROM partition
    WHERE day = sqlc.arg(day)::date
)
ON CONFLICT (day) DO NOTHING;

-- name: ReadClaim :one
-- A day's claim as it stands, without a lock: a stopped holder must not block
-- the one who finds out that it stopped. partition_pkey serves it.
SELECT
    p.token,
    coalesce(p.claim_pid, 0)::integer AS pid,
    coalesce(p.claim_backend_start, 'epoch')::timestamptz AS backend_start,
    (p.lease_until IS NOT NULL)::boolean AS claimed,
    coalesce(p.lease_until < clock_timestamp(), true)::boolean AS expired,
    EXISTS (
        SELECT
        FROM pg_catalog.pg_stat_activity AS a
        WHERE a.pid = p.claim_pid
          AND a.backend_start = p.claim_backend_start
    ) AS alive
FROM partition AS p
WHERE p.day = sqlc.arg(day);

-- name: EndExpired :exec
-- Ends the session of a day's claim, if it still is the one that ReadClaim saw
-- and its lease has run out, and waits until it has ended. Nothing milder stops
-- a client that hangs in COPY. A session that has gone on to another day, or a
-- later one with the same pid, is left alone. partition_pkey serves it.
SELECT pg_terminate_backend(a.pid, 5000)
FROM partition AS p
JOIN pg_catalog.pg_stat_activity AS a ON a.pid = p.claim_pid AND a.backend_start = p.claim_backend_start
WHERE p.day = sqlc.arg(day)
  AND p.token = sqlc.arg(token)
  AND p.lease_until < clock_timestamp();

-- name: EndSession :exec
-- Ends a session whose COMMIT was not answered and waits until it has ended.
SELECT pg_terminate_backend(a.pid, 5000)
FROM pg_catalog.pg_stat_activity AS a
WHERE a.pid = sqlc.arg(pid)
  AND a.backend_start = sqlc.arg(backend_start)::timestamptz;

-- name: SessionAlive :one
-- Whether a session is still there.
SELECT EXISTS (
    SELECT
    FROM pg_catalog.pg_stat_activity AS a
    WHERE a.pid = sqlc.arg(pid)
      AND a.backend_start = sqlc.arg(backend_start)::timestamptz
);

-- name: OwnSession :one
-- The pid and the start of the session that asks.
SELECT a.pid::integer AS pid, a.backend_start::timestamptz AS backend_start
FROM pg_catalog.pg_stat_activity AS a
WHERE a.pid = pg_backend_pid();

-- name: ClaimPartition :one
-- Claims a day for the session that asks by compare-and-set: token must be the
-- one that ReadClaim saw, and that claim must be released, expired or dead.
-- Returns the next token and enters the attempt. No row: somebody was faster.
-- partition_pkey serves it.
WITH claimed AS (
    UPDATE partition AS p
    SET token = p.token + 1,
        claim_run_id = sqlc.arg(run_id)::bigint,
        claim_pid = own.pid,
        claim_backend_start = own.backend_start,
        lease_until = clock_timestamp() + sqlc.arg(lease)::interval
    FROM pg_catalog.pg_stat_activity AS own
    WHERE own.pid = pg_backend_pid()
      AND p.day = sqlc.arg(day)
      AND p.token = sqlc.arg(token)
      AND (
          p.lease_until IS NULL
          OR p.lease_until < clock_timestamp()
          OR NOT EXISTS (
              SELECT
              FROM pg_catalog.pg_stat_activity AS a
              WHERE a.pid = p.claim_pid
                AND a.backend_start = p.claim_backend_start
          )
      )
    RETURNING p.day, p.token, p.claim_run_id, p.source_digest, p.target_digest
)
INSERT INTO attempt (day, token, run_id, source_digest_before, target_digest_before)
SELECT day, token, claim_run_id, source_digest, target_digest
FROM claimed
RETURNING token, started_at;

-- name: RenewLease :execrows
-- Keeps a claim alive. No row: the claim is somebody else's by now.
UPDATE partition
SET lease_until = clock_timestamp() + sqlc.arg(lease)::interval
WHERE day = sqlc.arg(day)
  AND token = sqlc.arg(token)
  AND lease_until IS NOT NULL;

-- name: FinishAttempt :execrows
-- Records how an attempt ended. attempt_pkey serves it.
UPDATE attempt
SET finished_at = clock_timestamp(),
    outcome = sqlc.arg(outcome)::text,
    error = sqlc.narg(error),
    samples = sqlc.narg(samples),
    expected = sqlc.narg(expected),
    inserted = sqlc.narg(inserted),
    updated = sqlc.narg(updated),
    deleted = sqlc.narg(deleted),
    source_digest_after = sqlc.narg(source_digest),
    target_digest_after = sqlc.narg(target_digest)
WHERE day = sqlc.arg(day)
  AND token = sqlc.arg(token)
  AND outcome IS NULL;

-- name: SettleRunPartition :execrows
-- Records in the run how its day ended; an attempt that was overtaken does not
-- overwrite the later one. run_partition_pkey serves it.
UPDATE run_partition
SET outcome = sqlc.arg(outcome)::text,
    token = sqlc.arg(token),
    finished_at = clock_timestamp()
WHERE run_id = sqlc.arg(run_id)
  AND day = sqlc.arg(day)
  AND coalesce(token, 0) <= sqlc.arg(token);

-- name: CommitPartition :execrows
-- The last statement before the load's COMMIT: releases the claim and records
-- what the day holds now, if the claim is still ours. No row: roll back.
-- A subset of the turbines leaves the day's outcome as it was.
UPDATE partition AS p
SET claim_run_id = NULL,
    claim_pid = NULL,
    claim_backend_start = NULL,
    lease_until = NULL,
    run_id = sqlc.arg(run_id)::bigint,
    outcome = CASE WHEN sqlc.arg(subset)::boolean THEN p.outcome ELSE sqlc.arg(outcome)::text END,
    attempt = CASE
        WHEN sqlc.arg(subset)::boolean THEN p.attempt
        WHEN p.outcome = 'failed' THEN p.attempt + 1
        ELSE 1
    END,
    error = CASE WHEN sqlc.arg(subset)::boolean THEN p.error ELSE sqlc.narg(error)::text END,
    started_at = sqlc.arg(started_at)::timestamptz,
    finished_at = clock_timestamp(),
    inserted = sqlc.arg(inserted)::bigint,
    updated = sqlc.arg(updated)::bigint,
    deleted = sqlc.arg(deleted)::bigint,
    samples = CASE WHEN sqlc.arg(subset)::boolean THEN p.samples ELSE sqlc.arg(samples)::bigint END,
    expected = CASE WHEN sqlc.arg(subset)::boolean THEN p.expected ELSE sqlc.arg(expected)::bigint END,
    windows = CASE WHEN sqlc.arg(subset)::boolean THEN p.windows ELSE sqlc.arg(windows)::bigint END,
    rows = sqlc.arg(rows)::bigint,
    loaded_at = clock_timestamp(),
    source_digest = sqlc.narg(source_digest)::bigint,
    source_digest_seen = coalesce(sqlc.narg(source_digest)::bigint, p.source_digest_seen),
    target_digest = sqlc.arg(target_digest)::bigint
WHERE p.day = sqlc.arg(day)
  AND p.token = sqlc.arg(token)
  AND p.lease_until IS NOT NULL;

-- name: FailPartition :execrows
-- Releases the claim of an attempt that wrote nothing and records why, if the
-- claim is still ours. A subset of the turbines leaves the outcome as it was,
-- and so does a cancelled rerun of a day that had succeeded.
UPDATE partition AS p
SET claim_run_id = NULL,
    claim_pid = NULL,
    claim_backend_start = NULL,
    lease_until = NULL,
    run_id = sqlc.arg(run_id)::bigint,
    outcome = CASE
        WHEN sqlc.arg(subset)::boolean THEN p.outcome
        WHEN sqlc.arg(outcome)::text = 'cancelled' AND p.outcome IN ('done', 'empty') THEN p.outcome
        ELSE sqlc.arg(outcome)::text
    END,
    attempt = CASE
        WHEN sqlc.arg(subset)::boolean THEN p.attempt
        WHEN p.outcome = 'failed' THEN p.attempt + 1
        ELSE 1
    END,
    error = CASE
        WHEN sqlc.arg(subset)::boolean THEN p.error
        WHEN sqlc.arg(outcome)::text = 'cancelled' AND p.outcome IN ('done', 'empty') THEN p.error
        ELSE sqlc.arg(error)::text
    END,
    started_at = sqlc.arg(started_at)::timestamptz,
    finished_at = clock_timestamp(),
    inserted = 0,
    updated = 0,
    deleted = 0
WHERE p.day = sqlc.arg(day)
  AND p.token = sqlc.arg(token)
  AND p.lease_until IS NOT NULL;

-- name: ReadOutcome :one
-- How an attempt ended, '' while it has not: what resolves a connection that
-- was cut between COMMIT and its answer. attempt_pkey serves it.
SELECT coalesce(outcome, '')::text AS outcome
FROM attempt
WHERE day = sqlc.arg(day)
  AND token = sqlc.arg(token);

-- name: ReadPartition :one
-- One day of the ledger. partition_pkey serves it.
SELECT *
FROM partition
WHERE day = sqlc.arg(day);
