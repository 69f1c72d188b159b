-- name: ReadCheckResults :many
-- @stream
-- What the last loads of the days [first_day, last_day] found. status '' is any.
-- check_result_pkey serves it.
SELECT day, check_name, variable, version, status::text AS status, faults, detail, token, checked_at
FROM check_result
WHERE day BETWEEN sqlc.arg(first_day)::date AND sqlc.arg(last_day)::date
  AND (sqlc.arg(status)::text = '' OR status::text = sqlc.arg(status)::text)
ORDER BY day, check_name, variable;

-- name: ReadFlags :many
-- @stream
-- The doubted windows of [start, stop). flag_timestamp_idx serves it.
SELECT turbine_id, variable, timestamp, check_name, version, detail
FROM flag
WHERE timestamp >= sqlc.arg(start)::timestamptz
  AND timestamp < sqlc.arg(stop)::timestamptz
ORDER BY turbine_id, variable, timestamp, check_name;
