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
