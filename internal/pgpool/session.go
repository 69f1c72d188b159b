package pgpool

import (
	"cmp"
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
	"github.com/jackc/pgx/v5/pgxpool"
)

// fixed are the settings on which the meaning of statements depends. Nothing overrides them.
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

// usual are the settings that Options and the URL may override. A role's limits are for people and
// programs that forget a session; a load or an export may take long.
func usual() map[string]string {
	return map[string]string{
		"statement_timeout":                   "0",
		"lock_timeout":                        "0",
		"idle_in_transaction_session_timeout": "0",
		"idle_session_timeout":                "0",
		// The session of a killed client ends within this time even while it waits:
		// what it wrote is rolled back, and the day that it claimed is free.
		checkInterval: "500ms",
		// Compiling takes a tenth of a second, which our short queries do not save, and a planner
		// setting such as enable_sort = off makes PostgreSQL compile always.
		"jit": "off",
	}
}

const (
	checkInterval      = "client_connection_check_interval"
	transactionTimeout = "transaction_timeout" // from PostgreSQL 17 on
)

// begin is the statement that a session begins with. It makes the settings if the
// session is the process that the server named at the start ($1), or if $4 says so.
// Another process is a pooler's, and other clients may use it too.
const begin = `SELECT pg_catalog.pg_backend_pid() = $1::integer,
    CASE WHEN pg_catalog.pg_backend_pid() = $1::integer OR $4::boolean THEN (
        SELECT pg_catalog.count(pg_catalog.set_config(key, value, $3::boolean))
        FROM pg_catalog.json_each_text($2::json)
    ) END`

type session struct {
	config    *pgx.ConnConfig
	settings  map[string]string
	shared    bool
	pooled    atomic.Bool // a pooler was found
	lasting   atomic.Bool // a pooler was found to keep sessions
	unwatched atomic.Bool // the server can't look after its client
}

// newSession moves the settings from the request for a session to the statement it begins with.
func newSession(config *pgx.ConnConfig, options Options) *session {
	s := &session{config: config, settings: usual(), shared: options.Shared}
	maps.Copy(s.settings, options.Settings)
	params := map[string]string{"application_name": cmp.Or(options.Name, "delfos")}
	for name, value := range config.RuntimeParams {
		s.settings[strings.ToLower(name)] = value // PostgreSQL takes any case
	}
	for _, name := range []string{"application_name", "options"} { // which poolers and old servers take at the start

		if value, ok := s.settings[name]; ok {
			params[name] = value
			delete(s.settings, name)
		}
	}
	for _, name := range inOptions(params["options"]) {
		delete(s.settings, name) // the server has set it already
	}
	for name, value := range fixed() {
		s.settings[strings.ToLower(name)] = value
	}
	config.RuntimeParams = params
	config.ConnectTimeout = cmp.Or(config.ConnectTimeout, connectTimeout)
	keep := config.OnPgError
	config.OnPgError = func(conn *pgconn.PgConn, err *pgconn.PgError) bool {
		// A session keeps default_transaction_read_only; one that can't write is closed for a new one.
		return err.Code != pgerrcode.ReadOnlySQLTransaction && keep(conn, err)
	}
	return s
}

var optionName = regexp.MustCompile(`(?:-c\s*|--)([A-Za-z_][A-Za-z0-9_.-]*)=`)

// inOptions are the settings that options such as "-c work_mem=64MB" make.
func inOptions(options string) []string {
	var names []string
	for _, found := range optionName.FindAllStringSubmatch(options, -1) {
		names = append(names, strings.ToLower(strings.ReplaceAll(found[1], "-", "_")))
	}
	return names
}

// of returns the settings that the server of conn knows.
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

// set makes the settings of a session, of a pooler's only if anyway is true, and
// reports whether the session is not a pooler's.
func (s *session) set(ctx context.Context, conn *pgconn.PgConn, anyway bool) (own bool, err error) {
	args, err := s.arguments(conn, false, anyway)
	if err != nil {
		return false, err
	}
	result := conn.ExecParams(ctx, begin, args, nil, nil, nil).Read()
	if refused, ok := result.Err.(*pgconn.PgError); ok && strings.Contains(refused.Message, checkInterval) && !s.unwatched.Swap(true) { //nolint:errorlint // as pgconn gives it
		return s.set(ctx, conn, anyway) // without it, which not every platform has
	}
	if result.Err != nil {
		return false, fmt.Errorf("set up the session: %w", result.Err)
	}
	return len(result.Rows) == 1 && string(result.Rows[0][0]) == "t", nil
}

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

// acquired begins a transaction when a connection to a pooler is taken out of the pool, because
// settings last no longer than that there.
func (s *session) acquired(ctx context.Context, conn *pgx.Conn) (bool, error) {
	c := conn.PgConn()
	fit, isPooled := c.CustomData()[pooled].(bool)
	if !isPooled {
		return true, nil
	}
	if !fit { // the first one, in the place of which the pool opens another
		return false, nil
	}
	args, err := s.arguments(c, true, true)
	if err != nil {
		return false, err
	}
	batch := &pgconn.Batch{}
	batch.ExecParams("BEGIN READ ONLY, ISOLATION LEVEL REPEATABLE READ", nil, nil, nil, nil)
	batch.ExecParams(begin, args, nil, nil, nil)
	if err := c.ExecBatch(ctx, batch).Close(); err != nil {
		return false, fmt.Errorf("set up the session: %w", err)
	}
	return true, nil
}

// released ends that transaction when the connection is given back. pgx calls it, as
// a tracer, before it decides whether the connection may stay in the pool.
type released struct{}

var _ pgxpool.ReleaseTracer = released{}

// TraceRelease implements pgxpool.ReleaseTracer.
func (released) TraceRelease(_ *pgxpool.Pool, data pgxpool.TraceReleaseData) {
	c := data.Conn.PgConn()
	if c.CustomData()[pooled] == nil || c.IsClosed() || c.IsBusy() || c.TxStatus() == 'I' {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), lookTimeout)
	defer cancel()
	_, _ = c.Exec(ctx, "ROLLBACK").ReadAll() // if it fails, pgx closes the connection
}

// TraceQueryStart implements pgx.QueryTracer, which a tracer is.
func (released) TraceQueryStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceQueryStartData) context.Context {
	return ctx
}

// TraceQueryEnd implements pgx.QueryTracer.
func (released) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) {}
