-- name: CreateRun :one
-- Opens a run that its own process works on, over the days [first_day, last_day], and
-- enters those of them that it wants, to be settled one by one; turbines is NULL for all,
-- and an actor and a trace of '' are none.
WITH opened AS (
    INSERT INTO run (trigger, first_day, last_day, turbines, allow_empty, actor, trace_id)
    VALUES (
        sqlc.arg(trigger), sqlc.arg(first_day), sqlc.arg(last_day), sqlc.narg(turbines), sqlc.arg(allow_empty),
        nullif(sqlc.arg(actor)::text, ''), nullif(sqlc.arg(trace_id)::text, '')
    )
    RETURNING id
),
entered AS (
    INSERT INTO run_partition (run_id, day, queued)
    SELECT id, unnest(sqlc.arg(days)::date[]), false
    FROM opened
)
SELECT id
FROM opened;

-- name: CancelRunPartitions :execrows
-- Cancels the days of a run that were not tried. run_partition_pkey serves
-- it.
UPDATE run_partition
SET outcome = 'cancelled',
    finished_at = clock_timestamp()
WHERE run_id = sqlc.arg(run_id)
  AND outcome IS NULL;

-- name: ReadClaim :one
-- A day's claim as it stands, without a lock: a stopped holder must not block
-- the one who finds out that it stopped. A session of another role does not show when it
-- began: it counts as the claim's for as long as the lease. partition_pkey serves it.
SELECT
    p.token,
    coalesce(p.claim_run_id, 0)::bigint AS run_id,
    coalesce(p.claim_pid, 0)::integer AS pid,
    coalesce(p.claim_backend_start, 'epoch')::timestamptz AS backend_start,
    (p.lease_until IS NOT NULL)::boolean AS claimed,
    coalesce(p.lease_until < clock_timestamp(), true)::boolean AS expired,
    EXISTS (
        SELECT
        FROM pg_catalog.pg_stat_activity AS a
        WHERE a.pid = p.claim_pid
          AND coalesce(a.backend_start, p.claim_backend_start) = p.claim_backend_start
    ) AS alive
FROM partition AS p
WHERE p.day = sqlc.arg(day);

-- name: EndExpired :many
-- Ends the sessions of claims whose lease has run out, and waits for as long as it
-- is told until each has ended: of the claim on a day, if it still is the one that
-- ReadClaim saw; or, without a token, of all days that the queue wants. Nothing
-- milder stops a client that hangs in COPY. A session that has gone on to another
-- day, or a later one with the same pid, is left alone. partition_pkey and
-- run_partition_open_idx serve it.
SELECT p.day, p.token, pg_terminate_backend(a.pid, sqlc.arg(wait_ms)::bigint) AS ended
FROM partition AS p
JOIN pg_catalog.pg_stat_activity AS a ON a.pid = p.claim_pid AND a.backend_start = p.claim_backend_start
WHERE p.lease_until < clock_timestamp()
  AND (
      p.day = sqlc.narg(day)::date AND p.token = sqlc.narg(token)::bigint
      OR sqlc.narg(token)::bigint IS NULL AND EXISTS (
          SELECT
          FROM run_partition AS rp
          WHERE rp.day = p.day
            AND rp.outcome IS NULL
            AND rp.queued
      )
  );

-- name: EndSession :exec
-- Ends a session whose COMMIT was not answered and waits until it has ended.
SELECT pg_terminate_backend(a.pid, 5000)
FROM pg_catalog.pg_stat_activity AS a
WHERE a.pid = sqlc.arg(pid)
  AND a.backend_start = sqlc.arg(backend_start)::timestamptz;

-- name: SessionAlive :one
-- Reports whether a session still exists.
SELECT EXISTS (
    SELECT
    FROM pg_catalog.pg_stat_activity AS a
    WHERE a.pid = sqlc.arg(pid)
      AND a.backend_start = sqlc.arg(backend_start)::timestamptz
);

