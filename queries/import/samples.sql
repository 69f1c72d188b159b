-- name: HasSamples :one
-- Reports whether any turbine of the list has a sample in [start, stop): seed copies
-- straight into data when none has. data_pkey serves it.
SELECT EXISTS (
    SELECT
    FROM data
    WHERE turbine_id = ANY (sqlc.arg(turbine_ids)::integer[])
      AND timestamp >= sqlc.arg(start)::timestamptz
      AND timestamp < sqlc.arg(stop)::timestamptz
);

-- name: InsertStaged :execrows
-- Adds the staged rows whose key is new; rows that exist stay as they are.
-- data_pkey arbitrates.
INSERT INTO data (turbine_id, timestamp, wind_speed, power, ambient_temperature)
SELECT turbine_id, timestamp, wind_speed, power, ambient_temperature
FROM data_stage
ORDER BY turbine_id, timestamp
ON CONFLICT (turbine_id, timestamp) DO NOTHING;

-- name: UpsertStaged :one
-- Adds the staged rows, and updates those that exist and differ; counts both.
-- data_pkey arbitrates; xmax is 0 in a row that was inserted.
WITH written AS (
    INSERT INTO data AS d (turbine_id, timestamp, wind_speed, power, ambient_temperature)
    SELECT turbine_id, timestamp, wind_speed, power, ambient_temperature
    FROM data_stage
    ORDER BY turbine_id, timestamp
    ON CONFLICT (turbine_id, timestamp) DO UPDATE
    SET wind_speed = excluded.wind_speed,
        power = excluded.power,
        ambient_temperature = excluded.ambient_temperature
    WHERE (d.wind_speed, d.power, d.ambient_temperature)
        IS DISTINCT FROM (excluded.wind_speed, excluded.power, excluded.ambient_temperature)
    RETURNING (xmax = 0) AS inserted
)
SELECT
    count(*) FILTER (WHERE inserted) AS inserted,
    count(*) FILTER (WHERE NOT inserted) AS updated
FROM written;

-- name: FindStagedDuplicate :one
-- The first key that stands twice in one import, and where: one pass over the
-- staged rows, no index.
SELECT turbine_id, timestamp, file, line, first_file, first_line
FROM (
    SELECT
        turbine_id, timestamp, file, line,
        coalesce(first_value(file) OVER key, 0)::integer AS first_file,
        coalesce(first_value(line) OVER key, 0)::bigint AS first_line,
        row_number() OVER key AS nth
    FROM data_stage
    WINDOW key AS (PARTITION BY turbine_id, timestamp ORDER BY file, line)
) AS numbered
WHERE nth > 1
ORDER BY file, line
LIMIT 1;
