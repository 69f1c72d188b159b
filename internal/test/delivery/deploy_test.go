package delivery_test

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/dotenv"
	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"

	"github.com/delfos/delfos/internal/cli"
)

// A manifest is what the tests look at of an object of Kubernetes.
type manifest struct {
	Kind       string
	Metadata   struct{ Name string }
	Data       map[string]string
	StringData map[string]string `yaml:"stringData"`
	Spec       struct {
		Template struct {
			Spec struct {
				Containers []container
				Volumes    []struct {
					Name   string
					Secret struct {
						Name string `yaml:"secretName"`
					}
				}
			}
		}
	}
}

type container struct {
	Args   []string
	Env    []struct{ Name, Value string }
	Mounts []struct {
		Name string
		Path string `yaml:"mountPath"`
	} `yaml:"volumeMounts"`
	SecurityContext struct {
		Escalation bool                    `yaml:"allowPrivilegeEscalation"`
		ReadOnly   bool                    `yaml:"readOnlyRootFilesystem"`
		Capability struct{ Drop []string } `yaml:"capabilities"`
	} `yaml:"securityContext"`
	Resources struct{ Requests, Limits map[string]string }
	Liveness  map[string]any `yaml:"livenessProbe"`
}

// manifests are the objects of deploy/kubernetes.
func manifests(t *testing.T) []manifest {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(root, "deploy", "kubernetes", "*.yaml"))
	if err != nil || len(files) == 0 {
		t.Fatalf("find the manifests: %v", err)
	}
	var all []manifest
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for part := range bytes.SplitSeq(text, []byte("\n---\n")) {
			var m manifest
			if err := yaml.Unmarshal(part, &m); err != nil {
				t.Fatalf("read %s: %v", file, err)
			}
			all = append(all, m)
		}
	}
	return all
}

// takes reports whether the program has the command and the flags of args, as one more flag, which
// is the last thing that it can complain of.
func takes(t *testing.T, args ...string) bool {
	t.Helper()
	var complaint strings.Builder
	cli.Main(t.Context(), cli.Program{Args: append(slices.Clone(args), "--no-such-flag"), Stdout: &complaint, Stderr: &complaint})
	return strings.Contains(complaint.String(), "unknown flag: --no-such-flag (see 'delfos "+args[0])
}

// known checks that .env.example has a variable, or the one that a file holds instead.
func known(t *testing.T, where, variable string) {
	t.Helper()
	example, err := dotenv.UnmarshalWithLookup(read(t, ".env.example"), nil)
	if err != nil {
		t.Fatalf("read .env.example: %v", err)
	}
	if _, ok := example[variable]; ok {
		return
	}
	if _, ok := example[strings.TrimSuffix(variable, "_FILE")]; !ok && !strings.HasPrefix(variable, "PG") {
		t.Errorf("%s sets %s, which .env.example lacks", where, variable)
	}
}

// Each container runs a command that exists, as nobody in particular, within limits, and
// gets secrets that secret.example.yaml has.
func TestKubernetes(t *testing.T) {
	t.Parallel()
	all := manifests(t)
	secrets := map[string]map[string]string{}
	for _, m := range all {
		if m.Kind == "Secret" {
			secrets[m.Metadata.Name] = m.StringData
		}
	}
	var workloads []string
	for _, m := range all {
		for variable := range m.Data {
			known(t, m.Metadata.Name, variable)
		}
		pod := m.Spec.Template.Spec
		for _, c := range pod.Containers {
			workloads = append(workloads, m.Metadata.Name)
			if s := c.SecurityContext; s.Escalation || !s.ReadOnly || !slices.Equal(s.Capability.Drop, []string{"ALL"}) {
				t.Errorf("%s: got security context %+v, want no escalation, a read-only root, no capabilities", m.Metadata.Name, s)
			}
			if c.Resources.Requests["cpu"] == "" || c.Resources.Limits["memory"] == "" {
				t.Errorf("%s: got resources %+v, want a share of the processor and a bound of memory", m.Metadata.Name, c.Resources)
			}
			if m.Kind == "Deployment" && c.Liveness == nil {
				t.Errorf("%s has no liveness probe", m.Metadata.Name)
			}
			if !takes(t, c.Args...) {
				t.Errorf("%s runs delfos %s, which does not exist", m.Metadata.Name, strings.Join(c.Args, " "))
			}
			var files []string
			for _, mount := range c.Mounts {
				for _, volume := range pod.Volumes {
					for key := range secrets[volume.Secret.Name] {
						if volume.Name == mount.Name {
							files = append(files, mount.Path+"/"+key)
						}
					}
				}
			}
			for _, e := range c.Env {
				known(t, m.Metadata.Name, e.Name)
				if strings.HasSuffix(e.Name, "_FILE") && !slices.Contains(files, e.Value) {
					t.Errorf("%s reads %s, which is not among %v of its secrets", m.Metadata.Name, e.Value, files)
				}
			}
		}
	}
	slices.Sort(workloads)
	if diff := cmp.Diff([]string{"delfos-api", "delfos-migrate", "delfos-orchestrator", "delfos-worker"}, workloads); diff != "" {
		t.Errorf("workloads (-want +got):\n%s", diff)
	}
}

