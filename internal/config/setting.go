package config

import (
	"errors"
	"io"
	"log/slog"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"github.com/delfos/delfos/internal/apiclient"
	"github.com/delfos/delfos/internal/notify"
	"github.com/delfos/delfos/server/auth"
	"github.com/delfos/delfos/server/httpserve"
)

// SourceDB says where the source database is.
type SourceDB struct {
	SourceDBURL string `default:"postgres://delfos:delfos@localhost:5433/delfos?sslmode=disable" env:"SOURCE_DB_URL" help:"source database; without it SOURCE_DB_HOST and the like" kind:"URL" want:"database"`
}

// TargetDB says where the target database is.
type TargetDB struct {
	TargetDBURL string `default:"postgres://delfos:delfos@localhost:5434/delfos?sslmode=disable" env:"TARGET_DB_URL" help:"target database; without it TARGET_DB_HOST and the like" kind:"URL" want:"database"`
}

// Atlas says where a schema is planned.
type Atlas struct {
	DevURL string `env:"ATLAS_DEV_URL" help:"empty scratch database to plan in; without it one is created beside the database and dropped" kind:"URL" want:"database"`
}

// Roles says what the roles of the databases log in with.
type Roles struct {
	APIPassword    string `env:"API_DB_PASSWORD"    help:"password that schema apply roles gives delfos_api; or API_DB_PASSWORD_FILE"       kind:"PASSWORD" want:"secret"`
	ImportPassword string `env:"IMPORT_DB_PASSWORD" help:"password that schema apply roles gives delfos_import; or IMPORT_DB_PASSWORD_FILE" kind:"PASSWORD" want:"secret"`
	ETLPassword    string `env:"ETL_DB_PASSWORD"    help:"password that schema apply roles gives delfos_etl; or ETL_DB_PASSWORD_FILE"       kind:"PASSWORD" want:"secret"`
}

// SourceAPI says where the source API answers.
type SourceAPI struct {
	SourceAPIURL       string `default:"http://localhost:8000" env:"SOURCE_API_URL"                                                                   help:"source API to read from" kind:"URL" want:"service"`
	SourceAPIToken     string `env:"SOURCE_API_TOKEN"          secret:"true"`
	SourceAPITokenFile string `env:"SOURCE_API_TOKEN_FILE"     help:"file with the token for the source API; or the token itself in SOURCE_API_TOKEN" kind:"FILE"`
}

// SourceToken is what the source API is asked with.
func (c SourceAPI) SourceToken() apiclient.Token {
	return apiclient.Token{Value: c.SourceAPIToken, File: c.SourceAPITokenFile}
}

// TargetAPI says where the target API answers.
type TargetAPI struct {
	TargetAPIURL       string `default:"http://localhost:3000" env:"TARGET_API_URL"                                                                   help:"target API to ask" kind:"URL" want:"service"`
	TargetAPIToken     string `env:"TARGET_API_TOKEN"          secret:"true"`
	TargetAPITokenFile string `env:"TARGET_API_TOKEN_FILE"     help:"file with the token for the target API; or the token itself in TARGET_API_TOKEN" kind:"FILE"`
}

// TargetToken is what the target API is asked with.
func (c TargetAPI) TargetToken() apiclient.Token {
	return apiclient.Token{Value: c.TargetAPIToken, File: c.TargetAPITokenFile}
}

// TokensFile says where the tokens are that clients may have.
type TokensFile struct {
	AuthTokensFile string `env:"AUTH_TOKENS_FILE" help:"file of the tokens that clients may have, which 'delfos token create' makes" kind:"FILE"`
}

// Auth says by what clients are told apart; without any of it nobody is asked.
type Auth struct {
	TokensFile

	OIDCIssuer   string `env:"OIDC_ISSUER"   help:"issuer whose JWTs clients may have"                kind:"URL"  want:"service"`
	OIDCAudience string `env:"OIDC_AUDIENCE" help:"audience that a JWT has to be for, such as delfos" kind:"NAME"`
}

// Gate opens what asks clients who they are, nil if nobody is asked.
func (c Auth) Gate() (*auth.Gate, error) {
	return auth.Open(auth.Config{TokensFile: c.AuthTokensFile, Issuer: c.OIDCIssuer, Audience: c.OIDCAudience})
}

// API says where the source API listens.
type API struct {
	APIAddr string `default:"127.0.0.1:8000" env:"API_ADDR" help:"address of the source API" kind:"HOST:PORT" want:"address"`
}

