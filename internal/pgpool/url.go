package pgpool

import (
	"errors"
	"regexp"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

// Parse reads a database's URL, or keywords, as pgx and psql do: a socket's
// folder, several hosts and services too. The error is the reason alone; it
// quotes nothing that may be a piece of a password.
func Parse(url string) (*pgxpool.Config, error) {
	const encoded = "; in a user's name and a password, such as / ? # % are %-encoded"
	if url == "" { // which pgx would fill from PGHOST and the like alone
		return nil, errors.New("it is empty")
	}
	if foreignScheme(url) {
		return nil, errors.New("its scheme is not postgres")
	}
	config, err := pgxpool.ParseConfig(url)
	if err == nil && !cutByPath(url) {
		return config, nil
	}
	if err == nil {
		return nil, errors.New("an @ stands behind its first /" + encoded)
	}
	if !strings.Contains(url, "=") && !strings.Contains(url, "://") {
		return nil, errors.New("it is neither a URL nor keywords such as host=localhost dbname=delfos")
	}
	if _, ok := errors.AsType[*pgconn.ParseConfigError](err); !ok {
		return nil, errors.New("it can't be read")
	}
	// pgx quotes the URL and says the reason behind it.
	said := err.Error()
	said = said[strings.LastIndex(said, "`: ")+len("`: "):]
	switch {
	case strings.HasPrefix(said, "failed to parse as URL"):
		said = "it can't be read as a URL" + encoded
	case strings.HasPrefix(said, "failed to parse as keyword/value"):
		said = "it can't be read as keywords; a value with blanks stands in single quotes"
	case strings.HasPrefix(said, "invalid port"):
		said = "what stands in the place of its port is not one" + encoded
	}
	return nil, errors.New(said)
}

// foreignScheme reports whether url begins with another scheme than
// PostgreSQL's; pgx would take it for keywords when it holds a =.
func foreignScheme(url string) bool {
	scheme, _, ok := strings.Cut(url, "://")
	return ok && !strings.ContainsAny(scheme, "= ") && scheme != "postgres" && scheme != "postgresql"
}

// cutByPath reports whether url begins like postgres://user:12/34@host: pgx takes
// 12 for the port and the rest of the password for the database's name.
func cutByPath(url string) bool {
	_, rest, isURL := strings.Cut(url, "://")
	rest, _, _ = strings.Cut(rest, "?")
	i := strings.IndexAny(rest, "@/")
	return isURL && !foreignScheme(url) && strings.HasPrefix(url, "postgres") && i >= 0 && rest[i] == '/' && strings.Contains(rest, "@")
}

var passwordKeyword = regexp.MustCompile(`(?i)(password\s*=\s*)(?:'(?:\\.|[^'\\])*'|(?:\\.|[^\s\\])*)`)

// Mask is url with xxxxx for its password; false if it can't be read, so that
// nobody can tell where its password is.
func Mask(url string) (string, bool) {
	if _, err := Parse(url); err != nil {
		return "", false
	}
	if !strings.HasPrefix(url, "postgres://") && !strings.HasPrefix(url, "postgresql://") {
		return passwordKeyword.ReplaceAllString(url, "${1}xxxxx"), true
	}
	// pgx masks a URL where it quotes one, and exactly where it can read it.
	quoted := pgconn.NewParseConfigError(url, "", nil).Error()
	return strings.TrimSuffix(strings.TrimPrefix(quoted, "cannot parse `"), "`: "), true
}
