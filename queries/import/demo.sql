-- What makes the turbines of the demo differ. Each statement leaves rows alone that are as
-- it makes them, so that it may come again. data_pkey serves all of them.

-- name: DerateTurbine :exec
-- Bounds the power of a turbine in [start, stop).
UPDATE data
SET power = sqlc.arg(most)::double precision
WHERE turbine_id = sqlc.arg(turbine_id)::integer
  AND timestamp >= sqlc.arg(start)::timestamptz
  AND timestamp < sqlc.arg(stop)::timestamptz
  AND power > sqlc.arg(most)::double precision;

-- name: FreezeWindSpeed :exec
-- Has the anemometer of a turbine say in [start, stop) what it said at start.
UPDATE data AS d
SET wind_speed = first.wind_speed
FROM data AS first
WHERE first.turbine_id = sqlc.arg(turbine_id)::integer
  AND first.timestamp = sqlc.arg(start)::timestamptz
  AND d.turbine_id = sqlc.arg(turbine_id)::integer
  AND d.timestamp > sqlc.arg(start)::timestamptz
  AND d.timestamp < sqlc.arg(stop)::timestamptz
  AND d.wind_speed <> first.wind_speed;

-- name: RemoveSamples :execrows
-- Removes the samples of a turbine in [start, stop).
DELETE FROM data
WHERE turbine_id = sqlc.arg(turbine_id)::integer
  AND timestamp >= sqlc.arg(start)::timestamptz
  AND timestamp < sqlc.arg(stop)::timestamptz;

-- name: CorrectPower :exec
-- Adds to the power of a turbine in [start, stop), as a correction that comes late does.
UPDATE data
SET power = power + sqlc.arg(kilowatts)::double precision
WHERE turbine_id = sqlc.arg(turbine_id)::integer
  AND timestamp >= sqlc.arg(start)::timestamptz
  AND timestamp < sqlc.arg(stop)::timestamptz;