// Console says where the target API and the console listen.
type Console struct {
	ConsoleAddr string `default:"127.0.0.1:3000" env:"CONSOLE_ADDR" help:"address of the target API and the console" kind:"HOST:PORT" want:"address"`
}

// Embedded says where the programs of the embedded PostgreSQL are.
type Embedded struct {
	PGBin string `env:"DELFOS_PG_BIN" help:"folder of PostgreSQL's server programs, looked for when empty" kind:"DIR"`
}

// Schedule says what the orchestrator loads by itself.
type Schedule struct {
	// Cron is checked where it is used, which knows what an expression means.
	Cron string `default:"0 1 * * *" env:"SCHEDULE" help:"when days are due, as cron has it, in UTC unless CRON_TZ=ZONE stands before it" kind:"CRON"`

	CatchUpDays         int           `default:"7"           env:"CATCH_UP_DAYS"                                                  help:"for how many days a missed day is still caught up with"                                kind:"N"    least:"1"    want:"days"`
	StaleDays           int           `default:"30"          env:"STALE_DAYS"                                                     help:"how many past days are followed for late data; 0 is none"                              kind:"N"    least:"0"    want:"days"`
	TodayEvery          time.Duration `default:"10m"         env:"TODAY_EVERY"                                                    help:"how often the day that is not over is loaded; 0 is never"                              kind:"TIME" want:"every"`
	TargetRetentionDays int           `default:"0"           env:"TARGET_RETENTION_DAYS"                                          help:"how many past days stay in the target, where the schedule prunes older ones; 0 is all" kind:"N"    least:"0"    want:"days"`
	PartitionStart      *time.Time    `env:"PARTITION_START" help:"first day that counts; without it the day of the first sample" kind:"DATE"                                                                                  want:"day"`
}

// SourceRetention says how long the source keeps its samples.
type SourceRetention struct {
	SourceRetentionDays int `default:"0" env:"SOURCE_RETENTION_DAYS" help:"for how many past days the source is believed, as one that purges its samples; 0 is for ever" kind:"N" least:"0" want:"days"`
}

// Retention says what of the past is kept.
type Retention struct {
	RunRetention time.Duration `default:"400" env:"RUN_RETENTION_DAYS" help:"how many days runs and their logs are kept; 0 is for ever" kind:"N" least:"0" want:"days"`
	JobRetention time.Duration `default:"7"   env:"JOB_RETENTION_DAYS" help:"how many days the queue keeps jobs that have ended"        kind:"N" least:"1" want:"days"`
}

// Notify says who is told of what is wrong.
type Notify struct {
	NotifyURL   string `env:"NOTIFY_URL"   kind:"URL"   secret:"true" want:"webhook"`
	NotifyToken string `env:"NOTIFY_TOKEN" kind:"TOKEN" secret:"true" want:"secret"`
}

// Receiver is whom notices are sent to, nil if it is nobody. The configuration has to be valid.
func (c Notify) Receiver() *notify.Receiver {
	if c.NotifyURL == "" {
		return nil
	}
	return notify.NewReceiver(c.NotifyURL, c.NotifyToken)
}

// Shutdown says how a server ends.
type Shutdown struct {
	ShutdownDelay time.Duration `default:"0" env:"SHUTDOWN_DELAY" help:"how long requests are still taken after the order to stop, while /ready says no" kind:"TIME" want:"time"`
}

// Side says from where a server is asked whether it is well.
type Side struct {
	HealthcheckFrom string `default:"inside" env:"HEALTHCHECK_FROM" help:"inside asks a server where it listens; outside, as in the image, by an address that other machines can use" kind:"SIDE" want:"inside, outside"`
}

// Outside asks by an address that other machines can use.
const Outside = "outside"

// TLS says what a server proves by who it is; without a certificate it speaks plain HTTP.
type TLS struct {
	CertFile string `env:"TLS_CERT_FILE" help:"file of the server's certificate in PEM, with those that lead to its issuer; without it there is no TLS" kind:"FILE"`
	KeyFile  string `env:"TLS_KEY_FILE"  help:"file of the certificate's key in PEM; both are read anew when they change"                               kind:"FILE"`
}

// Certificate opens what the files hold, nil if none are named.
func (c TLS) Certificate(log *slog.Logger) (*httpserve.Certificate, error) {
	if c.CertFile == "" && c.KeyFile == "" {
		return nil, nil //nolint:nilnil // No TLS.
	}
	if c.CertFile == "" || c.KeyFile == "" {
		return nil, errors.New("TLS_CERT_FILE and TLS_KEY_FILE need each other: set both, or neither")
	}
	return httpserve.OpenCertificate(c.CertFile, c.KeyFile, log)
}

