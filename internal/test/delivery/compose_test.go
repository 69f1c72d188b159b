package delivery_test

import (
	"maps"
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

// load reads docker-compose.yaml, every profile of it, as `docker compose` does, with
// envFile or, where that is empty, without any.
func load(t *testing.T, envFile string) *types.Project {
	t.Helper()
	var env []cli.ProjectOptionsFn
	if envFile != "" {
		env = []cli.ProjectOptionsFn{cli.WithEnvFiles(envFile), cli.WithDotEnv}
	}
	return compose(t, []string{"docker-compose.yaml"}, []string{"*"}, env...)
}

// compose reads compose files as one project with the services of profiles. What this
// process has in its environment doesn't count.
func compose(t *testing.T, files, profiles []string, with ...cli.ProjectOptionsFn) *types.Project {
	t.Helper()
	var paths []string
	for _, file := range files {
		paths = append(paths, filepath.Join(root, file))
	}
	options, err := cli.NewProjectOptions(paths, append(with, cli.WithWorkingDirectory(root), cli.WithProfiles(profiles))...)
	if err != nil {
		t.Fatalf("read options: %v", err)
	}
	project, err := options.LoadProject(t.Context())
	if err != nil {
		t.Fatalf("load %q with profiles %q: %v", files, profiles, err)
	}
	return project
}

// Any profiles together, with secrets and without, are a project of which nothing is
// reached from other machines, and that lacks nothing which it needs.
func TestComposeCombinations(t *testing.T) {
	t.Parallel()
	profiles := slices.Sorted(maps.Keys(byProfile()))
	for _, files := range [][]string{{"docker-compose.yaml"}, {"docker-compose.yaml", "deploy/compose/secrets.yaml"}} {
		for set := range 1 << len(profiles) {
			want := slices.Clone(always())
			var chosen []string
			for i, profile := range profiles {
				if set>>i&1 == 1 {
					chosen = append(chosen, profile)
					want = append(want, byProfile()[profile]...)
				}
			}
			project := compose(t, files, chosen)
			slices.Sort(want)
			if diff := cmp.Diff(want, project.ServiceNames()); diff != "" {
				t.Errorf("services of %q with profiles %q (-want +got):\n%s", files, chosen, diff)
			}
			for name, s := range project.Services {
				for _, p := range s.Ports {
					if p.HostIP != "127.0.0.1" {
						t.Errorf("%s: port %d is published at %q, want 127.0.0.1", name, p.Target, p.HostIP)
					}
				}
				for other, d := range s.DependsOn {
					if _, ok := project.Services[other]; !ok && d.Required {
						t.Errorf("%s waits for %s, which profiles %q have not", name, other, chosen)
					}
				}
			}
		}
	}
}

// always are the services without a profile.
func always() []string {
	return []string{"api", "migrate", "orchestrator", "seed", "source_db", "target_db"}
}

func byProfile() map[string][]string {
	return map[string][]string{
		"citus": {"citus_setup", "citus_worker_1", "citus_worker_2", "distribute"},
		"scale": {"worker"}, "tools": {"etl"}, "observability": {"grafana", "prometheus"},
	}
}

// The target of the profile citus is the one image that its workers have, and nobody but
// the coordinator reaches them: they ask for no password.
func TestComposeCitus(t *testing.T) {
	t.Parallel()
	project := load(t, "")
	example, err := dotenv.UnmarshalWithLookup(read(t, ".env.example"), nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"citus_worker_1", "citus_worker_2", "citus_setup"} {
		image := project.Services[name].Image
		for _, file := range []string{".env.example", "docs/deploy/compose.md"} {
			if !strings.Contains(read(t, file), image) {
				t.Errorf("%s does not name %s's image, %s", file, name, image)
			}
		}
	}
	if got := project.Services["target_db"].Image; got != example["TARGET_DB_IMAGE"] {
		t.Errorf("target_db: image %s, want that of .env.example", got)
	}
	var reach []string
	for name, s := range project.Services {
		if _, ok := s.Networks["citus"]; ok {
			reach = append(reach, name)
		}
		if auth := s.Environment["POSTGRES_HOST_AUTH_METHOD"]; (auth != nil) != strings.HasPrefix(name, "citus_worker") {
			t.Errorf("%s: POSTGRES_HOST_AUTH_METHOD is %s", name, show(auth))
		}
	}
	slices.Sort(reach)
	if diff := cmp.Diff([]string{"citus_worker_1", "citus_worker_2", "target_db"}, reach); diff != "" || !project.Networks["citus"].Internal {
		t.Errorf("services in the network citus, which is to be internal (-want +got):\n%s", diff)
	}
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
	const citusWorker = "postgres -c shared_preload_libraries=citus -c wal_level=logical -c max_connections=300 " +
		"-c citus.recover_2pc_interval=-1 -c citus.distributed_deadlock_detection_factor=-1"
	want := map[string]service{
		"source_db": {Ports: []string{"127.0.0.1:5433:5432"}, Volumes: []string{"source_data:/var/lib/postgresql/data"}, Restart: "unless-stopped", Health: "pg_isready"},
		"target_db": {Ports: []string{"127.0.0.1:5434:5432"}, Volumes: []string{"target_data:/var/lib/postgresql/data"}, Restart: "unless-stopped", Health: "pg_isready"},
		"migrate": {
			Command: "schema apply source target river roles", Restart: "no",
			After: map[string]string{"source_db": healthy, "target_db": healthy, "citus_setup": completed},
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
			After: map[string]string{"target_db": healthy, "migrate": completed, "api": healthy, "distribute": completed},
		},
		"worker": {
			Command: "orchestrate --api=false", Restart: "unless-stopped", Health: "healthcheck worker", Profiles: []string{"scale"}, Replicas: 3,
			After: map[string]string{"target_db": healthy, "migrate": completed, "api": healthy, "distribute": completed},
		},
		"etl": {
			Command: "/usr/local/bin/delfos etl --help", Restart: "no", Profiles: []string{"tools"},
			After: map[string]string{"target_db": healthy, "migrate": completed, "api": healthy, "distribute": completed},
		},
		"citus_worker_1": {
			Command: citusWorker, Volumes: []string{"citus_data_1:/var/lib/postgresql/data"}, Restart: "unless-stopped", Health: "pg_isready",
			Profiles: []string{"citus"},
		},
		"citus_worker_2": {
			Command: citusWorker, Volumes: []string{"citus_data_2:/var/lib/postgresql/data"}, Restart: "unless-stopped", Health: "pg_isready",
			Profiles: []string{"citus"},
		},
		"citus_setup": {
			Command: `sh -c PGPASSWORD="${POSTGRES_PASSWORD:-$(cat "$POSTGRES_PASSWORD_FILE")}" ` +
				`exec psql -Xqo /dev/null -v ON_ERROR_STOP=1 -h target_db -U "$POSTGRES_USER" -d "$POSTGRES_DB" -f /citus.sql`,
			Volumes: []string{"deploy/compose/citus.sql:/citus.sql"}, Restart: "no", Profiles: []string{"citus"},
			After: map[string]string{"target_db": healthy, "citus_worker_1": healthy, "citus_worker_2": healthy},
		},
		"distribute": {
			Command: "schema distribute target --shards 8", Restart: "no", Profiles: []string{"citus"},
			After: map[string]string{"migrate": completed},
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
	for _, name := range []string{"migrate", "seed", "api", "orchestrator", "worker", "etl", "distribute"} {
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
			"distribute": "TARGET delfos",
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
	uses := regexp.MustCompile(`(?:^|[^$])\$\{?(\w+)(:-([^}]*))?`).FindAllStringSubmatch(read(t, "docker-compose.yaml")+read(t, "deploy/compose/secrets.yaml"), -1)
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
