-- name: ReadCheckRules :many
-- How each check treats each variable. Some twenty rows.
SELECT *
FROM check_rule
ORDER BY check_name, variable;

-- name: EnsureCheckRules :execrows
-- Writes the rules that are missing; those that are there stay as somebody set
-- them. check_rule_pkey arbitrates.
INSERT INTO check_rule (check_name, variable, severity, low, high)
SELECT
    unnest(sqlc.arg(check_names)::text[]),
    unnest(sqlc.arg(variables)::text[]),
    unnest(sqlc.arg(severities)::text[])::severity,
    nullif(unnest(sqlc.arg(lows)::double precision[]), 'NaN'),
    nullif(unnest(sqlc.arg(highs)::double precision[]), 'NaN')
ON CONFLICT (check_name, variable) DO NOTHING;

-- name: ReplaceCheckResults :exec
-- Puts the results of a day's checks in the place of the last ones, and removes
-- the day's flags, but those of turbines that are kept: new ones are added
-- afterwards. check_result_pkey and flag_timestamp_idx serve it.
WITH unflagged AS (
    DELETE FROM flag
    WHERE timestamp >= sqlc.arg(start)::timestamptz
      AND timestamp < sqlc.arg(stop)::timestamptz
      AND turbine_id <> ALL (sqlc.arg(kept)::integer[])
),
gone AS (
    DELETE FROM check_result AS c
    WHERE c.day = sqlc.arg(day)::date
      AND (c.check_name, c.variable) NOT IN (
          SELECT unnest(sqlc.arg(check_names)::text[]), unnest(sqlc.arg(variables)::text[])
      )
)
INSERT INTO check_result AS c (day, check_name, variable, version, status, faults, detail, token)
SELECT
    sqlc.arg(day)::date,
    unnest(sqlc.arg(check_names)::text[]),
    unnest(sqlc.arg(variables)::text[]),
    unnest(sqlc.arg(versions)::integer[]),
    unnest(sqlc.arg(statuses)::text[])::check_status,
    unnest(sqlc.arg(faults)::bigint[]),
    unnest(sqlc.arg(details)::text[]),
    sqlc.arg(token)::bigint
ON CONFLICT (day, check_name, variable) DO UPDATE
SET version = excluded.version,
    status = excluded.status,
    faults = excluded.faults,
    detail = excluded.detail,
    token = excluded.token,
    checked_at = excluded.checked_at;

-- name: DeleteFlags :execrows
-- Removes the flags of some turbines in [start, stop). flag_timestamp_idx serves
-- it.
DELETE FROM flag
WHERE timestamp >= sqlc.arg(start)::timestamptz
  AND timestamp < sqlc.arg(stop)::timestamptz
  AND turbine_id = ANY (sqlc.arg(turbine_ids)::integer[]);

-- name: AddFlags :execrows
-- Flags windows.
INSERT INTO flag (turbine_id, variable, timestamp, check_name, version, detail)
SELECT
    unnest(sqlc.arg(turbine_ids)::integer[]),
    unnest(sqlc.arg(variables)::text[]),
    unnest(sqlc.arg(timestamps)::timestamptz[]),
    unnest(sqlc.arg(check_names)::text[]),
    unnest(sqlc.arg(versions)::integer[]),
    unnest(sqlc.arg(details)::text[])
ON CONFLICT (turbine_id, variable, timestamp, check_name) DO UPDATE
SET version = excluded.version,
    detail = excluded.detail;