// Limits say what one client may have of a server at once.
type Limits struct {
	ClientRequests  int `default:"256" env:"CLIENT_REQUESTS"  help:"how many requests of one client (a token, or else an address) are answered at once; 0 is any number" kind:"N" least:"0" want:"number"`
	ClientFollowers int `default:"512" env:"CLIENT_FOLLOWERS" help:"how many streams of /events one client may follow at once; 0 is any number"                          kind:"N" least:"0" want:"number"`
}

// Limit is that of each client.
func (c Limits) Limit() auth.Limit {
	return auth.Limit{Requests: c.ClientRequests, Followers: c.ClientFollowers}
}

// Metrics says where a process shows what it does.
type Metrics struct {
	MetricsAddr string `env:"METRICS_ADDR" help:"address of /metrics for Prometheus, such as 127.0.0.1:9464; without it there are none" kind:"HOST:PORT"                                                  want:"address"`
	Pprof       string `default:"off"      env:"PPROF"                                                                                  help:"on serves /debug/pprof/ beside /metrics, on loopback alone" kind:"on|off"  want:"on, off"`
}

// Log says how much is logged, and how.
type Log struct {
	LogLevel  string `default:"info"   env:"LOG_LEVEL"                                                                  help:"least level that is logged: debug, info, warn or error" kind:"LEVEL"      want:"debug, info, warn, error"`
	LogFormat string `env:"LOG_FORMAT" help:"format of the log: text or json; without it text on a terminal, else json" kind:"FORMAT"                                                 want:"text, json"`
}

// Logger returns a logger onto w, and its level. The configuration has to be valid.
func (c Log) Logger(w io.Writer, terminal bool) (*slog.Logger, *slog.LevelVar) {
	level := new(slog.LevelVar)
	_ = level.UnmarshalText([]byte(c.LogLevel)) // Parse has let through none but the four names
	options := &slog.HandlerOptions{Level: level}
	if format := strings.ToLower(c.LogFormat); format == "text" || format == "" && terminal {
		return slog.New(slog.NewTextHandler(w, options)), level
	}
	return slog.New(slog.NewJSONHandler(w, options)), level
}

// Access says under which addresses a server may be reached, and through whom.
type Access struct {
	AllowedHosts   string `env:"ALLOWED_HOSTS"   help:"names that requests may be for beside localhost, separated by commas; without any, those of the address listened on"      kind:"NAMES"     want:"names"`
	BasePath       string `env:"BASE_PATH"       help:"path under which a proxy shows the server, such as /delfos"                                                               kind:"PATH"      want:"path"`
	TrustedProxies string `env:"TRUSTED_PROXIES" help:"addresses and networks of the proxies whose X-Forwarded-Host, -Proto, -Prefix and -For are believed, separated by commas" kind:"ADDRESSES" want:"networks"`
	CORSOrigins    string `env:"CORS_ORIGINS"    help:"origins whose pages may read answers, such as https://notebook.example.org, separated by commas"                          kind:"ORIGINS"   want:"origins"`
}

// At is what a server that listens at addr is told. The configuration has to be valid.
func (c Access) At(addr string) httpserve.Access {
	a := httpserve.Access{Addr: addr, Hosts: items(c.AllowedHosts), Origins: items(c.CORSOrigins)}
	a.BasePath, _ = httpserve.ParseBasePath(c.BasePath)
	for _, item := range items(c.TrustedProxies) {
		if proxies, ok := network(item); ok {
			a.Proxies = append(a.Proxies, proxies)
		}
	}
	return a
}

// items are the parts of a list, separated by commas or blanks.
func items(list string) []string {
	return strings.FieldsFunc(list, func(c rune) bool { return c == ',' || c == ' ' })
}

func isOrigin(text string) bool {
	u, web := webURL(text)
	return web && text == u.Scheme+"://"+u.Host && !strings.Contains(text, "*")
}

func webURL(text string) (*url.URL, bool) {
	u, err := url.Parse(text)
	return u, err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Hostname() != ""
}

func network(text string) (netip.Prefix, bool) {
	if ip, err := netip.ParseAddr(text); err == nil {
		return netip.PrefixFrom(ip, ip.BitLen()), true
	}
	p, err := netip.ParsePrefix(text)
	return p.Masked(), err == nil
}

// On is what turns something on.
const On = "on"
