package delivery_test

import (
	"encoding/json"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"
)

// Each alert has a playbook and each playbook an alert, with what it means, where to look and
// what to do. That alerts fire, and that the dashboard's queries have data, is shown by
// internal/test/observability.
func TestAlertsHavePlaybooks(t *testing.T) {
	t.Parallel()
	var rules struct {
		Groups []struct {
			Rules []struct {
				Alert               string
				Labels, Annotations map[string]string
			}
		}
	}
	if err := yaml.Unmarshal([]byte(read(t, "observability/prometheus/rules.yaml")), &rules); err != nil {
		t.Fatal(err)
	}
	var alerts, playbooks []string
	for _, g := range rules.Groups {
		for _, r := range g.Rules {
			alerts = append(alerts, r.Alert)
			if want := "docs/playbooks/" + r.Alert + ".md"; r.Annotations["runbook_url"] != want {
				t.Errorf("%s: runbook_url is %q, want %q", r.Alert, r.Annotations["runbook_url"], want)
			}
			if r.Annotations["summary"] == "" || !slices.Contains([]string{"none", "warning", "critical"}, r.Labels["severity"]) {
				t.Errorf("%s lacks a summary, or has the severity %q", r.Alert, r.Labels["severity"])
			}
		}
	}
	files, err := filepath.Glob(filepath.Join(root, "docs", "playbooks", "*.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".md")
		playbooks = append(playbooks, name)
		text := read(t, "docs/playbooks/"+name+".md")
		for _, part := range []string{"# " + name + "\n", "\n## What it means\n", "\n## Where to look\n- ", "\n## What to do\n- "} {
			if !strings.Contains(text, part) {
				t.Errorf("docs/playbooks/%s.md lacks %q", name, part)
			}
		}
	}
	slices.Sort(alerts)
	if diff := cmp.Diff(alerts, playbooks); diff != "" {
		t.Errorf("alerts without a playbook (-), playbooks without an alert (+):\n%s", diff)
	}
}

// Grafana finds the datasource that the dashboard's panels name, where compose starts both.
func TestDashboardIsProvisioned(t *testing.T) {
	t.Parallel()
	var dashboard struct {
		Panels []struct {
			Title      string
			Datasource struct{ UID string }
			Targets    []struct{ Expr string }
		}
	}
	if err := json.Unmarshal([]byte(read(t, "observability/grafana/dashboards/delfos.json")), &dashboard); err != nil {
		t.Fatal(err)
	}
	source := read(t, "observability/grafana/provisioning/datasources/prometheus.yaml")
	queries := 0
	for _, p := range dashboard.Panels {
		queries += len(p.Targets)
		if len(p.Targets) > 0 && !regexp.MustCompile(`(?m)^ +uid: `+p.Datasource.UID+`$`).MatchString(source) {
			t.Errorf("panel %q: the datasource %q is not provisioned", p.Title, p.Datasource.UID)
		}
	}
	if queries == 0 {
		t.Error("the dashboard asks for nothing")
	}
}
