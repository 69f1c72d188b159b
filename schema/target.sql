-- The target database: the statistics of every 10-minute window, and the
-- ledger of who wrote which day.
--
-- A CHECK that changes takes a new name: Atlas's command line compares names.

-- How an attempt at a day ended. done: the target holds the windows of what the
-- source held. empty: the source held no samples, and the target holds no values.
-- failed: something is wrong; turbines that could be read are loaded, and all else is
-- unchanged. cancelled: the attempt was ended, and the day is unchanged. pruned: the
-- attempt removed the day's values on purpose.
CREATE TYPE outcome AS ENUM ('done', 'empty', 'failed', 'cancelled', 'pruned');

-- The states of a day and of a run. They are derived, so no column has these types.
CREATE TYPE partition_state AS ENUM ('missing', 'queued', 'running', 'done', 'stale', 'empty', 'failed', 'cancelled', 'pruned');
CREATE TYPE run_state AS ENUM ('queued', 'running', 'done', 'failed', 'cancelled');

-- What asked for a run: a person on the command line, somebody through the API, the
-- schedule, the search for late data, or the schedule for the day that is not over. The
-- last two load nothing: they remove old days from the target, or from the source.
CREATE TYPE run_trigger AS ENUM ('command', 'backfill', 'schedule', 'sweep', 'today', 'prune_target', 'prune_source');

-- Which days of its range a run takes; missing are those that were never loaded.
CREATE TYPE run_scope AS ENUM ('all', 'missing', 'failed', 'stale');

-- What a check does with what it finds. off: the check is not made. warn: the day is
-- loaded with a warning. block: the day is not loaded, and its attempt fails for good.
CREATE TYPE severity AS ENUM ('off', 'warn', 'block');

-- The result of a check.
CREATE TYPE check_status AS ENUM ('pass', 'warn', 'block');

CREATE TYPE event_kind AS ENUM ('partition', 'run', 'schedule');

CREATE TYPE log_level AS ENUM ('debug', 'info', 'warn', 'error');

-- What somebody is told of. day_failed: the last attempt at the day failed, and no other
-- is to come. day_late: the day has been due for more than an hour and is not loaded.
-- source_suspect: the source is not believed.
CREATE TYPE condition_kind AS ENUM ('day_failed', 'day_late', 'source_suspect');

-- A signal is one statistic of one variable, named {variable}_{statistic}.
CREATE TABLE signal (
    id integer NOT NULL,
    name text NOT NULL,
    CONSTRAINT signal_pkey PRIMARY KEY (id),
    CONSTRAINT signal_name_not_empty CHECK (name <> '')
);
CREATE UNIQUE INDEX signal_name_key ON signal (name);

-- The source's turbines, as the last load found them. One that the source no longer has
-- stays, as its values may.
CREATE TABLE turbine (
    id integer NOT NULL,
    name text NOT NULL,
    sample_interval interval NOT NULL DEFAULT '1 minute'::interval,
    rated_power double precision,
    cut_in double precision,
    cut_out double precision,
    rotor_diameter double precision,
    hub_height double precision,
    altitude double precision,
    latitude double precision,
    longitude double precision,
    commissioned date,
    decommissioned date,
    CONSTRAINT turbine_pkey PRIMARY KEY (id)
);
COMMENT ON COLUMN turbine.rated_power IS 'kW';
COMMENT ON COLUMN turbine.cut_in IS 'm/s';
COMMENT ON COLUMN turbine.cut_out IS 'm/s';
COMMENT ON COLUMN turbine.rotor_diameter IS 'm';
COMMENT ON COLUMN turbine.hub_height IS 'm';
COMMENT ON COLUMN turbine.altitude IS 'm';
COMMENT ON COLUMN turbine.latitude IS '°';
COMMENT ON COLUMN turbine.longitude IS '°';

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

-- Days are those of four digits, 0001-01-01 to 9999-12-31, as the API writes them.

