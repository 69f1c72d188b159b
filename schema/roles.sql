-- The roles of Delfos, for a server that holds one of its databases or both. None has a
-- password here. What each may do is in grants.sql; docs/roles.md has both in a table.

-- Owns what Delfos made. Nobody logs in as this role; who changes schemas is a member of it.
CREATE ROLE delfos_owner NOLOGIN;

-- The source API (delfos serve). It reads the source.
CREATE ROLE delfos_api LOGIN;

-- What writes the source: delfos seed, import, turbine.
CREATE ROLE delfos_import LOGIN;

-- What writes the target and its queue: delfos etl, orchestrate, verify. A claim is watched, and
-- a stopped one ended, by sessions that log in as the same role: so this is a login itself,
-- and not a group of logins.
CREATE ROLE delfos_etl LOGIN;

-- Analysts. Each has a login of their own, a member of this group.
CREATE ROLE delfos_read NOLOGIN;
