-- pgbench's transaction: a day of one turbine, any of the year 2025.
\set day random(0, 364)
SELECT turbine_id, timestamp, wind_speed, power, ambient_temperature
FROM data
WHERE turbine_id = ANY ('{1}'::integer[])
  AND timestamp >= '2025-01-01Z'::timestamptz + :day * interval '1 day'
  AND timestamp <= '2025-01-01Z'::timestamptz + :day * interval '1 day' + interval '23:59:59.999999'
ORDER BY turbine_id, timestamp;
