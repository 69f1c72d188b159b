-- name: StatisticsStale :one
-- Reports whether data has grown by a tenth or more since the planner last looked at
-- it, given how many rows a run inserted. Never where Citus is, whose coordinator does not
-- know: autovacuum looks after the shards. One row of the catalog.
SELECT coalesce(
    c.reltuples < 10 * sqlc.arg(inserted)::bigint AND to_regclass('pg_catalog.pg_dist_partition') IS NULL, true
)::boolean AS stale
FROM pg_catalog.pg_class AS c
WHERE c.oid = 'public.data'::regclass;

-- name: AnalyzeData :exec
-- Tells the planner what data holds after a large load, so that readers get
-- data_timestamp_idx at once and not when autovacuum comes by. PostgreSQL leaves this to
-- the owner of data, who lends it to delfos_etl by a function (schema/grants.sql).
DO $$
BEGIN
    IF has_function_privilege(to_regprocedure('public.delfos_tidy(boolean)'), 'EXECUTE') THEN
        PERFORM public.delfos_tidy(true);
    ELSE
        ANALYZE public.data;
    END IF;
END $$;

-- name: SummarizeData :exec
-- Enters what was appended into data_timestamp_idx; until then its readers
-- look through all of it. The owner's function as above. On a cluster the shards have
-- the rows, each with an index of its own.
DO $$
BEGIN
    IF has_function_privilege(to_regprocedure('public.delfos_tidy(boolean)'), 'EXECUTE') THEN
        PERFORM public.delfos_tidy(false);
        RETURN;
    END IF;
    PERFORM brin_summarize_new_values('public.data_timestamp_idx'::regclass);
    IF to_regclass('pg_catalog.pg_dist_partition') IS NOT NULL THEN
        PERFORM run_command_on_shards(logicalrelid, $c$SELECT brin_summarize_new_values(replace('%s', 'data_', 'data_timestamp_idx_')::regclass)$c$)
        FROM pg_dist_partition
        WHERE logicalrelid = 'public.data'::regclass;
    END IF;
END $$;