-- One request to load days: a command, a backfill, the schedule, the sweep; or to prune them.
-- scope says which days of the range it took, priority (1 the highest, as River
-- counts) how urgent they are. allow_empty lets it remove what the source no longer
-- has, however much that is. parallel bounds how many of its days are in work at
-- once; NULL leaves that to the workers. stop_on_failure cancels the days that wait when
-- one has failed for good. A request that comes again under its
-- idempotency key finds the run that it made. closed_at is when somebody noticed
-- that no request of it is open any more. actor is who asked for the run, NULL when the
-- schedule did; cancelled_by and retried_by are who has done so last. request_id is of the
-- HTTP request that asked for the run, trace_id of the trace that it was opened in, NULL
-- where there was none.
CREATE TABLE run (
    id bigint GENERATED ALWAYS AS IDENTITY,
    trigger run_trigger NOT NULL,
    first_day date NOT NULL,
    last_day date NOT NULL,
    turbines text,
    scope run_scope NOT NULL DEFAULT 'all',
    parallel integer,
    allow_empty boolean NOT NULL DEFAULT false,
    stop_on_failure boolean NOT NULL DEFAULT false,
    idempotency_key text,
    request text,
    actor text,
    request_id text,
    trace_id text,
    created_at timestamptz NOT NULL DEFAULT now(),
    cancelled_at timestamptz,
    cancelled_by text,
    retried_at timestamptz,
    retried_by text,
    closed_at timestamptz,
    priority integer NOT NULL GENERATED ALWAYS AS (CASE trigger WHEN 'schedule' THEN 1 WHEN 'sweep' THEN 2 ELSE 3 END) STORED,
    CONSTRAINT run_pkey PRIMARY KEY (id),
    CONSTRAINT run_parallel_positive CHECK (parallel > 0),
    CONSTRAINT run_request_kept CHECK ((idempotency_key IS NULL) = (request IS NULL)),
    CONSTRAINT run_request_id_loggable CHECK (request_id ~ '^[!-~]{1,128}$'),
    CONSTRAINT run_trace_id_hexadecimal CHECK (trace_id ~ '^[0-9a-f]{32}$'),
    CONSTRAINT run_days_ordered CHECK (first_day <= last_day),
    CONSTRAINT run_days_writable CHECK (first_day >= '0001-01-01' AND last_day <= '9999-12-31')
);
CREATE UNIQUE INDEX run_idempotency_key_key ON run (idempotency_key);
CREATE INDEX run_unclosed_idx ON run (id) WHERE closed_at IS NULL;

-- A row a day. Three groups of columns: the claim (who may write the day now),
-- the last attempt that settled it, and what the target holds of it.
--
-- The claim is alive while its session is (claim_pid and claim_backend_start
-- stand in pg_stat_activity) and lease_until has not passed. token fences: it
-- grows with each claim, and a commit names the token that it holds.
--
-- source_digest is of the samples that were loaded, NULL when they were not all of
-- the day's; source_digest_seen is what the source had when it was last looked at.
-- A day that is done or empty and has another of each is stale; of such a day looked_at
-- says when that was.
--
-- rows_most is the most values that the day has held since a run was last allowed
-- to remove what it liked: a source that loses a little at a time is held against
-- it.
--
-- source_pruned_at is when the day's samples were removed from the source on purpose:
-- that they are gone makes the day neither stale nor its source suspect.
CREATE TABLE partition (
    day date NOT NULL,
    token bigint NOT NULL DEFAULT 0,
    claim_run_id bigint,
    claim_pid integer,
    claim_backend_start timestamptz,
    lease_until timestamptz,
    run_id bigint,
    outcome outcome,
    attempt integer NOT NULL DEFAULT 0,
    next_attempt_at timestamptz,
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
    rows_most bigint NOT NULL DEFAULT 0,
    loaded_at timestamptz,
    source_digest bigint,
    source_digest_seen bigint,
    looked_at timestamptz,
    target_digest bigint,
    source_pruned_at timestamptz,
    CONSTRAINT partition_pkey PRIMARY KEY (day),
    CONSTRAINT partition_day_writable CHECK (day >= '0001-01-01' AND day <= '9999-12-31'),
    CONSTRAINT partition_claim_run_id_fkey FOREIGN KEY (claim_run_id) REFERENCES run (id),
    CONSTRAINT partition_run_id_fkey FOREIGN KEY (run_id) REFERENCES run (id),
    CONSTRAINT partition_claim_whole CHECK (num_nulls(claim_run_id, claim_pid, claim_backend_start, lease_until) IN (0, 4)),
    CONSTRAINT partition_error_given CHECK (outcome <> 'failed' OR error <> '')
);

