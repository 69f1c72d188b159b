# For Atlas's own command line, in place of `delfos schema apply`:
#
#   atlas schema apply --env source --auto-approve
#
# or, with the version of tools/atlas,
#
#   go tool -modfile=tools/atlas/go.mod atlas schema apply --env source --auto-approve
#
# SOURCE_DB_URL and TARGET_DB_URL name the databases. ATLAS_DEV_URL names an
# empty scratch database on the same version of PostgreSQL, in which Atlas
# tries the SQL out.
#
# Both are bound to the schema public: otherwise Atlas would drop what else
# a database holds, River's schema before all. Unlike `delfos schema apply`,
# the command line does not write the reference rows, and does not convert a column
# of text to an enumeration, as an upgrade needs. It drops what others have
# added to the schema public, so read its plan first. It does not see that a
# CHECK of the same name has another expression.

locals {
  # The stand-ins make Atlas say which variable is missing:
  # unknown driver "atlas-dev-url.is.not.set".
  source = getenv("SOURCE_DB_URL") != "" ? getenv("SOURCE_DB_URL") : "SOURCE-DB-URL.is.not.set://name.it"
  target = getenv("TARGET_DB_URL") != "" ? getenv("TARGET_DB_URL") : "TARGET-DB-URL.is.not.set://name.it"
  dev    = getenv("ATLAS_DEV_URL") != "" ? getenv("ATLAS_DEV_URL") : "ATLAS-DEV-URL.is.not.set://name.it"
}

env "source" {
  src = "file://schema/source.sql"
  url = local.source
  dev = local.dev
  schemas = ["public"]
}

env "target" {
  src = "file://schema/target.sql"
  url = local.target
  dev = local.dev
  schemas = ["public"]
}
