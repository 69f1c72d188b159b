-- Makes target_db the coordinator of the two workers, for docker-compose.yaml. It runs with every
-- `up`, and changes nothing that stands. docs/citus.md says what the settings are for.
CREATE EXTENSION IF NOT EXISTS citus;
-- The coordinator asks itself too, and it wants a password.
\getenv password PGPASSWORD
INSERT INTO pg_dist_authinfo (nodeid, rolename, authinfo)
VALUES (0, current_user, 'password=''' || regexp_replace(:'password', '([\\''])', '\\\1', 'g') || '''')
ON CONFLICT (rolename, nodeid) DO UPDATE SET authinfo = excluded.authinfo;
SELECT citus_set_coordinator_host('target_db', 5432);
SELECT citus_add_node('citus_worker_1', 5432);
SELECT citus_add_node('citus_worker_2', 5432);
ALTER DATABASE :"DBNAME" SET citus.enable_deadlock_prevention = off;
ALTER DATABASE :"DBNAME" SET citus.max_adaptive_executor_pool_size = 4;
ALTER SYSTEM SET citus.recover_2pc_interval = '5s';
SELECT pg_reload_conf();
