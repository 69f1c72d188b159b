package delivery_test

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/compose-spec/compose-go/v2/dotenv"
	"github.com/compose-spec/compose-go/v2/types"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

const (
	root = "../../.."
	ours = "delfos:local" // The image that the compose file builds.
)

// load reads docker-compose.yaml as `docker compose` does, with envFile or,
// where that is empty, without any; what this process has in its environment
// doesn't count.
func load(t *testing.T, envFile string) *types.Project {
	t.Helper()
	configure := []cli.ProjectOptionsFn{
		cli.WithWorkingDirectory(root),
		cli.WithProfiles([]string{"*"}),
	}
	if envFile != "" {
		configure = append(configure, cli.WithEnvFiles(envFile), cli.WithDotEnv)
	}
	options, err := cli.NewProjectOptions([]string{filepath.Join(root, "docker-compose.yaml")}, configure...)
	if err != nil {
		t.Fatalf("read options: %v", err)
	}
	project, err := options.LoadProject(t.Context())
	if err != nil {
		t.Fatalf("load docker-compose.yaml: %v", err)
	}
	return project
}

func read(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, name))
	if err != nil {
		t.Fatalf("read %s: %v", name, err)
	}
	return string(text)
}

func TestComposeServices(t *testing.T) {
	t.Parallel()
	const healthy, completed = types.ServiceConditionHealthy, types.ServiceConditionCompletedSuccessfully
	want := map[string]service{
		"source_db": {Ports: []string{"127.0.0.1:5433:5432"}, Volumes: []string{"source_data:/var/lib/postgresql/data"}, Restart: "unless-stopped", Health: "pg_isready"},
		"target_db": {Ports: []string{"127.0.0.1:5434:5432"}, Volumes: []string{"target_data:/var/lib/postgresql/data"}, Restart: "unless-stopped", Health: "pg_isready"},
		"migrate": {
			Command: "schema apply source target river roles", Restart: "no",
			After: map[string]string{"source_db": healthy, "target_db": healthy},
		},
		"seed": {
			Command: "seed", Restart: "no",
			After: map[string]string{"source_db": healthy, "migrate": completed},
		},
		"api": {
			Command: "serve --insecure", Ports: []string{"127.0.0.1:8000:8000"}, Restart: "unless-stopped", Health: "healthcheck",
			After: map[string]string{"source_db": healthy, "migrate": completed},
		},
		"orchestrator": {
			Command: "orchestrate --insecure", Ports: []string{"127.0.0.1:3000:3000"}, Restart: "unless-stopped", Health: "healthcheck",
			After: map[string]string{"target_db": healthy, "migrate": completed, "api": healthy},
		},
		"worker": {
			Command: "orchestrate --api=false", Restart: "unless-stopped", Health: "healthcheck worker", Profiles: []string{"scale"}, Replicas: 3,
			After: map[string]string{"target_db": healthy, "migrate": completed, "api": healthy},
		},
		"etl": {
			Command: "/usr/local/bin/delfos etl --help", Restart: "no", Profiles: []string{"tools"},
			After: map[string]string{"target_db": healthy, "migrate": completed, "api": healthy},
		},
		"prometheus": {
			Command: "--config.file=/etc/prometheus/prometheus.yaml --storage.tsdb.path=/prometheus --storage.tsdb.retention.time=30d",
			Ports:   []string{"127.0.0.1:9090:9090"}, Volumes: []string{"observability/prometheus:/etc/prometheus", "prometheus_data:/prometheus"},
			Restart: "unless-stopped", Health: "promtool check healthy", Profiles: []string{"observability"},
		},
		"grafana": {
			Ports: []string{"127.0.0.1:3001:3000"}, Restart: "unless-stopped", Health: "/api/health", Profiles: []string{"observability"},
			Volumes: []string{"observability/grafana/provisioning:/etc/grafana/provisioning", "observability/grafana/dashboards:/etc/grafana/dashboards"},
			After:   map[string]string{"prometheus": healthy},
		},
	}
	folder, err := filepath.Abs(root)
	if err != nil {
		t.Fatal(err)
	}
	for _, envFile := range []string{"", filepath.Join(root, ".env.example")} {
		got := map[string]service{}
		for name, s := range load(t, envFile).Services {
			sum := summarize(t, s)
			for i, volume := range sum.Volumes {
				sum.Volumes[i] = strings.TrimPrefix(volume, folder+"/")
			}
			got[name] = sum
		}
		if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("services with env file %q (-want +got):\n%s", envFile, diff)
		}
	}
}

