-- A database as if nothing had ever been loaded, and nothing left to write out.
DROP DATABASE IF EXISTS :"database" WITH (FORCE);
CREATE DATABASE :"database" TEMPLATE :"template";
CHECKPOINT;
