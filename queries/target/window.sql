-- name: NextWindowTurbine :one
-- The turbine after one that has values; no row after the last. data_pkey
-- serves it, a probe each.
SELECT turbine_id
FROM data
WHERE turbine_id > sqlc.arg(after)::integer
ORDER BY turbine_id
LIMIT 1;

-- name: FirstWindow :one
-- When any of the signals of a turbine has its first value in [start, stop); no
-- row if none has one. data_pkey serves it, a probe for each.
SELECT first.timestamp
FROM unnest(sqlc.arg(signal_ids)::integer[]) AS s (id)
CROSS JOIN LATERAL (
    SELECT d.timestamp
    FROM data AS d
    WHERE d.turbine_id = sqlc.arg(turbine_id)::integer
      AND d.signal_id = s.id
      AND d.timestamp >= sqlc.arg(start)::timestamptz
      AND d.timestamp < sqlc.arg(stop)::timestamptz
    ORDER BY d.turbine_id, d.signal_id, d.timestamp
    LIMIT 1
) AS first
ORDER BY first.timestamp
LIMIT 1;

-- name: ReadLoaded :one
-- What the ledger says of the values of [first_day, last_day]: a digest that changes
-- when a load changes any of them or whether they are there, and the day up to which
-- all days from the first on are loaded, after they were over as ReadGrid has it.
-- partition_pkey and run_pkey serve it.
SELECT
    coalesce(bit_xor(hash_record_extended(row(held.day, held.loaded, held.target_digest), 8816678312871386365)), 0)::bigint AS digest,
    (sqlc.arg(first_day)::date + coalesce(max(held.nth) FILTER (
        WHERE held.loaded
          AND held.day = sqlc.arg(first_day)::date + held.nth - 1
    ), 0))::date AS until
FROM (
    SELECT
        p.day,
        p.target_digest,
        whole.loaded,
        (count(*) FILTER (WHERE whole.loaded) OVER (ORDER BY p.day))::integer AS nth -- of the loaded days
    FROM partition AS p
    LEFT JOIN run AS r ON r.id = p.run_id
    CROSS JOIN LATERAL (
        SELECT coalesce(p.outcome IN ('done', 'empty'), false)
            AND coalesce(p.started_at, clock_timestamp()) >= (p.day + 1)::timestamp AT TIME ZONE 'UTC'
            AND r.trigger IS DISTINCT FROM 'today' AS loaded
    ) AS whole
    WHERE p.day BETWEEN sqlc.arg(first_day)::date AND sqlc.arg(last_day)::date
) AS held;