-- name: ClaimPartition :one
-- Claims a day for the session that asks and enters the attempt, if the claim
-- on it is released or dead, or is the one of token and expired; token is what
-- ReadClaim saw, or 0 for none. Returns the next token, the session, what the
-- ledger has of the day, and how many attempts in a row were lost since it was
-- last asked for. No row: somebody holds it, or was faster, or the run does not ask
-- for the day any more, as the run was cancelled or the day forgotten. Tokens go on
-- where those of a forgotten day ended.
--
-- It is a compare-and-set with the token that it saw itself, and looks at the
-- claim without a lock first, and for the day's row before it inserts one: who
-- has changed the row and not committed may be a stopped process, to be waited
-- for for ever. Its request is locked against who closes or forgets it, or passed over
-- if they are faster. partition_pkey, attempt_pkey, run_pkey, run_partition_pkey and
-- run_partition_open_idx serve it.
WITH own AS (
    SELECT a.pid, a.backend_start
    FROM pg_catalog.pg_stat_activity AS a
    WHERE a.pid = pg_backend_pid()
),
asked AS MATERIALIZED (
    SELECT rp.day
    FROM run_partition AS rp
    WHERE rp.run_id = sqlc.arg(run_id)::bigint
      AND rp.day = sqlc.arg(day)::date
      AND rp.outcome IS NULL
    ORDER BY rp.day
    FOR SHARE SKIP LOCKED
),
held AS (
    SELECT token, outcome, started_at, samples, expected, windows, rows, rows_most, source_digest, target_digest, source_pruned_at
    FROM partition
    WHERE day = sqlc.arg(day)::date
),
entered AS (
    INSERT INTO partition (day, token, claim_run_id, claim_pid, claim_backend_start, lease_until)
    SELECT
        asked.day,
        coalesce((SELECT f.token FROM forgotten AS f WHERE f.day = asked.day), 0) + 1,
        sqlc.arg(run_id)::bigint, own.pid, own.backend_start, clock_timestamp() + sqlc.arg(lease)::interval
    FROM own
    CROSS JOIN asked
    WHERE NOT EXISTS (
        SELECT
        FROM held
    )
    ON CONFLICT (day) DO NOTHING
    RETURNING token
),
taken AS (
    UPDATE partition AS p
    SET token = p.token + 1,
        claim_run_id = sqlc.arg(run_id)::bigint,
        claim_pid = own.pid,
        claim_backend_start = own.backend_start,
        lease_until = clock_timestamp() + sqlc.arg(lease)::interval
    FROM own, held, asked
    WHERE p.day = asked.day
      AND p.token = held.token
      AND (
          p.lease_until IS NULL
          OR p.token = sqlc.arg(token)::bigint AND p.lease_until < clock_timestamp()
          OR NOT EXISTS (
              SELECT
              FROM pg_catalog.pg_stat_activity AS a
              WHERE a.pid = p.claim_pid
                AND coalesce(a.backend_start, p.claim_backend_start) = p.claim_backend_start
          )
      )
    RETURNING p.token
),
begun AS (
    INSERT INTO attempt (day, token, run_id, actor, source_digest_before, target_digest_before)
    SELECT
        sqlc.arg(day)::date, mine.token, sqlc.arg(run_id)::bigint,
        (SELECT coalesce(r.retried_by, r.actor) FROM run AS r WHERE r.id = sqlc.arg(run_id)::bigint),
        held.source_digest, held.target_digest
    FROM (
        SELECT token
        FROM entered
        UNION ALL
        SELECT token
        FROM taken
    ) AS mine
    LEFT JOIN held ON true
    RETURNING day, token, run_id, actor, started_at
),
noted AS (
    INSERT INTO event (kind, day, run_id, state, actor)
    SELECT 'partition', begun.day, begun.run_id, 'running', begun.actor
    FROM begun
)
SELECT
    begun.token,
    begun.started_at,
    own.pid::integer AS pid,
    own.backend_start::timestamptz AS backend_start,
    held.outcome,
    held.started_at AS held_started_at,
    held.samples,
    held.expected,
    held.windows,
    coalesce(held.rows, 0)::bigint AS rows,
    coalesce(held.rows_most, 0)::bigint AS rows_most,
    held.source_digest,
    held.target_digest,
    held.source_pruned_at,
    (
        SELECT count(*)
        FROM attempt AS a
        WHERE a.day = sqlc.arg(day)::date
          AND a.token > coalesce((
              SELECT max(told.token)
              FROM attempt AS told
              WHERE told.day = sqlc.arg(day)::date
                AND told.outcome IS NOT NULL
          ), 0)
          AND a.started_at > coalesce((
              SELECT max(rp.requested_at)
              FROM run_partition AS rp
              WHERE rp.day = sqlc.arg(day)::date
                AND rp.outcome IS NULL
          ), '-infinity')
    )::integer AS lost
FROM begun
CROSS JOIN own
LEFT JOIN held ON true;

-- name: AsksFor :one
-- Reports whether a run has an open request for a day. run_partition_pkey serves it.
SELECT EXISTS (
    SELECT
    FROM run_partition
    WHERE run_id = sqlc.arg(run_id)
      AND day = sqlc.arg(day)
      AND outcome IS NULL
) AS asked;

