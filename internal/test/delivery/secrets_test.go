package delivery_test

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// With deploy/compose/secrets.yaml no password or token is in a container's environment:
// each is a file of a secret that the service has, and it has no other.
func TestComposeSecrets(t *testing.T) {
	t.Parallel()
	project := compose(t, []string{"docker-compose.yaml", "deploy/compose/secrets.yaml"}, []string{"*"})
	if strings.Contains(read(t, "deploy/compose/secrets.yaml"), ": !reset") {
		t.Error("secrets.yaml takes !reset, which Compose up to v2.40 loses where an alias repeats it: want an empty value")
	}
	want := map[string]string{
		"source_db": "owner_password", "target_db": "owner_password", "migrate": "api_password etl_password import_password owner_password",
		"seed": "import_password", "api": "api_password tokens", "orchestrator": "etl_password etl_token tokens",
		"worker": "etl_password etl_token", "etl": "etl_password etl_token", "prometheus": "", "grafana": "",
		"citus_worker_1": "", "citus_worker_2": "", "citus_setup": "owner_password", "distribute": "owner_password",
	}
	got := map[string]string{}
	for name, s := range project.Services {
		var given, used []string
		for _, secret := range s.Secrets {
			given = append(given, secret.Source)
		}
		for variable, value := range s.Environment {
			if value == nil || *value == "" {
				continue
			}
			if strings.HasSuffix(variable, "_PASSWORD") || strings.HasSuffix(variable, "_TOKEN") {
				t.Errorf("%s: %s is in the environment", name, variable)
			}
			if file, ok := strings.CutPrefix(*value, "/run/secrets/"); ok {
				used = append(used, file)
			}
		}
		slices.Sort(given)
		slices.Sort(used)
		got[name] = strings.Join(given, " ")
		if diff := cmp.Diff(given, slices.Compact(used)); diff != "" {
			t.Errorf("%s: secrets (-given +used):\n%s", name, diff)
		}
		if slices.Contains(s.Command, "--insecure") {
			t.Errorf("%s: the command is %v, and there are tokens", name, s.Command)
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("secrets by service (-want +got):\n%s", diff)
	}
	for name, secret := range project.Secrets {
		if want := filepath.Join("secrets", name); !strings.HasSuffix(secret.File, want) {
			t.Errorf("secret %s is the file %s, want %s beside docker-compose.yaml", name, secret.File, want)
		}
	}
}
