-- A day of each state, from 2025-01-01 on: done, stale, empty, failed and to be
-- tried again, failed, cancelled, queued, running. The running one is claimed by
-- the session that runs this.

INSERT INTO run (trigger, first_day, last_day, turbines, scope, parallel, created_at) VALUES
    ('backfill', '2025-01-01', '2025-01-06', NULL, 'all', 2, '2025-01-08 01:00Z'),
    ('command', '2025-01-01', '2025-01-01', '1-50', 'all', NULL, '2025-01-08 02:00Z'),
    ('schedule', '2025-01-07', '2025-01-07', NULL, 'missing', NULL, '2025-01-08 03:00Z'),
    ('sweep', '2025-01-08', '2025-01-08', NULL, 'stale', NULL, '2025-01-09 04:00Z');

INSERT INTO partition (day, token, run_id, outcome, attempt, next_attempt_at, error, started_at, finished_at,
    inserted, updated, deleted, samples, expected, windows, rows, loaded_at, source_digest, source_digest_seen, target_digest)
VALUES
    ('2025-01-01', 2, 2, 'done', 1, NULL, NULL, '2025-01-08 02:00:00Z', '2025-01-08 02:00:01Z', 0, 12, 0, 1440, 1440, 144, 2160, '2025-01-08 02:00:01.25Z', -1, -1, 5),
    ('2025-01-02', 1, 1, 'done', 1, NULL, NULL, '2025-01-08 01:00:01Z', '2025-01-08 01:00:02Z', 2100, 0, 0, 1400, 1440, 140, 2100, '2025-01-08 01:00:02Z', 1, 2, 6),
    ('2025-01-03', 1, 1, 'empty', 1, NULL, NULL, '2025-01-08 01:00:02Z', '2025-01-08 01:00:03Z', 0, 0, 0, 0, 0, 0, 0, NULL, NULL, NULL, NULL),
    ('2025-01-04', 3, 1, 'failed', 3, '2025-01-08 01:05Z', 'turbine 1: 503', '2025-01-08 01:00:04Z', '2025-01-08 01:00:05Z', NULL, NULL, NULL, NULL, NULL, NULL, 0, NULL, NULL, NULL, NULL),
    ('2025-01-05', 1, 1, 'failed', 1, NULL, 'turbine 1: a reading is no number', '2025-01-08 01:00:05Z', '2025-01-08 01:00:06Z', NULL, NULL, NULL, NULL, NULL, NULL, 0, NULL, NULL, NULL, NULL);

INSERT INTO partition (day, token, claim_run_id, claim_pid, claim_backend_start, lease_until)
SELECT '2025-01-08', 1, 4, a.pid, a.backend_start, 'infinity'
FROM pg_stat_activity AS a WHERE a.pid = pg_backend_pid();

INSERT INTO run_partition (run_id, day, requested_at, token, outcome, finished_at) VALUES
    (1, '2025-01-01', '2025-01-08 01:00Z', 1, 'done', '2025-01-08 01:00:01Z'),
    (1, '2025-01-02', '2025-01-08 01:00Z', 1, 'done', '2025-01-08 01:00:02Z'),
    (1, '2025-01-03', '2025-01-08 01:00Z', 1, 'empty', '2025-01-08 01:00:03Z'),
    (1, '2025-01-04', '2025-01-08 01:00Z', 3, 'failed', '2025-01-08 01:00:05Z'),
    (1, '2025-01-05', '2025-01-08 01:00Z', 1, 'failed', '2025-01-08 01:00:06Z'),
    (1, '2025-01-06', '2025-01-08 01:00Z', NULL, 'cancelled', '2025-01-08 01:00:07Z'),
    (2, '2025-01-01', '2025-01-08 02:00Z', 2, 'done', '2025-01-08 02:00:01Z'),
    (3, '2025-01-07', '2025-01-08 03:00Z', NULL, NULL, NULL),
    (4, '2025-01-08', '2025-01-09 04:00Z', NULL, NULL, NULL);

INSERT INTO attempt (day, token, run_id, started_at, finished_at, outcome, error, samples, expected, inserted, updated, deleted,
    source_digest_before, source_digest_after, target_digest_before, target_digest_after)
VALUES
    ('2025-01-01', 1, 1, '2025-01-08 01:00:00Z', '2025-01-08 01:00:01Z', 'done', NULL, 1440, 1440, 2160, 0, 0, NULL, 255, NULL, 4),
    ('2025-01-01', 2, 2, '2025-01-08 02:00:00Z', '2025-01-08 02:00:01Z', 'done', NULL, 1440, 1440, 0, 12, 0, 255, -1, 4, 5),
    ('2025-01-05', 1, 1, '2025-01-08 01:00:05Z', '2025-01-08 01:00:06Z', 'failed', 'turbine 1: a reading is no number', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL),
    ('2025-01-08', 1, 4, '2025-01-09 04:00:00Z', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);

INSERT INTO run_log (run_id, day, at, level, message, attributes) VALUES
    (1, NULL, '2025-01-08 01:00Z', 'info', 'run began', '{}'),
    (1, '2025-01-01', '2025-01-08 01:00:01Z', 'info', 'partition done', '{"rows": 2160, "digest": 9007199254740993, "nested": {"a": [1, null]}}'),
    (1, '2025-01-05', '2025-01-08 01:00:06Z', 'error', 'partition failed', '{"error": "turbine 1: a reading is no \"number\""}');

INSERT INTO check_result (day, check_name, variable, version, status, faults, detail, token, checked_at) VALUES
    ('2025-01-01', 'completeness', '', 1, 'pass', 0, 'all of 1440 samples', 2, '2025-01-08 02:00:01Z'),
    ('2025-01-01', 'range', 'wind_speed', 1, 'warn', 3, '3 readings outside [0, 60] m/s', 2, '2025-01-08 02:00:01Z'),
    ('2025-01-05', 'range', 'power', 2, 'block', 1, '1 reading outside [-100, 10000] kW', 1, '2025-01-08 01:00:06Z');

INSERT INTO flag (turbine_id, variable, timestamp, check_name, version, detail) VALUES
    (2, 'wind_speed', '2025-01-01 00:10Z', 'frozen', 1, '6.7 m/s for 42 minutes'),
    (1, 'wind_speed', '2025-01-01 00:20Z', 'range', 1, '61 m/s'),
    (1, 'power', '2025-01-01 00:30Z', 'curve', 3, '900 kW at 3 m/s'),
    (1, 'power', '2025-01-02 00:00Z', 'curve', 3, '950 kW at 3 m/s');

INSERT INTO schedule (id, paused, checked_at, swept_at) VALUES (1, false, '2025-01-10 11:59Z', '2025-01-10 11:55Z')
ON CONFLICT (id) DO UPDATE SET paused = excluded.paused, checked_at = excluded.checked_at, swept_at = excluded.swept_at;

INSERT INTO event (id, at, kind, day, run_id, state) VALUES
    (1, '2025-01-08 01:00Z', 'run', NULL, 1, 'queued'),
    (2, '2025-01-08 01:00:01Z', 'partition', '2025-01-01', 1, 'running'),
    (3, '2025-01-08 01:00:02Z', 'partition', '2025-01-01', 1, 'done');
