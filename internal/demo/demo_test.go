package demo

import (
	"errors"
	"log/slog"
	"net"
	"os/exec"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/delfos/delfos/internal/config"
)

// The demo as a whole is run by the tests of internal/cli, as a process.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestNewPair(t *testing.T) {
	t.Parallel()
	pair, err := NewPair("postgres://me:it's%20secret@127.0.0.1:6543/wind?sslmode=disable", "postgres://localhost/x", "dir", "bin", slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct{ what, got, want string }{
		{"user", pair.Source.Server.User, "me"},
		{"password", pair.Source.Server.Password, "it's secret"},
		{"database", pair.Source.Server.Database, "wind"},
		{"folder", pair.Source.Server.Dir, "dir/source"},
		{"programs", pair.Target.Server.BinDir, "bin"},
		{"URL", pair.Source.URL(6543, "postgres://a:b@127.0.0.1:6543/wind"), "postgres://me:it%27s%20secret@127.0.0.1:6543/wind?sslmode=disable"},
		{"URL without a user", pair.Target.URL(7000, "postgres://a:b@127.0.0.1:7000/x"), "postgres://a:b@localhost:7000/x"},
	} {
		if test.got != test.want {
			t.Errorf("%s: got %s, want %s", test.what, test.got, test.want)
		}
	}
	if got := pair.Target.Server.Port; got != 5432 {
		t.Errorf("port: got %d, want PostgreSQL's own, 5432", got)
	}
}

func TestNewPairRefuses(t *testing.T) {
	t.Parallel()
	const here = "postgres://localhost:1/x"
	tests := []struct {
		source, target string
		want           []string // the variables at fault
	}{
		{"postgres://db:1/x", here, []string{"SOURCE_DB_URL"}},
		{"postgres://[::1]:2/x", "postgres://10.0.0.1:3/x", []string{"SOURCE_DB_URL", "TARGET_DB_URL"}},
		{here, here, []string{"TARGET_DB_URL"}},
		{"postgres://localhost:70000/x", here, []string{"SOURCE_DB_URL"}},
	}
	for _, test := range tests {
		_, err := NewPair(test.source, test.target, "dir", "", nil)
		if _, ok := errors.AsType[*config.Error](err); !ok {
			t.Errorf("%s and %s: got %v, want a *config.Error", test.source, test.target, err)
			continue
		}
		var got []string
		for line := range strings.Lines(err.Error()) {
			variable, _, _ := strings.Cut(line, " ")
			got = append(got, variable)
		}
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("%s and %s (-want +got):\n%s", test.source, test.target, diff)
		}
	}
}

// TestQuote asks a shell what it makes of a quoted word.
func TestQuote(t *testing.T) {
	t.Parallel()
	for _, word := range []string{"plain", "a b", `it's "so"`, "$HOME `id` !! \\", `say "hi"`} {
		out, err := exec.CommandContext(t.Context(), "sh", "-c", "printf %s "+quote(word)).Output()
		if err != nil || string(out) != word {
			t.Errorf("quote(%q): a shell made %q of it (%v)", word, out, err)
		}
	}
}

func TestAPIURL(t *testing.T) {
	t.Parallel()
	tests := []struct {
		ip   net.IP
		want string
	}{
		{net.IPv4(127, 0, 0, 1), "http://localhost:8000"},
		{net.IPv4zero, "http://localhost:8000"},
		{net.IPv6unspecified, "http://localhost:8000"},
		{net.IPv6loopback, "http://[::1]:8000"},
		{net.IPv4(10, 0, 0, 7), "http://10.0.0.7:8000"},
	}
	for _, test := range tests {
		if got := apiURL(&net.TCPAddr{IP: test.ip, Port: 8000}); got != test.want {
			t.Errorf("%s: got %s, want %s", test.ip, got, test.want)
		}
	}
}
