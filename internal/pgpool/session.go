package pgpool

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"strconv"
	"strings"
	"sync/atomic"

	"github.com/jackc/pgerrcode"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// fixed are the settings that the meaning of statements and values rests on.
// Nothing overrides them.
func fixed() map[string]string {
	return map[string]string{
		"search_path":                    "public",
		"TimeZone":                       "UTC",
		"DateStyle":                      "ISO, MDY",
		"IntervalStyle":                  "postgres",
		"client_encoding":                "UTF8",
		"standard_conforming_strings":    "on",
		"bytea_output":                   "hex",
		"extra_float_digits":             "1",
		"array_nulls":                    "on",
		"transform_null_equals":          "off",
		"default_transaction_isolation":  "read committed",
		"default_transaction_deferrable": "off",
	}
}

// usual are the settings of a session that has no others of its own. The limits
// of a role are for people and programs that forget a session; ours have bounds
// of their own, and a load or an export takes as long as it takes.
func usual() map[string]string {
	return map[string]string{
		"statement_timeout":                   "0",
		"lock_timeout":                        "0",
		"idle_in_transaction_session_timeout": "0",
		"idle_session_timeout":                "0",
		// A killed client's session ends within this time even while it waits:
		// what it was writing is rolled back, and the day it claimed is free.
		checkInterval: "500ms",
		// Compiling takes a tenth of a second, and saves none in queries as
		// short as ours. A planner setting such as enable_sort = off makes
		// costs look so high that it would always be done.
		"jit": "off",
	}
}

const (
	checkInterval      = "client_connection_check_interval"
	transactionTimeout = "transaction_timeout" // from PostgreSQL 17 on
)

// start are the parameters that go with the request for a session, as poolers
// and old servers take them: the name, and what a person's URL has as options.
func start() []string { return []string{"application_name", "options"} }

// begin is the statement that a session begins with, if it is the process that
// the server said it is. Another one is a pooler's, and may be others' too.
const begin = `SELECT pg_catalog.pg_backend_pid() = $1::integer,
    CASE WHEN pg_catalog.pg_backend_pid() = $1::integer OR $4::boolean THEN (
        SELECT pg_catalog.count(pg_catalog.set_config(key, value, $3::boolean))
        FROM pg_catalog.json_each_text($2::json)
    ) END`

// session is what the sessions of a pool have in common.
type session struct {
	config    *pgx.ConnConfig
	settings  map[string]string
	shared    bool
	pooled    atomic.Bool // a pooler was found
	lasting   atomic.Bool // a pooler was found to keep sessions
	unwatched atomic.Bool // the server can't look after its client
}

// newSession takes from config what would go with the request for a session and
// is set once there is one.
func newSession(config *pgx.ConnConfig, options Options) *session {
	s := &session{config: config, settings: usual(), shared: options.Shared}
	maps.Copy(s.settings, options.Settings)
	params := map[string]string{"application_name": "delfos"}
	if options.Name != "" {
		params["application_name"] = options.Name
	}
	for name, value := range config.RuntimeParams {
		s.settings[canonical(name)] = value
	}
	for _, name := range start() {
		if value, ok := s.settings[name]; ok {
			params[name] = value
			delete(s.settings, name)
		}
	}
	for _, name := range inOptions(params["options"]) {
		delete(s.settings, name) // the server has set it already
	}
	for name, value := range fixed() {
		s.settings[canonical(name)] = value
	}
	config.RuntimeParams = params
	if config.ConnectTimeout == 0 {
		config.ConnectTimeout = connectTimeout
	}
	keep := config.OnPgError
	config.OnPgError = func(conn *pgconn.PgConn, err *pgconn.PgError) bool {
		// A session keeps default_transaction_read_only as it was at its start:
		// one that can't write would not when others can again.
		return err.Code != pgerrcode.ReadOnlySQLTransaction && keep(conn, err)
	}
	return s
}

// canonical is how a setting is named here; PostgreSQL takes any case.
func canonical(name string) string { return strings.ToLower(name) }

var optionName = regexp.MustCompile(`(?:-c\s*|--)([A-Za-z_][A-Za-z0-9_.-]*)=`)

// inOptions are the settings that options such as "-c work_mem=64MB" make.
func inOptions(options string) []string {
	var names []string
	for _, found := range optionName.FindAllStringSubmatch(options, -1) {
		names = append(names, canonical(strings.ReplaceAll(found[1], "-", "_")))
	}
	return names
}

// of are the settings that a server of this version has.
func (s *session) of(conn *pgconn.PgConn) map[string]string {
	settings := maps.Clone(s.settings)
	major, _, _ := strings.Cut(conn.ParameterStatus("server_version"), ".")
	if version, err := strconv.Atoi(major); err == nil && version >= 17 {
		if _, ok := settings[transactionTimeout]; !ok {
			settings[transactionTimeout] = "0"
		}
	}
	if s.unwatched.Load() {
		delete(settings, checkInterval)
	}
	return settings
}

// begin sets up each session that config opens.
func (s *session) begin(config *pgx.ConnConfig) pgconn.AfterConnectFunc {
	return func(ctx context.Context, conn *pgconn.PgConn) error {
		own, err := s.set(ctx, conn, s.lasting.Load())
		if err != nil || own || s.lasting.Load() {
			return err
		}
		if s.shared {
			s.pooled.Store(true)
			conn.CustomData()[pooled] = config.DefaultQueryExecMode != pgx.QueryExecModeCacheStatement
			return nil
		}
		if err := s.refuseSharing(ctx, conn); err != nil {
			return err
		}
		s.lasting.Store(true)
		_, err = s.set(ctx, conn, true)
		return err
	}
}

// set makes the settings, of any session or of one that is no pooler's, and
// reports whether it is none.
func (s *session) set(ctx context.Context, conn *pgconn.PgConn, anyway bool) (own bool, err error) {
	args, err := s.arguments(conn, false, anyway)
	if err != nil {
		return false, err
	}
	result := conn.ExecParams(ctx, begin, args, nil, nil, nil).Read()
	if refused, ok := result.Err.(*pgconn.PgError); ok && strings.Contains(refused.Message, checkInterval) && !s.unwatched.Swap(true) { //nolint:errorlint // as pgconn gives it
		return s.set(ctx, conn, anyway) // a platform that can't
	}
	if result.Err != nil {
		return false, fmt.Errorf("set up the session: %w", result.Err)
	}
	return len(result.Rows) == 1 && string(result.Rows[0][0]) == "t", nil
}

// arguments are those of begin, in text.
func (s *session) arguments(conn *pgconn.PgConn, local, anyway bool) ([][]byte, error) {
	settings, err := json.Marshal(s.of(conn))
	if err != nil {
		return nil, fmt.Errorf("set up the session: %w", err)
	}
	return [][]byte{
		strconv.AppendInt(nil, int64(int32(conn.PID())), 10), settings,
		strconv.AppendBool(nil, local), strconv.AppendBool(nil, anyway),
	}, nil
}
