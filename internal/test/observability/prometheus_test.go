//go:build observability

package observability_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/delfos/delfos/internal/test/await"
)

const root = "../../.."

// prometheus is one that runs with what is shipped.
type prometheus struct{ url string }

// scrape is how often the test's Prometheus scrapes and evaluates, window the range of
// its rates, and silence how long a sweep may be away: sweeps are half a minute apart.
const scrape, window, silence = "250ms", "10s", "45"

// shorten makes the rules those of an impatient person: nothing else of them is changed.
func shorten(rules string) string {
	rules = regexp.MustCompile(`(?m)^(\s+for: ).*$`).ReplaceAllString(rules, "${1}1s")
	rules = regexp.MustCompile(`\[\d+[mh]\]`).ReplaceAllString(rules, "["+window+"]")
	rules = strings.Replace(rules, "delfos_queue_age_seconds) > 3600", "delfos_queue_age_seconds) > 3", 1)
	return strings.Replace(rules, "delfos_last_sweep_timestamp_seconds) > 3600", "delfos_last_sweep_timestamp_seconds) > "+silence, 1)
}

// startPrometheus runs the shipped configuration with the addresses of targets, by job.
func startPrometheus(t *testing.T, targets map[string]string) *prometheus {
	t.Helper()
	dir := t.TempDir()
	var config map[string]any
	if err := yaml.Unmarshal([]byte(read(t, "observability/prometheus/prometheus.yaml")), &config); err != nil {
		t.Fatal(err)
	}
	config["global"] = map[string]any{"scrape_interval": scrape, "evaluation_interval": scrape}
	jobs, _ := config["scrape_configs"].([]any)
	for _, job := range jobs {
		job, _ := job.(map[string]any)
		name, _ := job["job_name"].(string)
		if targets[name] == "" {
			t.Fatalf("job %s of the shipped configuration is not a part of the test's system", name)
		}
		delete(job, "dns_sd_configs")
		job["static_configs"] = []any{map[string]any{"targets": []string{targets[name]}}}
	}
	text, err := yaml.Marshal(config)
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "prometheus.yaml"), string(text))
	write(t, filepath.Join(dir, "rules.yaml"), shorten(read(t, "observability/prometheus/rules.yaml")))
	addr := freeAddr(t)
	log, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "prometheus", "--config.file="+filepath.Join(dir, "prometheus.yaml"),
		"--storage.tsdb.path="+filepath.Join(dir, "data"), "--web.listen-address="+addr)
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		t.Fatalf("start prometheus (Debian: apt-get install prometheus): %v", err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(os.Interrupt)
		_ = cmd.Wait()
		if t.Failed() {
			t.Logf("prometheus: %s", read(t, filepath.Join(dir, "log")))
		}
	})
	p := &prometheus{"http://" + addr}
	await.True(t, "Prometheus to be ready", func() bool {
		response, err := http.Get(p.url + "/-/ready")
		if err != nil {
			return false
		}
		defer response.Body.Close()
		return response.StatusCode == http.StatusOK
	})
	return p
}

// ask is an answer of Prometheus's API.
func ask[T any](t *testing.T, p *prometheus, path string) T {
	t.Helper()
	response, err := http.Get(p.url + path)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	var answer struct {
		Status, Error string
		Data          T
	}
	if err := json.NewDecoder(response.Body).Decode(&answer); err != nil || answer.Status != "success" {
		t.Fatalf("%s: %v %s", path, err, answer.Error)
	}
	return answer.Data
}

// values are those that a query has now.
func (p *prometheus) values(t *testing.T, query string) []string {
	t.Helper()
	type vector struct {
		Result []struct{ Value [2]any }
	}
	var values []string
	for _, r := range ask[vector](t, p, "/api/v1/query?query="+url.QueryEscape(query)).Result {
		values = append(values, fmt.Sprint(r.Value[1]))
	}
	return values
}

// firing are the names of the alerts that fire.
func (p *prometheus) firing(t *testing.T) []string {
	t.Helper()
	type alerts struct {
		Alerts []struct {
			Labels map[string]string
			State  string
		}
	}
	var names []string
	for _, a := range ask[alerts](t, p, "/api/v1/alerts").Alerts {
		if a.State == "firing" {
			names = append(names, a.Labels["alertname"])
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// awaitAlert waits until alerts fire.
func (p *prometheus) awaitAlert(t *testing.T, names ...string) {
	t.Helper()
	for _, name := range names {
		await.True(t, name+" to fire", func() bool { return slices.Contains(p.firing(t), name) })
	}
}

// alertNames are those of the shipped rules.
func alertNames(t *testing.T) (names []string) {
	t.Helper()
	var rules struct {
		Groups []struct{ Rules []struct{ Alert string } }
	}
	if err := yaml.Unmarshal([]byte(read(t, "observability/prometheus/rules.yaml")), &rules); err != nil {
		t.Fatal(err)
	}
	for _, g := range rules.Groups {
		for _, r := range g.Rules {
			names = append(names, r.Alert)
		}
	}
	return names
}

// queries are those of the dashboard, by panel.
func queries(t *testing.T) map[string][]string {
	t.Helper()
	var dashboard struct {
		Panels []struct {
			Title   string
			Targets []struct{ Expr string }
		}
	}
	if err := json.Unmarshal([]byte(read(t, "observability/grafana/dashboards/delfos.json")), &dashboard); err != nil {
		t.Fatal(err)
	}
	all := map[string][]string{}
	for _, p := range dashboard.Panels {
		for _, target := range p.Targets {
			all[p.Title] = append(all[p.Title], strings.ReplaceAll(target.Expr, "$__rate_interval", "1m"))
		}
	}
	return all
}

func read(t *testing.T, name string) string {
	t.Helper()
	if !filepath.IsAbs(name) {
		name = filepath.Join(root, name)
	}
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