// service is what of a service other people rely on.
type service struct {
	Command  string // Entry point and command.
	Ports    []string
	Volumes  []string
	Restart  string
	Health   string            // The program that asks; "" is none.
	After    map[string]string // The condition of each service that this one waits for.
	Profiles []string
	Replicas int // If it has any number of its own.
}

func summarize(t *testing.T, s types.ServiceConfig) service {
	t.Helper()
	sum := service{
		Command:  strings.Join(slices.Concat(s.Entrypoint, s.Command), " "),
		Restart:  s.Restart,
		Profiles: s.Profiles,
		After:    map[string]string{},
	}
	if s.Deploy != nil && s.Deploy.Replicas != nil {
		sum.Replicas = *s.Deploy.Replicas
	}
	for _, p := range s.Ports {
		sum.Ports = append(sum.Ports, p.HostIP+":"+p.Published+":"+strconv.FormatUint(uint64(p.Target), 10))
	}
	for _, v := range s.Volumes {
		sum.Volumes = append(sum.Volumes, v.Source+":"+v.Target)
	}
	for name, d := range s.DependsOn {
		sum.After[name] = d.Condition
	}
	if h := s.HealthCheck; h != nil && !h.Disable {
		for _, program := range []string{"pg_isready", "healthcheck", "healthcheck worker", "promtool check healthy", "/api/health"} {
			if strings.Contains(strings.Join(h.Test, " "), program) {
				sum.Health = program
			}
		}
		if h.Interval == nil || h.Timeout == nil || h.Retries == nil || h.StartPeriod == nil {
			t.Errorf("%s: the health check lacks one of interval, timeout, retries, start_period", s.Name)
		}
	}
	return sum
}

// One service builds the image: built by each of several, it would be another
// one every time, and each `up` and `run` would replace containers.
func TestComposeBuildsOnce(t *testing.T) {
	t.Parallel()
	project := load(t, "")
	var builders []string
	for name, s := range project.Services {
		if s.Build != nil {
			builders = append(builders, name)
		}
		if s.Image == ours && s.PullPolicy != types.PullPolicyNever {
			t.Errorf("%s: pull_policy is %q, want never: no registry has the image", name, s.PullPolicy)
		}
	}
	if diff := cmp.Diff([]string{"migrate"}, builders); diff != "" {
		t.Errorf("services that build (-want +got):\n%s", diff)
	}
}

func TestComposeIsolation(t *testing.T) {
	t.Parallel()
	for name, s := range load(t, "").Services {
		if !slices.Contains(s.SecurityOpt, "no-new-privileges:true") {
			t.Errorf("%s: security_opt is %v, want no-new-privileges:true in it", name, s.SecurityOpt)
		}
		if s.Image != ours {
			continue // Others' images set their own rights up.
		}
		if !s.ReadOnly {
			t.Errorf("%s: the root file system is writable", name)
		}
		if diff := cmp.Diff([]string{"ALL"}, s.CapDrop); diff != "" {
			t.Errorf("%s: cap_drop (-want +got):\n%s", name, diff)
		}
		if s.User != "" {
			t.Errorf("%s: user is %q, want the image's own", name, s.User)
		}
	}
}