-- Which days a run wants and how each ended; outcome is NULL until it has: the
-- request is open. Open requests that are queued are the queue; River's jobs follow
-- from them. Those of a command are not queued: its own process works on them. An
-- attempt that began before requested_at does not answer the request.
CREATE TABLE run_partition (
    run_id bigint NOT NULL,
    day date NOT NULL,
    requested_at timestamptz NOT NULL DEFAULT now(),
    token bigint,
    outcome outcome,
    finished_at timestamptz,
    queued boolean NOT NULL DEFAULT true,
    CONSTRAINT run_partition_pkey PRIMARY KEY (run_id, day),
    CONSTRAINT run_partition_day_writable CHECK (day >= '0001-01-01' AND day <= '9999-12-31'),
    CONSTRAINT run_partition_run_id_fkey FOREIGN KEY (run_id) REFERENCES run (id)
);
CREATE INDEX run_partition_day_idx ON run_partition (day, run_id);
CREATE INDEX run_partition_open_idx ON run_partition (day) WHERE outcome IS NULL;

-- Every claim that was ever handed out, and what became of it. An attempt
-- whose outcome is NULL and whose token is not its day's latest was lost: its
-- process died, or it was stopped beyond its lease. actor is who had asked for the run,
-- or for its retry, when the attempt began.
CREATE TABLE attempt (
    day date NOT NULL,
    token bigint NOT NULL,
    run_id bigint NOT NULL,
    actor text,
    started_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    finished_at timestamptz,
    outcome outcome,
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
    CONSTRAINT attempt_finished_whole CHECK ((outcome IS NULL) = (finished_at IS NULL))
);
CREATE INDEX attempt_run_id_idx ON attempt (run_id);

-- Days that somebody removed from the ledger, with the last token of their claims. The
-- next claim takes the token after it, so that an old worker can't pass for the new one.
CREATE TABLE forgotten (
    day date NOT NULL,
    token bigint NOT NULL,
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    actor text,
    CONSTRAINT forgotten_pkey PRIMARY KEY (day)
);

-- A process that works on the queue, alive until lease_until. id is its client
-- in River, jobs are those that it had in hand at beat_at: a running job that no
-- living worker has goes back to the queue. settings are those of its schedule, as the
-- environment has them; processes that differ say so.
CREATE TABLE worker (
    id text NOT NULL,
    host text NOT NULL,
    pid integer NOT NULL,
    workers integer NOT NULL,
    jobs bigint[] NOT NULL,
    started_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    beat_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    lease_until timestamptz NOT NULL,
    settings text NOT NULL DEFAULT '',
    CONSTRAINT worker_pkey PRIMARY KEY (id)
);

-- What changed, in the transaction that changed it. id is given afterwards, by
-- one numbering at a time: a reader that has seen an id has seen all before it,
-- which an id drawn before COMMIT can't promise. Bounded: the oldest go. actor is who
-- asked for the change, NULL when nobody did by hand.
CREATE TABLE event (
    entry bigint GENERATED ALWAYS AS IDENTITY,
    id bigint,
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    kind event_kind NOT NULL,
    day date,
    run_id bigint,
    state text NOT NULL,
    actor text,
    CONSTRAINT event_pkey PRIMARY KEY (entry)
);
CREATE UNIQUE INDEX event_id_key ON event (id);
CREATE INDEX event_unnumbered_idx ON event (entry) WHERE id IS NULL;

-- The log of a run's workers, bounded for each run: the oldest entries go.
CREATE TABLE run_log (
    id bigint GENERATED ALWAYS AS IDENTITY,
    run_id bigint NOT NULL,
    day date,
    at timestamptz NOT NULL,
    level log_level NOT NULL,
    message text NOT NULL,
    attributes jsonb NOT NULL DEFAULT '{}',
    CONSTRAINT run_log_pkey PRIMARY KEY (id),
    CONSTRAINT run_log_run_id_fkey FOREIGN KEY (run_id) REFERENCES run (id) ON DELETE CASCADE
);
CREATE INDEX run_log_run_id_idx ON run_log (run_id, id);

