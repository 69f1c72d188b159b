package dberror

import (
	"slices"
	"strings"

	"github.com/jackc/pgerrcode"
)

// state is a row of the table of SQLSTATEs. codes has whole ones and classes,
// which are their first two characters. says, if any, narrows the row to messages
// that contain one of its texts, because poolers have one code for everything.
type state struct {
	codes []string
	says  []string
	means Meaning
}

const (
	retry     = ""
	migrate   = "{schema} brings the database to this version"
	grant     = "connect as the owner of the tables in {setting}, or grant the role what it lacks; `delfos schema apply roles` does it for the roles of Delfos"
	pooler    = "give a pooler session mode (pool_mode = session), or name the database itself in {setting}"
	logIn     = "correct the user and the password in {setting}, or in the variables of its parts"
	allow     = "allow this host, user and database in the server's pg_hba.conf, or correct {setting}"
	create    = "create it, or correct {setting}"
	writable  = "turn default_transaction_read_only off, or name the primary in {setting}"
	damage    = "look at the database server's log and restore what is damaged"
	corrected = "correct the settings in {setting}"
)

// states is the table; the first match counts. The names of the codes are those
// of https://www.postgresql.org/docs/current/errcodes-appendix.html.
func states() []state {
	pooled := Meaning{Never, "a pooler in transaction mode stands before the database, and this takes a session", pooler}
	refusedLogin := Meaning{Never, "the database refuses the user or its password", logIn}
	missing := Meaning{Away, "the database does not exist", create}
	cancelled := "a statement was cancelled, by its timeout or by an administrator of the database"
	return []state{
		// What poolers say. PgBouncer has 08P01 for nearly everything.
		{[]string{pgerrcode.ProtocolViolation}, []string{"unsupported startup parameter"}, Meaning{
			Never, "a pooler before the database refuses a setting of the session",
			"let it ignore that one (ignore_startup_parameters), or name the database itself in {setting}",
		}},
		{[]string{pgerrcode.ProtocolViolation}, []string{"auth", "no such user", "wrong password", `role "`}, refusedLogin},
		{[]string{pgerrcode.ProtocolViolation}, []string{"no such database", "does not exist"}, missing},
		{[]string{pgerrcode.DuplicatePreparedStatement, pgerrcode.InvalidSQLStatementName}, nil, pooled},

		// Again: the transaction or the session was given up. 40001 is also a
		// standby's that had to go on with what its primary sent.
		{[]string{"40"}, []string{"conflict with recovery"}, Meaning{Again, "the database is a standby, and its primary changed what was being read", retry}},
		{[]string{"40"}, nil, Meaning{Again, "the database gave the transaction up for the sake of another", retry}},
		{[]string{pgerrcode.IdleInTransactionSessionTimeout, "25P04"}, nil, Meaning{Again, "the database ended a transaction that lasted too long for it", retry}},
		{[]string{pgerrcode.InFailedSQLTransaction}, nil, Meaning{Again, "the database had given the transaction up", retry}},
		{[]string{pgerrcode.ReadOnlySQLTransaction}, nil, Meaning{Again, "the database takes no writes now", writable}},
		{[]string{pgerrcode.DiskFull}, nil, Meaning{Again, "the disk of the database is full", "make room on the database's disk"}},
		{[]string{pgerrcode.TooManyConnections}, nil, Meaning{Again, "the database has no connection free", "raise its max_connections, or have fewer clients"}},
		{[]string{"53"}, nil, Meaning{Again, "the database is short of memory or another resource", retry}},
		{[]string{pgerrcode.LockNotAvailable}, nil, Meaning{Again, "the database holds locked what is needed", retry}},
		{[]string{pgerrcode.ObjectNotInPrerequisiteState, pgerrcode.ObjectInUse}, nil, Meaning{Again, "the database does not take that now", retry}},
		{[]string{pgerrcode.QueryCanceled}, []string{"conflict with recovery"}, Meaning{Again, "the database is a standby, and its primary changed what was being read", retry}},
		{[]string{pgerrcode.QueryCanceled}, nil, Meaning{Again, cancelled, retry}},
		{[]string{pgerrcode.CannotConnectNow}, nil, Meaning{Again, "the database is starting or stopping", retry}},
		{[]string{pgerrcode.DatabaseDropped}, nil, missing},
		{[]string{"57"}, nil, Meaning{Again, "the database ended the session", retry}},
		{[]string{"72000"}, nil, Meaning{Again, "the database no longer has the snapshot that was being read", retry}}, // snapshot_too_old, to 16
		// The columns of a table changed under a prepared statement, which pgx
		// prepares anew.
		{[]string{pgerrcode.FeatureNotSupported}, []string{"cached plan must not change"}, Meaning{Again, "the schema of the database has just changed", retry}},
		// Citus says so of rows that a lost node has prepared to commit, and may
		// lose the code of the error on the way.
		{[]string{pgerrcode.InternalError}, []string{"duplicate key value"}, Meaning{Again, "a node of the database is still committing what was written before", retry}},

		// Away.
		{[]string{"08"}, nil, Meaning{Away, "the connection to the database failed", retry}},
		{[]string{pgerrcode.InvalidCatalogName}, nil, missing},

		// Never, and outdated.
		{[]string{pgerrcode.InvalidAuthorizationSpecification}, []string{"pg_hba.conf"}, Meaning{Never, "the database refuses connections from this host", allow}},
		{[]string{"28"}, nil, refusedLogin},
		{[]string{pgerrcode.InsufficientPrivilege}, nil, Meaning{Never, "the role lacks a privilege in the database", grant}},
		{[]string{pgerrcode.UndefinedObject}, []string{"unrecognized configuration parameter"}, Meaning{
			Never, "the database lacks a setting that is asked of the session", corrected,
		}},
		{
			[]string{
				pgerrcode.UndefinedTable, pgerrcode.UndefinedColumn, pgerrcode.UndefinedFunction,
				pgerrcode.InvalidSchemaName, pgerrcode.UndefinedObject,
			},
			nil,
			Meaning{Outdated, "the database lacks a table, a column or another object that this version uses", migrate},
		},
		{[]string{pgerrcode.InvalidTextRepresentation}, []string{"invalid input value for enum"}, Meaning{
			Outdated, "the database lacks a value of an enumeration that this version uses", migrate,
		}},
		{[]string{pgerrcode.CantChangeRuntimeParam}, nil, Meaning{Never, "the database refuses a setting of the session", corrected}},
		{[]string{pgerrcode.DataCorrupted, pgerrcode.IndexCorrupted}, nil, Meaning{Never, "the database says that its data is damaged", damage}},

		// Refused. A text with a byte that is not of its encoding, or with a zero.
		{[]string{pgerrcode.CharacterNotInRepertoire, pgerrcode.UntranslatableCharacter}, nil, Meaning{
			Refused, "a text has bytes that the database can't hold", "send UTF-8 without zero bytes",
		}},
	}
}

// ofState looks up an error of the server.
func ofState(code, message string) Meaning {
	for _, row := range states() {
		if row.matches(code, message) {
			return row.means
		}
	}
	return Meaning{}
}

func (s state) matches(code, message string) bool {
	const class = 2 // characters
	ofCode := func(c string) bool { return c == code || len(c) == class && strings.HasPrefix(code, c) }
	return slices.ContainsFunc(s.codes, ofCode) && (s.says == nil || containsAny(message, s.says))
}