func TestComposeEnvironment(t *testing.T) {
	t.Parallel()
	envFile := filepath.Join(t.TempDir(), "env")
	text := "SOURCE_DB_USER=u\nSOURCE_DB_PASSWORD='p@s/s#w?r%41 d$e\\f'\nSOURCE_DB_NAME=n\nSOURCE_DB_PORT=7001\nTARGET_DB_PORT=7002\n" +
		// What reaches the databases from this machine doesn't from inside the network.
		"SOURCE_DB_HOST=elsewhere\nSOURCE_DB_URL=postgres://elsewhere/x\nAPI_ADDR=127.0.0.1:1\nSOURCE_API_URL=http://elsewhere\n" +
		"CONSOLE_ADDR=127.0.0.1:2\nTARGET_API_URL=http://elsewhere\nSHUTDOWN_DELAY=5s\nNO_PROXY=proxy.example\nSCHEDULE=\"CRON_TZ=Europe/Lisbon 30 0 * * *\"\nSTALE_DAYS=3\n"
	if err := os.WriteFile(envFile, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	const password = `p@s/s#w?r%41 d$e\f` // as the server gets it, and as its clients do
	project := load(t, envFile)
	for variable, want := range map[string]string{"API_DB_PASSWORD": password, "IMPORT_DB_PASSWORD": password, "ETL_DB_PASSWORD": "delfos"} {
		if got := project.Services["migrate"].Environment[variable]; got == nil || *got != want {
			t.Errorf("migrate: %s is %s, want %q, the database's", variable, show(got), want)
		}
	}
	for _, name := range []string{"migrate", "seed", "api", "orchestrator", "worker", "etl"} {
		for variable, want := range map[string]string{
			"SHUTDOWN_DELAY": "5s",
			"NO_PROXY":       "api,orchestrator,source_db,target_db,localhost,127.0.0.1,proxy.example",
			"no_proxy":       "api,orchestrator,source_db,target_db,localhost,127.0.0.1,proxy.example",
			"SOURCE_API_URL": "http://api:8000",
			"API_ADDR":       "0.0.0.0:8000",
			"TARGET_API_URL": "http://orchestrator:3000",
			"CONSOLE_ADDR":   "0.0.0.0:3000",
			"SCHEDULE":       "CRON_TZ=Europe/Lisbon 30 0 * * *",
			"STALE_DAYS":     "3",
			"CATCH_UP_DAYS":  "7",
			"TODAY_EVERY":    "10m",
			"METRICS_ADDR":   "0.0.0.0:9464",
		} {
			got := project.Services[name].Environment[variable]
			if got == nil || *got != want {
				t.Errorf("%s: %s is %s, want %s", name, variable, show(got), want)
			}
		}
		// Each service knows the databases that it uses, as the role for its work.
		logins := map[string]string{
			"migrate": "SOURCE u, TARGET delfos", "seed": "SOURCE delfos_import", "api": "SOURCE delfos_api",
			"orchestrator": "TARGET delfos_etl", "worker": "TARGET delfos_etl", "etl": "TARGET delfos_etl",
		}
		var got []string
		for database, of := range map[string]map[string]string{
			"SOURCE": {"HOST": "source_db", "PORT": "5432", "NAME": "n", "PASSWORD": password},
			"TARGET": {"HOST": "target_db", "PORT": "5432", "NAME": "delfos", "PASSWORD": "delfos"},
		} {
			user := project.Services[name].Environment[database+"_DB_USER"]
			if user != nil {
				got = append(got, database+" "+*user)
			}
			for part, want := range of {
				got := project.Services[name].Environment[database+"_DB_"+part]
				if (got == nil) != (user == nil) || got != nil && *got != want {
					t.Errorf("%s: %s_DB_%s is %s, want %q, or none without a user", name, database, part, show(got), want)
				}
			}
		}
		slices.Sort(got)
		if got := strings.Join(got, ", "); got != logins[name] {
			t.Errorf("%s: it logs in as %q, want %q", name, got, logins[name])
		}
		if got, ok := project.Services[name].Environment["SOURCE_DB_URL"]; ok {
			t.Errorf("%s: SOURCE_DB_URL is %s, want none: it would count more than its parts", name, show(got))
		}
	}
	db := project.Services["source_db"]
	for variable, want := range map[string]string{"POSTGRES_USER": "u", "POSTGRES_PASSWORD": password, "POSTGRES_DB": "n", "TZ": "UTC", "PGTZ": "UTC"} {
		if got := db.Environment[variable]; got == nil || *got != want {
			t.Errorf("source_db: %s is %s, want %s", variable, show(got), want)
		}
	}
	if got := db.Ports[0].Published; got != "7001" {
		t.Errorf("source_db: published at %s, want 7001", got)
	}
	if got := project.Services["target_db"].Ports[0].Published; got != "7002" {
		t.Errorf("target_db: published at %s, want 7002", got)
	}
}

func show(value *string) string {
	if value == nil {
		return "not set"
	}
	return strconv.Quote(*value)
}

// The image runs as nobody in particular, by number, and what it runs can be
// reached from outside; its health check asks from there.
func TestImage(t *testing.T) {
	t.Parallel()
	text := read(t, "Dockerfile")
	result := text[strings.LastIndex(text, "\nFROM "):]
	for _, want := range []string{
		"USER 65532:65532",
		"ENV API_ADDR=0.0.0.0:8000 CONSOLE_ADDR=0.0.0.0:3000 HEALTHCHECK_FROM=outside",
	} {
		if !slices.Contains(strings.Split(result, "\n"), want) {
			t.Errorf("Dockerfile: the result lacks the line %q:%s", want, result)
		}
	}
}

// Each image is pinned to more than a name: a tag that isn't latest.
func TestImagesArePinned(t *testing.T) {
	t.Parallel()
	var images []string
	for _, s := range load(t, "").Services {
		if s.Image != ours {
			images = append(images, s.Image)
		}
	}
	from := regexp.MustCompile(`(?m)^FROM (\S+)`)
	for _, m := range from.FindAllStringSubmatch(read(t, "Dockerfile"), -1) {
		images = append(images, m[1])
	}
	if len(images) < 4 {
		t.Errorf("got the images %v, want those of two databases, the build and the result", images)
	}
	for _, image := range images {
		name, tag, ok := strings.Cut(image[strings.LastIndexByte(image, '/')+1:], ":")
		if !ok || tag == "" || tag == "latest" || name == "" {
			t.Errorf("image %s is not pinned by a tag", image)
		}
	}
}

// Every variable that the compose file takes has a default and a line in
// .env.example, and the two agree.
func TestVariablesStandInExample(t *testing.T) {
	t.Parallel()
	example, err := dotenv.UnmarshalWithLookup(read(t, ".env.example"), nil)
	if err != nil {
		t.Fatalf("read .env.example: %v", err)
	}
	uses := regexp.MustCompile(`(?:^|[^$])\$\{?(\w+)(:-([^}]*))?`).FindAllStringSubmatch(read(t, "docker-compose.yaml"), -1)
	if len(uses) == 0 {
		t.Fatal("docker-compose.yaml takes no variable")
	}
	for _, use := range uses {
		name, hasDefault, fallback := use[1], use[2] != "", use[3]
		if !hasDefault {
			t.Errorf("docker-compose.yaml takes %s without a default", name)
		}
		value, ok := example[name]
		if !ok {
			t.Errorf(".env.example lacks %s, which docker-compose.yaml takes", name)
		}
		if strings.HasPrefix(fallback, "${") {
			fallback = "" // of another variable
		}
		// LOG_FORMAT's default depends on the terminal, and a container has none.
		if value != fallback && name != "LOG_FORMAT" {
			t.Errorf("%s is %q in .env.example, but defaults to %q in docker-compose.yaml", name, value, fallback)
		}
	}
}
