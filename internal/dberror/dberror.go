// Package dberror says what an error of PostgreSQL, or of the way to it, means:
// whether another try may succeed, and what to do if not. The APIs, the ETL, the
// orchestrator, verify and the command line ask it.
//
// It looks at the error alone. A caller that may have cancelled the statement has to
// look at its context first, because the error is the same when an administrator
// cancelled it.
package dberror

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"syscall"

	"github.com/jackc/pgerrcode"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/puddle/v2"

	"github.com/delfos/delfos/internal/pgpool"
)

// Class says what to expect of another try.
type Class string

const (
	// Unknown is an error that is not in the tables: there is no reason for another try.
	Unknown Class = ""
	// Again is a statement or a session that was given up: another try may succeed.
	Again Class = "again"
	// Away is a database that can't be reached now.
	Away Class = "away"
	// Never is a fault that stays until somebody does what the remedy says.
	Never Class = "never"
	// Outdated is a database that lacks what this version names, until its schema is applied.
	Outdated Class = "outdated"
	// Refused is a value that the database can't hold, whoever asks and when.
	Refused Class = "refused"
	// Cancelled is the end of our own context.
	Cancelled Class = "cancelled"
)

// Meaning is what the tables say of an error, without anything of the server's inside.
type Meaning struct {
	Class  Class
	Found  string // what is wrong; empty if it is Unknown
	Remedy string // what to do about it; empty if there is nothing but to try again
}

// Database is one of the databases, by its name in "delfos schema apply"; the zero value is any.
type Database string

// The databases.
const (
	Any    Database = ""
	Source Database = "source"
	Target Database = "target"
)

func (d Database) schema(err error) string {
	command := "delfos schema apply"
	if d != Any {
		command += " " + string(d)
	}
	if pg, ok := errors.AsType[*pgconn.PgError](err); ok && d == Target && strings.Contains(pg.Message, `"river`) {
		command += " river"
	}
	return "`" + command + "`"
}

func (d Database) setting() string {
	if d == Any {
		return "the URL of the database"
	}
	return strings.ToUpper(string(d)) + "_DB_URL"
}

// Of says what an error of this database means. The first row that it matches decides.
func (d Database) Of(err error) Meaning {
	m := meaning(err)
	if strings.Contains(m.Remedy, "{") {
		m.Remedy = strings.NewReplacer("{schema}", d.schema(err), "{setting}", d.setting()).Replace(m.Remedy)
	}
	return m
}

// Explain adds to an error of this database what to do about it, once.
func (d Database) Explain(err error) error {
	if _, done := errors.AsType[*explained](err); done || err == nil {
		return err
	}
	m := d.Of(err)
	if m.Remedy == "" {
		return err
	}
	return &explained{err, m.Remedy}
}

type explained struct {
	err    error
	remedy string
}

func (e *explained) Error() string { return fmt.Sprintf("%v; %s", e.err, e.remedy) }

// Unwrap returns the error.
func (e *explained) Unwrap() error { return e.err }

// meaning is what the tables say, with the names in remedies left open.
func meaning(err error) Meaning {
	// What the server said comes first: pgx closes a session after a FATAL error.
	if pg, ok := errors.AsType[*pgconn.PgError](err); ok {
		return ofState(pg.Code, pg.Message)
	}
	for _, cause := range causes() {
		if cause.is(err) {
			return cause.means
		}
	}
	return Meaning{}
}

// cause is a row of the table of errors that did not come from the server.
type cause struct {
	is    func(error) bool
	means Meaning
}

// causes is that table; the first match counts.
func causes() []cause {
	ended := Meaning{Again, "the session with the database was ended", ""}
	silent := Meaning{Away, "the database does not answer", ""}
	return []cause{
		{is[*pgconn.ParseConfigError], Meaning{Never, "the URL of the database can't be read", "correct {setting}"}},
		{wraps(pgpool.ErrShared), Meaning{
			Never, "the database is reached through a connection pooler in transaction mode, and this takes a session: want session mode, or the database's own port",
			"", // the error says it
		}},
		{untrusted, Meaning{
			Never, "the database and this program don't agree on encryption",
			"correct sslmode, sslrootcert or the host in {setting}, or the server's certificate",
		}},
		{connectSaid("scram", "SCRAM", "SASL", "require_auth", "channel binding"), Meaning{
			Never, "the database and this program don't agree on how to log in", "correct the password and require_auth in {setting}",
		}},
		{wraps(context.Canceled), Meaning{Cancelled, "the work with the database was cancelled", ""}},
		// Before the deadline: a database that does not answer a connection attempt.
		{is[*pgconn.ConnectError], silent},
		{wraps(context.DeadlineExceeded), Meaning{Again, "the database took longer than is allowed here", ""}},
		{wraps(puddle.ErrClosedPool), Meaning{Again, "this program is stopping and takes no more sessions with the database", ""}},
		{wraps(io.EOF, io.ErrUnexpectedEOF, net.ErrClosed, pgconn.ErrConnClosed, syscall.ECONNRESET, syscall.EPIPE), ended},
		{is[net.Error], silent},
		// The session was found to have ended before anything was sent.
		{pgconn.SafeToRetry, ended},
	}
}

// untrusted reports whether err is of TLS: a refusal, or a certificate that is not trusted.
func untrusted(err error) bool {
	return is[*tls.CertificateVerificationError](err) || is[tls.RecordHeaderError](err) || is[tls.AlertError](err) ||
		is[x509.HostnameError](err) || is[x509.UnknownAuthorityError](err) || connectSaid("server refused TLS connection")(err)
}

func is[E error](err error) bool {
	_, ok := errors.AsType[E](err)
	return ok
}

func wraps(targets ...error) func(error) bool {
	return func(err error) bool {
		return slices.ContainsFunc(targets, func(target error) bool { return errors.Is(err, target) })
	}
}

// connectSaid matches what pgx has no type for, by words in the error of a connection attempt.
func connectSaid(words ...string) func(error) bool {
	return func(err error) bool {
		connect, ok := errors.AsType[*pgconn.ConnectError](err)
		return ok && connect.Unwrap() != nil && containsAny(connect.Unwrap().Error(), words)
	}
}

func containsAny(text string, words []string) bool {
	return slices.ContainsFunc(words, func(word string) bool { return strings.Contains(text, word) })
}

// state is a row of the table of SQLSTATEs: whole ones and classes, which are their first two
// characters. says, if any, narrows it to messages that contain one of its texts, for poolers.
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

// states is the table; the first match counts. Codes have the names of PostgreSQL's appendix.
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

		// Again: the transaction or the session was given up. 40001 is also a standby's.
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
		// The columns of a table changed under a prepared statement, which pgx prepares anew.
		{[]string{pgerrcode.FeatureNotSupported}, []string{"cached plan must not change"}, Meaning{Again, "the schema of the database has just changed", retry}},
		// Citus says so of rows that a lost node has prepared to commit, and may lose the code.
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
