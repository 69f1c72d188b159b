package delivery_test

import (
	"testing"

	"github.com/compose-spec/compose-go/v2/dotenv"
	"github.com/google/go-cmp/cmp"
)

// .env.example changes nothing: copied as it is, it sets every default.
func TestExampleHoldsDefaults(t *testing.T) {
	t.Parallel()
	got, err := dotenv.UnmarshalWithLookup(read(t, ".env.example"), nil)
	if err != nil {
		t.Fatalf("read .env.example: %v", err)
	}
	want := map[string]string{
		"SOURCE_DB_URL":         "", // made of the five below
		"TARGET_DB_URL":         "",
		"SOURCE_API_URL":        "http://localhost:8000",
		"API_ADDR":              "127.0.0.1:8000",
		"CONSOLE_ADDR":          "127.0.0.1:3000",
		"ALLOWED_HOSTS":         "",
		"BASE_PATH":             "",
		"CORS_ORIGINS":          "",
		"CLIENT_REQUESTS":       "256",
		"CLIENT_FOLLOWERS":      "512",
		"TLS_CERT_FILE":         "",
		"TLS_KEY_FILE":          "",
		"TRUSTED_PROXIES":       "",
		"TARGET_API_URL":        "http://localhost:3000",
		"METRICS_ADDR":          "",
		"PPROF":                 "off",
		"AUTH_TOKENS_FILE":      "",
		"OIDC_ISSUER":           "",
		"OIDC_AUDIENCE":         "",
		"SOURCE_API_TOKEN":      "",
		"TARGET_API_TOKEN":      "",
		"LOG_LEVEL":             "info",
		"LOG_FORMAT":            "",
		"DELFOS_PG_BIN":         "",
		"SHUTDOWN_DELAY":        "0",
		"NO_PROXY":              "",
		"SCHEDULE":              "0 1 * * *",
		"CATCH_UP_DAYS":         "7",
		"STALE_DAYS":            "30",
		"TODAY_EVERY":           "10m",
		"SOURCE_RETENTION_DAYS": "0",
		"TARGET_RETENTION_DAYS": "0",
		"PARTITION_START":       "",
		"RUN_RETENTION_DAYS":    "400",
		"JOB_RETENTION_DAYS":    "7",
		"NOTIFY_URL":            "",
		"NOTIFY_TOKEN":          "",
		"SOURCE_DB_USER":        "delfos",
		"SOURCE_DB_PASSWORD":    "delfos",
		"SOURCE_DB_HOST":        "localhost",
		"SOURCE_DB_PORT":        "5433",
		"SOURCE_DB_NAME":        "delfos",
		"TARGET_DB_USER":        "delfos",
		"TARGET_DB_PASSWORD":    "delfos",
		"TARGET_DB_HOST":        "localhost",
		"TARGET_DB_PORT":        "5434",
		"TARGET_DB_NAME":        "delfos",
		"TARGET_DB_IMAGE":       "postgres:15.15-bookworm",
		"API_DB_PASSWORD":       "",
		"IMPORT_DB_PASSWORD":    "",
		"ETL_DB_PASSWORD":       "",
		"DELFOS_VERSION":        "dev",
		"DELFOS_COMMIT":         "unknown",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf(".env.example (-want +got):\n%s", diff)
	}
}
