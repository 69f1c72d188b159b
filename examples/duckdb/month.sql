-- A month from the target API by DuckDB, which reads Parquet: energy, power curve, coverage.
--
--	curl -f --oauth2-bearer "$TARGET_API_TOKEN" -o turbines.json "$TARGET_API_URL/turbines"
--	curl -f --oauth2-bearer "$TARGET_API_TOKEN" -o windows.parquet "$TARGET_API_URL/windows?start=2025-01-01&before=2025-02-01&wide=true&signals=power_mean,power_count,wind_speed_mean&format=parquet"
--	duckdb -csv <month.sql

CREATE TABLE turbines AS FROM 'turbines.json';
CREATE TABLE windows AS
FROM 'windows.parquet' AS w JOIN turbines AS t ON t.id = w.turbine_id
SELECT w.*, t.sample_interval AS interval
WHERE power_mean IS NOT NULL;

-- covered seconds of a window: at most all of it
SELECT turbine_id, printf('%.3f', sum(power_mean * least(power_count * interval, 600)) / 3600) AS energy_kwh
FROM windows
GROUP BY turbine_id
ORDER BY turbine_id;

SELECT printf('%.1f', bin / 2) AS wind_speed, printf('%.3f', avg(power_mean)) AS power, count(*) AS windows
FROM (SELECT floor((wind_speed_mean + 0.25) / 0.5) AS bin, power_mean FROM windows WHERE wind_speed_mean IS NOT NULL)
GROUP BY bin
ORDER BY bin;

SELECT
    turbine_id,
    sum(power_count)::bigint AS read,
    (date_diff('day', DATE '2025-01-01', DATE '2025-02-01') * ceil(86400 / any_value(interval)))::bigint AS expected,
    printf('%.3f', sum(power_count) / (date_diff('day', DATE '2025-01-01', DATE '2025-02-01') * ceil(86400 / any_value(interval)))) AS coverage
FROM windows
GROUP BY turbine_id
ORDER BY turbine_id;
