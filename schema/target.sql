-- The target database: the statistics of every 10-minute window, and the
-- ledger of who wrote which day.
--
-- A CHECK that changes takes a new name: Atlas's command line compares names.

-- A signal is one statistic of one variable, named {variable}_{statistic}.
CREATE TABLE signal (
    id integer NOT NULL,
    name text NOT NULL,
    CONSTRAINT signal_pkey PRIMARY KEY (id),
    CONSTRAINT signal_name_not_empty CHECK (name <> '')
);
CREATE UNIQUE INDEX signal_name_key ON signal (name);

-- One value a turbine, signal and window; timestamp is the window's start.
-- signal_id has no foreign key on purpose: docs/adr/0004-no-foreign-key-on-data.md.
CREATE TABLE data (
    turbine_id integer NOT NULL DEFAULT 1,
    signal_id integer NOT NULL,
    timestamp timestamptz NOT NULL,
    value double precision NOT NULL,
    CONSTRAINT data_pkey PRIMARY KEY (turbine_id, signal_id, timestamp),
    CONSTRAINT data_value_finite CHECK (value > '-Infinity'::double precision AND value < 'Infinity'::double precision)
);
CREATE INDEX data_timestamp_idx ON data USING brin (timestamp) WITH (pages_per_range = 16);

-- One request to load days: a command, a backfill, the schedule, the sweep.
CREATE TABLE run (
    id bigint GENERATED ALWAYS AS IDENTITY,
    trigger text NOT NULL,
    first_day date NOT NULL,
    last_day date NOT NULL,
    turbines text,
    created_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT run_pkey PRIMARY KEY (id),
    CONSTRAINT run_trigger_known CHECK (trigger IN ('command', 'backfill', 'schedule', 'sweep')),
    CONSTRAINT run_days_ordered CHECK (first_day <= last_day)
);

-- A row a day. Three groups of columns: the claim (who may write the day now),
-- the last attempt that settled it, and what the target holds of it.
--
-- The claim is alive while its session is (claim_pid and claim_backend_start
-- stand in pg_stat_activity) and lease_until has not passed. token fences: it
-- grows with each claim, and a commit names the token that it holds.
--
-- source_digest is of the samples that were loaded, NULL when they were not all of
-- the day's; source_digest_seen is what the source had when it was last looked at.
-- A day that is done or empty and has another of each is stale.
CREATE TABLE partition (
    day date NOT NULL,
    token bigint NOT NULL DEFAULT 0,
    claim_run_id bigint,
    claim_pid integer,
    claim_backend_start timestamptz,
    lease_until timestamptz,
    run_id bigint,
    outcome text,
    attempt integer NOT NULL DEFAULT 0,
    error text,
    started_at timestamptz,
    finished_at timestamptz,
    inserted bigint,
    updated bigint,
    deleted bigint,
    samples bigint,
    expected bigint,
    windows bigint,
    rows bigint NOT NULL DEFAULT 0,
    loaded_at timestamptz,
    source_digest bigint,
    source_digest_seen bigint,
    target_digest bigint,
    CONSTRAINT partition_pkey PRIMARY KEY (day),
    CONSTRAINT partition_claim_run_id_fkey FOREIGN KEY (claim_run_id) REFERENCES run (id),
    CONSTRAINT partition_run_id_fkey FOREIGN KEY (run_id) REFERENCES run (id),
    CONSTRAINT partition_claim_whole CHECK (num_nulls(claim_run_id, claim_pid, claim_backend_start, lease_until) IN (0, 4)),
    CONSTRAINT partition_outcome_known CHECK (outcome IN ('done', 'empty', 'failed', 'cancelled')),
    CONSTRAINT partition_error_told CHECK (outcome <> 'failed' OR error <> '')
);

-- Which days a run wants and how each ended; outcome is NULL until it has.
CREATE TABLE run_partition (
    run_id bigint NOT NULL,
    day date NOT NULL,
    token bigint,
    outcome text,
    finished_at timestamptz,
    CONSTRAINT run_partition_pkey PRIMARY KEY (run_id, day),
    CONSTRAINT run_partition_run_id_fkey FOREIGN KEY (run_id) REFERENCES run (id),
    CONSTRAINT run_partition_outcome_known CHECK (outcome IN ('done', 'empty', 'failed', 'cancelled'))
);

-- Every claim that was ever handed out, and what became of it. An attempt
-- whose outcome is NULL and whose token is not its day's latest was lost: its
-- process died, or it was stopped beyond its lease.
CREATE TABLE attempt (
    day date NOT NULL,
    token bigint NOT NULL,
    run_id bigint NOT NULL,
    started_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    finished_at timestamptz,
    outcome text,
    error text,
    samples bigint,
    expected bigint,
    inserted bigint,
    updated bigint,
    deleted bigint,
    source_digest_before bigint,
    source_digest_after bigint,
    target_digest_before bigint,
    target_digest_after bigint,
    CONSTRAINT attempt_pkey PRIMARY KEY (day, token),
    CONSTRAINT attempt_day_fkey FOREIGN KEY (day) REFERENCES partition (day),
    CONSTRAINT attempt_run_id_fkey FOREIGN KEY (run_id) REFERENCES run (id),
    CONSTRAINT attempt_outcome_known CHECK (outcome IN ('done', 'empty', 'failed', 'cancelled')),
    CONSTRAINT attempt_finished_whole CHECK ((outcome IS NULL) = (finished_at IS NULL))
);