-- name: RenewLease :execrows
-- Keeps a claim alive. No row: the claim is somebody else's by now.
UPDATE partition
SET lease_until = clock_timestamp() + sqlc.arg(lease)::interval
WHERE day = sqlc.arg(day)
  AND token = sqlc.arg(token)
  AND lease_until IS NOT NULL;

-- name: FinishAttempt :execrows
-- Records how an attempt ended; one that wrote nothing has neither samples nor
-- digests. attempt_pkey serves it.
WITH finished AS (
    UPDATE attempt AS a
    SET finished_at = clock_timestamp(),
        outcome = sqlc.arg(outcome)::outcome,
        error = sqlc.narg(error)::text,
        samples = sqlc.narg(samples)::bigint,
        expected = sqlc.narg(expected)::bigint,
        inserted = sqlc.narg(inserted)::bigint,
        updated = sqlc.narg(updated)::bigint,
        deleted = sqlc.narg(deleted)::bigint,
        source_digest_after = sqlc.narg(source_digest)::bigint,
        target_digest_after = sqlc.narg(target_digest)::bigint
    WHERE a.day = sqlc.arg(day)
      AND a.token = sqlc.arg(token)
      AND a.outcome IS NULL
    RETURNING a.day, a.run_id, a.outcome, a.actor
)
INSERT INTO event (kind, day, run_id, state, actor)
SELECT 'partition', day, run_id, outcome, actor
FROM finished;

-- name: SettleRunPartition :execrows
-- Records in the run how its day ended; an attempt that was overtaken does not
-- overwrite the later one. run_partition_pkey serves it.
UPDATE run_partition
SET outcome = sqlc.arg(outcome)::outcome,
    token = sqlc.arg(token),
    finished_at = clock_timestamp()
WHERE run_id = sqlc.arg(run_id)
  AND day = sqlc.arg(day)
  AND coalesce(token, 0) <= sqlc.arg(token);

-- name: RecordDay :exec
-- Records the day's outcome, if the claim on it is still ours: not that of an
-- attempt at a subset of its turbines. An attempt that failed read nothing, and one
-- that was cancelled leaves a day that had succeeded as it was. partition_pkey
-- serves it.
UPDATE partition AS p
SET outcome = sqlc.arg(outcome)::outcome,
    attempt = CASE WHEN p.outcome = 'failed' THEN p.attempt + 1 ELSE 1 END,
    next_attempt_at = sqlc.narg(next_attempt_at)::timestamptz,
    error = sqlc.narg(error)::text,
    samples = coalesce(sqlc.narg(samples)::bigint, p.samples),
    expected = coalesce(sqlc.narg(expected)::bigint, p.expected),
    windows = coalesce(sqlc.narg(windows)::bigint, p.windows)
WHERE p.day = sqlc.arg(day)
  AND p.token = sqlc.arg(token)
  AND p.lease_until IS NOT NULL
  AND (sqlc.arg(outcome)::outcome <> 'cancelled' OR p.outcome IS NULL OR p.outcome NOT IN ('done', 'empty', 'pruned'));

-- name: CommitPartition :execrows
-- The last statement before the load's COMMIT: records what the day holds now and
-- releases the claim, if it is still ours. No row: roll back. allow_empty: the
-- attempt was allowed to remove what it liked. source_pruned: the source has no samples
-- of the day, on purpose. partition_pkey serves it.
UPDATE partition AS p
SET claim_run_id = NULL,
    claim_pid = NULL,
    claim_backend_start = NULL,
    lease_until = NULL,
    run_id = p.claim_run_id,
    started_at = sqlc.arg(started_at)::timestamptz,
    finished_at = clock_timestamp(),
    inserted = sqlc.arg(inserted)::bigint,
    updated = sqlc.arg(updated)::bigint,
    deleted = sqlc.arg(deleted)::bigint,
    rows = sqlc.arg(rows)::bigint,
    rows_most = CASE WHEN sqlc.arg(allow_empty)::boolean THEN sqlc.arg(rows)::bigint ELSE greatest(p.rows_most, sqlc.arg(rows)::bigint) END,
    loaded_at = clock_timestamp(),
    source_digest = sqlc.narg(source_digest)::bigint,
    source_digest_seen = coalesce(sqlc.narg(source_digest)::bigint, p.source_digest_seen),
    target_digest = sqlc.arg(target_digest)::bigint,
    source_pruned_at = CASE WHEN sqlc.arg(source_pruned)::boolean OR sqlc.narg(source_digest)::bigint IS NULL THEN p.source_pruned_at END