-- The one row of the schedule: what has to outlive a restart. sweep_took is how
-- long the last look for late data, begun at swept_at, kept the source busy. The last one
-- at all days was at swept_whole_at. What changes next is asked for by sweep_cursor, and
-- the days sweep_again are looked at in any case: they were being loaded. today_at is when
-- the running day was last looked at. changed_by is who has last paused or resumed the
-- schedule.
-- suspect_reason is why the source is not believed, so that nothing is asked for
-- that has changed there, and suspect_since when that was first found.
CREATE TABLE schedule (
    id integer NOT NULL,
    paused boolean NOT NULL DEFAULT false,
    checked_at timestamptz,
    swept_at timestamptz,
    sweep_took interval NOT NULL DEFAULT '0'::interval,
    swept_whole_at timestamptz,
    sweep_cursor text,
    sweep_again date[],
    suspect_since timestamptz,
    suspect_reason text,
    today_at timestamptz,
    changed_at timestamptz,
    changed_by text,
    CONSTRAINT schedule_pkey PRIMARY KEY (id),
    CONSTRAINT schedule_suspect_whole CHECK ((suspect_since IS NULL) = (suspect_reason IS NULL)),
    CONSTRAINT schedule_single CHECK (id = 1)
);

-- What is wrong and was told: a row from the notice of its begin to that of its end.
-- day is that of the begin where the condition is not one of a day.
CREATE TABLE condition (
    kind condition_kind NOT NULL,
    day date NOT NULL,
    began_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT condition_pkey PRIMARY KEY (kind, day)
);

-- Notices of conditions of one kind that began, or that ended, in the order in which they
-- are sent. data is what the receiver gets, sent_at when it took that. Until then no
-- process sends the notice before next_attempt_at.
CREATE TABLE notice (
    id bigint GENERATED ALWAYS AS IDENTITY,
    kind condition_kind NOT NULL,
    ended boolean NOT NULL,
    data jsonb NOT NULL,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    attempts integer NOT NULL DEFAULT 0,
    next_attempt_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    sent_at timestamptz,
    CONSTRAINT notice_pkey PRIMARY KEY (id)
);
CREATE UNIQUE INDEX notice_created_at_key ON notice (kind, ended, created_at);
CREATE INDEX notice_unsent_idx ON notice (id) WHERE sent_at IS NULL;

-- The turbines of the running day of which the checks found nothing, as the day's last
-- load had them: while a turbine's digest at the source stays the same, its samples are
-- not read again. Rows of days that are over go with the next running day.
CREATE TABLE turbine_digest (
    day date NOT NULL,
    turbine_id integer NOT NULL,
    samples bigint NOT NULL,
    windows bigint NOT NULL,
    source_digest bigint NOT NULL,
    CONSTRAINT turbine_digest_pkey PRIMARY KEY (day, turbine_id)
);

-- How a check treats a variable ('' when it is of none): whether it warns,
-- blocks or is off, and its limits, in the variable's unit.
CREATE TABLE check_rule (
    check_name text NOT NULL,
    variable text NOT NULL,
    severity severity NOT NULL,
    low double precision,
    high double precision,
    CONSTRAINT check_rule_pkey PRIMARY KEY (check_name, variable)
);

-- What the checks of a day's last load found; faults counts the windows concerned.
CREATE TABLE check_result (
    day date NOT NULL,
    check_name text NOT NULL,
    variable text NOT NULL,
    version integer NOT NULL,
    status check_status NOT NULL,
    faults bigint NOT NULL,
    detail text NOT NULL,
    token bigint NOT NULL,
    checked_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT check_result_pkey PRIMARY KEY (day, check_name, variable),
    CONSTRAINT check_result_day_fkey FOREIGN KEY (day) REFERENCES partition (day)
);
CREATE INDEX check_result_doubt_idx ON check_result (day) WHERE status <> 'pass';

-- Windows that a check warns of. Their values are unchanged. A flag can be computed
-- again at any time, and names the version of the check that set it.
CREATE TABLE flag (
    turbine_id integer NOT NULL,
    variable text NOT NULL,
    timestamp timestamptz NOT NULL,
    check_name text NOT NULL,
    version integer NOT NULL,
    detail text NOT NULL,
    CONSTRAINT flag_pkey PRIMARY KEY (turbine_id, variable, timestamp, check_name)
);
CREATE INDEX flag_timestamp_idx ON flag (timestamp);
