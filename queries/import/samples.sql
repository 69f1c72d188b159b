-- name: HasSamples :one
-- Reports whether any turbine of the list has a sample in [start, stop): seed copies
-- straight into data when none has. data_pkey serves it.
SELECT EXISTS (
    SELECT 1 -- Citus does not run a SELECT of nothing
    FROM data
    WHERE turbine_id = ANY (sqlc.arg(turbine_ids)::integer[])
      AND timestamp >= sqlc.arg(start)::timestamptz
      AND timestamp < sqlc.arg(stop)::timestamptz
    LIMIT 1 -- or it brings all of them to the coordinator
);

-- name: InsertStaged :many
-- Adds the staged rows whose key is new, and counts them by day; rows that exist stay as
-- they are. Counted by RETURNING, as Citus reports the rows that were staged.
-- data_pkey arbitrates.
WITH written AS (
    INSERT INTO data (turbine_id, timestamp, wind_speed, power, ambient_temperature)
    SELECT turbine_id, timestamp, wind_speed, power, ambient_temperature
    FROM data_stage
    ORDER BY turbine_id, timestamp
    ON CONFLICT (turbine_id, timestamp) DO NOTHING
    RETURNING timestamp
)
SELECT (timestamp AT TIME ZONE 'UTC')::date AS day, count(*) AS inserted
FROM written
GROUP BY 1
ORDER BY 1;

-- name: UpsertStaged :many
-- Adds the staged rows, and updates those that exist and differ; counts both by day. Rows of
-- one key are one row: they do not disagree (FindStagedConflict). NaN is a reading that
-- no file has: the stored one stays. Unless the files are partial there is none, and data
-- is not joined. data_pkey serves the join and arbitrates; xmax is 0 in a row that was inserted.
WITH merged AS (
    -- min passes over NaN, which is above all numbers, where there is a number.
    SELECT
        turbine_id, timestamp,
        CASE WHEN bool_and(wind_speed IS NOT NULL) THEN min(wind_speed) END AS wind_speed,
        CASE WHEN bool_and(power IS NOT NULL) THEN min(power) END AS power,
        CASE WHEN bool_and(ambient_temperature IS NOT NULL) THEN min(ambient_temperature) END AS ambient_temperature
    FROM data_stage
    GROUP BY turbine_id, timestamp
), written AS (
    INSERT INTO data AS d (turbine_id, timestamp, wind_speed, power, ambient_temperature)
    SELECT
        m.turbine_id, m.timestamp,
        CASE WHEN m.wind_speed = 'NaN' THEN s.wind_speed ELSE m.wind_speed END,
        CASE WHEN m.power = 'NaN' THEN s.power ELSE m.power END,
        CASE WHEN m.ambient_temperature = 'NaN' THEN s.ambient_temperature ELSE m.ambient_temperature END
    FROM merged AS m
    LEFT JOIN data AS s
        ON sqlc.arg(partial)::boolean AND s.turbine_id = m.turbine_id AND s.timestamp = m.timestamp
    ORDER BY m.turbine_id, m.timestamp
    ON CONFLICT (turbine_id, timestamp) DO UPDATE
    SET wind_speed = excluded.wind_speed,
        power = excluded.power,
        ambient_temperature = excluded.ambient_temperature
    WHERE (d.wind_speed, d.power, d.ambient_temperature)
        IS DISTINCT FROM (excluded.wind_speed, excluded.power, excluded.ambient_temperature)
    RETURNING timestamp, (xmax = 0) AS inserted
)
SELECT
    (timestamp AT TIME ZONE 'UTC')::date AS day,
    count(*) FILTER (WHERE inserted) AS inserted,
    count(*) FILTER (WHERE NOT inserted) AS updated
FROM written
GROUP BY 1
ORDER BY 1;

-- name: FindStagedConflict :one
-- The first row that disagrees with one before it about a reading that both files
-- have, and where both are. Asked only when a key may come twice; no index.
SELECT b.turbine_id, b.timestamp, b.file, b.line, a.file AS first_file, a.line AS first_line
FROM data_stage AS a
JOIN data_stage AS b ON b.turbine_id = a.turbine_id AND b.timestamp = a.timestamp AND (b.file, b.line) > (a.file, a.line)
WHERE (a.wind_speed IS DISTINCT FROM b.wind_speed AND 'NaN' <> ALL (ARRAY[coalesce(a.wind_speed, 0), coalesce(b.wind_speed, 0)]))
   OR (a.power IS DISTINCT FROM b.power AND 'NaN' <> ALL (ARRAY[coalesce(a.power, 0), coalesce(b.power, 0)]))
   OR (a.ambient_temperature IS DISTINCT FROM b.ambient_temperature AND 'NaN' <> ALL (ARRAY[coalesce(a.ambient_temperature, 0), coalesce(b.ambient_temperature, 0)]))
ORDER BY b.file, b.line, a.file, a.line
LIMIT 1;
