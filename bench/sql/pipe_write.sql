-- The right end of the pipe: staged, then deleted and inserted in one transaction.
BEGIN;
CREATE TEMPORARY TABLE stage (LIKE replaced.data) ON COMMIT DROP;
\copy stage FROM pstdin (FORMAT binary)
DELETE FROM replaced.data WHERE timestamp >= :'start'::timestamptz AND timestamp < :'stop'::timestamptz;
INSERT INTO replaced.data SELECT turbine_id, signal_id, timestamp, value FROM stage;
COMMIT;
