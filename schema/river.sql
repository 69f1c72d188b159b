-- What our queries use of River's tables, for sqlc alone: the tables themselves are
-- made by River's own migrations (ApplyRiver).
CREATE SCHEMA river;

CREATE TYPE river.river_job_state AS ENUM (
    'available', 'cancelled', 'completed', 'discarded', 'pending', 'retryable', 'running', 'scheduled'
);

CREATE TABLE river.river_job (
    id bigint NOT NULL PRIMARY KEY,
    state river.river_job_state NOT NULL,
    attempt smallint NOT NULL,
    max_attempts smallint NOT NULL,
    attempted_at timestamptz,
    finalized_at timestamptz,
    scheduled_at timestamptz NOT NULL,
    priority smallint NOT NULL,
    args jsonb NOT NULL,
    attempted_by text[],
    kind text NOT NULL,
    queue text NOT NULL
);

CREATE TABLE river.river_queue (
    name text NOT NULL PRIMARY KEY,
    paused_at timestamptz
);