WHERE p.day = sqlc.arg(day)
  AND p.token = sqlc.arg(token)
  AND p.lease_until IS NOT NULL;

-- name: ReleaseClaim :execrows
-- Releases the claim of an attempt that wrote nothing, if it is still ours.
-- partition_pkey serves it.
UPDATE partition
SET claim_run_id = NULL,
    claim_pid = NULL,
    claim_backend_start = NULL,
    lease_until = NULL,
    run_id = claim_run_id,
    started_at = sqlc.arg(started_at)::timestamptz,
    finished_at = clock_timestamp(),
    inserted = 0,
    updated = 0,
    deleted = 0
WHERE day = sqlc.arg(day)
  AND token = sqlc.arg(token)
  AND lease_until IS NOT NULL;

-- name: ReadOutcome :one
-- How an attempt ended, NULL while it has not: what resolves a connection that
-- was cut between COMMIT and its answer. attempt_pkey serves it.
SELECT outcome
FROM attempt
WHERE day = sqlc.arg(day)
  AND token = sqlc.arg(token);

-- name: ReadPartition :one
-- One day of the ledger. partition_pkey serves it.
SELECT *
FROM partition
WHERE day = sqlc.arg(day);

-- name: LoadedRange :one
-- The first and the last of the days [first_day, last_day] that the ledger says
-- are loaded; no row if there is none. partition_pkey serves it.
SELECT min(day)::date AS first_day, max(day)::date AS last_day
FROM partition
WHERE outcome IN ('done', 'empty')
  AND day BETWEEN sqlc.arg(first_day)::date AND sqlc.arg(last_day)::date
HAVING count(*) > 0;

-- name: ListStale :many
-- Which of the days are loaded from samples that are not the source's any more,
-- given the digest of each now. A day whose digest is not known, since some of
-- its turbines alone were run, may be; so it counts. One whose samples were pruned from
-- the source is not, as long as it has none. partition_pkey serves it.
SELECT p.day
FROM partition AS p
JOIN (
    SELECT
        unnest(sqlc.arg(days)::date[]) AS day,
        unnest(sqlc.arg(digests)::bigint[]) AS digest
) AS seen ON seen.day = p.day
WHERE p.outcome IN ('done', 'empty')
  AND p.source_digest IS DISTINCT FROM seen.digest
  AND (p.source_pruned_at IS NULL OR seen.digest <> 0)
ORDER BY p.day;

-- name: ListLoaded :many
-- The days of [first_day, last_day] that the target holds values of, with how many
-- these are, how many samples each was loaded from, and whether these were pruned from
-- the source since. partition_pkey serves it.
SELECT day, rows, coalesce(samples, 0)::bigint AS samples, (source_pruned_at IS NOT NULL)::boolean AS source_pruned
FROM partition
WHERE rows > 0
  AND day BETWEEN sqlc.arg(first_day)::date AND sqlc.arg(last_day)::date
ORDER BY day;

-- name: SeeSource :exec
-- Records the digest that the source has of each day now, where the ledger has
-- the day and another: source_digest IS DISTINCT FROM source_digest_seen is what
-- ListStale looks for; of such days also when. A loaded day that another digest makes
-- stale, or current again, is an event. A row that is being written is passed over, as its
-- writer may be a stopped process. partition_pkey serves it.
WITH other AS MATERIALIZED (
    SELECT
        q.day,
        seen.digest,
        q.source_digest_seen IS DISTINCT FROM seen.digest AS news
    FROM partition AS q
    JOIN (
        SELECT
            unnest(sqlc.arg(days)::date[]) AS day,
            unnest(sqlc.arg(digests)::bigint[]) AS digest
    ) AS seen ON seen.day = q.day
    WHERE (q.source_digest_seen IS DISTINCT FROM seen.digest OR q.source_digest IS DISTINCT FROM seen.digest)
      AND (q.source_pruned_at IS NULL OR seen.digest <> 0)
    ORDER BY q.day
    FOR NO KEY UPDATE OF q SKIP LOCKED
),
looked AS (
    UPDATE partition AS p
    SET source_digest_seen = other.digest,
        looked_at = clock_timestamp()
    FROM other
    WHERE p.day = other.day
    RETURNING p.day, p.outcome, p.source_digest IS DISTINCT FROM other.digest AS stale, other.news
)
INSERT INTO event (kind, day, state)
SELECT
    'partition',
    day,
    CASE WHEN stale THEN 'stale' ELSE outcome::text END
FROM looked
WHERE news
  AND outcome IN ('done', 'empty');
