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

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/puddle/v2"

	"github.com/delfos/delfos/internal/pgpool"
)

// Class says what to expect of another try.
type Class string

const (
	// Unknown is an error that is not in the tables, or not of a database. There is
	// no reason for another try.
	Unknown Class = ""
	// Again is a statement or a session that was given up: the database is there,
	// and another try may succeed.
	Again Class = "again"
	// Away is a database that can't be reached now.
	Away Class = "away"
	// Never is a fault that stays until somebody does what the remedy says.
	Never Class = "never"
	// Outdated is a database that lacks what this version names, as one does whose schema
	// is older: it stays until somebody brings the schema to this version.
	Outdated Class = "outdated"
	// Refused is a value that the database can't hold, whoever asks and when.
	Refused Class = "refused"
	// Cancelled is the end of our own context.
	Cancelled Class = "cancelled"
)

// Meaning is what the tables say of an error. Found and Remedy reveal nothing of the
// server's inside, so that a client may read them.
type Meaning struct {
	Class  Class
	Found  string // what is wrong; empty if it is Unknown
	Remedy string // what to do about it; empty if there is nothing but to try again
}

// Database is one of the databases of Delfos, by its name in "delfos schema
// apply". The zero value is any of them.
type Database string

// The databases.
const (
	Any    Database = ""
	Source Database = "source"
	Target Database = "target"
)

// schema is the command that brings the database to this version.
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

// setting is the variable that names the database.
func (d Database) setting() string {
	if d == Any {
		return "the URL of the database"
	}
	return strings.ToUpper(string(d)) + "_DB_URL"
}

// Of says what an error of this database means. The first row of the tables that it
// matches decides.
func (d Database) Of(err error) Meaning {
	m := meaning(err)
	if strings.Contains(m.Remedy, "{") {
		m.Remedy = strings.NewReplacer("{schema}", d.schema(err), "{setting}", d.setting()).Replace(m.Remedy)
	}
	return m
}

// Explain adds to an error of this database what to do about it, if that is known
// and was not added before.
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

// explained is an error with its remedy.
type explained struct {
	err    error
	remedy string
}

func (e *explained) Error() string { return fmt.Sprintf("%v; %s", e.err, e.remedy) }

// Unwrap returns the error.
func (e *explained) Unwrap() error { return e.err }

// meaning is what the tables say, with the names in remedies left open.
func meaning(err error) Meaning {
	// What the server said comes first: pgx closes a session after a FATAL error,
	// and tries other addresses after a refusal.
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

// untrusted reports whether err is of TLS: a refusal of it, another server's
// certificate, or one that is not trusted.
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

// connectSaid matches what pgx has no type for: an error of a connection attempt
// whose text has one of the words.
func connectSaid(words ...string) func(error) bool {
	return func(err error) bool {
		connect, ok := errors.AsType[*pgconn.ConnectError](err)
		return ok && connect.Unwrap() != nil && containsAny(connect.Unwrap().Error(), words)
	}
}

func containsAny(text string, words []string) bool {
	return slices.ContainsFunc(words, func(word string) bool { return strings.Contains(text, word) })
}