// Each unit runs a command that exists, and reads what it is given as a credential.
func TestUnits(t *testing.T) {
	t.Parallel()
	units, err := filepath.Glob(filepath.Join(root, "deploy", "systemd", "*.service"))
	if err != nil || len(units) != 4 {
		t.Fatalf("got units %v and %v, want 4", units, err)
	}
	for _, path := range units {
		unit := filepath.Base(path)
		text := read(t, filepath.Join("deploy", "systemd", unit))
		start := regexp.MustCompile(`(?m)^ExecStart=/usr/local/bin/delfos (.*)$`).FindStringSubmatch(text)
		if start == nil || !takes(t, strings.Fields(start[1])...) {
			t.Errorf("%s runs %v: want a command of delfos", unit, start)
		}
		given, used := map[string]bool{}, map[string]bool{}
		for _, credential := range regexp.MustCompile(`(?m)^LoadCredential=([\w-]+):/etc/delfos/`).FindAllStringSubmatch(text, -1) {
			given[credential[1]] = true
		}
		for _, use := range regexp.MustCompile(`(\w+)=%d/([\w-]+)`).FindAllStringSubmatch(text, -1) {
			known(t, unit, use[1])
			used[use[2]] = true
		}
		if diff := cmp.Diff(given, used); len(given) == 0 || diff != "" {
			t.Errorf("%s is given no credential, or not those that it uses (-given +used):\n%s", unit, diff)
		}
	}
}

// The commands of delfos and the units that docs/deploy names exist.
func TestDeployDocs(t *testing.T) {
	t.Parallel()
	commands, units := 0, 0
	for _, name := range []string{"docs/deploy/compose.md", "docs/deploy/kubernetes.md", "docs/deploy/systemd.md"} {
		for _, block := range regexp.MustCompile("(?s)```sh\n(.*?)```").FindAllStringSubmatch(read(t, name), -1) {
			for _, call := range regexp.MustCompile(`(?m)(?:^|^.* -- |^(?:[A-Z_]+=\S+ )+)delfos ([^#|>\n]+)`).FindAllStringSubmatch(block[1], -1) {
				commands++
				if !takes(t, strings.Fields(call[1])...) {
					t.Errorf("%s runs delfos %s, which does not exist", name, call[1])
				}
			}
			for _, call := range regexp.MustCompile(`(?m)^(?:systemctl|journalctl) .*`).FindAllString(block[1], -1) {
				for _, unit := range regexp.MustCompile(`delfos-[a-z]+@?`).FindAllString(call, -1) {
					units++
					if _, err := os.Stat(filepath.Join(root, "deploy", "systemd", unit+".service")); err != nil {
						t.Errorf("%s: %s: there is no unit %s", name, call, unit)
					}
				}
			}
		}
	}
	if commands == 0 || units == 0 {
		t.Errorf("got %d commands and %d units, want some", commands, units)
	}
}
