// Release builds what is published of a version: for each system an archive of the
// program and what goes with it, and a bill of its materials; then the checksums of
// all, signed if there is a key. The same commit and the same Go make the same bytes,
// in whatever folder and at whatever time.
//
//	go run ./tools/release -version v1.0.0 -out bin/dist linux/amd64 windows/amd64
package main

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// sums is the file that the signature is about.
const sums = "SHA256SUMS"

// shipped are the paths of the repository, by git's patterns, that an archive holds
// beside the program.
func shipped() []string {
	return []string{
		"LICENSE", "README.md", "CHANGELOG.md", "SECURITY.md", ".env.example", "openapi.yaml",
		"docs", ":(glob)schema/*.sql", "examples", "deploy",
	}
}

type release struct {
	version, commit string
	time            time.Time // of the commit
	out             string
	sbom            string // the program cyclonedx-gomod
	key             string // a private key of ssh-keygen; empty: nothing is signed
}

func main() {
	var r release
	flag.StringVar(&r.version, "version", "", "the `number` of the release, such as v1.0.0")
	flag.StringVar(&r.out, "out", "bin/dist", "the `folder` to write to; it is emptied first")
	flag.StringVar(&r.sbom, "sbom", "cyclonedx-gomod", "the `program` that writes the bills of materials")
	flag.StringVar(&r.key, "key", "", "the `file` of the private key that signs, of ssh-keygen -t ed25519")
	flag.Parse()
	if err := r.run(context.Background(), flag.Args()); err != nil {
		fmt.Fprintln(os.Stderr, "release:", err)
		os.Exit(1)
	}
}

func (r release) run(ctx context.Context, systems []string) error {
	if r.version == "" || len(systems) == 0 {
		return errors.New("-version or the systems are missing: want -version v1.0.0 linux/amd64 …")
	}
	told, err := output(ctx, nil, "git", "log", "-1", "--format=%H %ct")
	if err != nil {
		return err
	}
	commit, seconds, _ := strings.Cut(strings.TrimSpace(told), " ")
	unix, err := strconv.ParseInt(seconds, 10, 64)
	if err != nil {
		return fmt.Errorf("read the time of commit %s: %w", commit, err)
	}
	r.commit, r.time = commit, time.Unix(unix, 0).UTC()
	listed, err := output(ctx, nil, "git", append([]string{"ls-files", "-z", "--"}, shipped()...)...)
	if err != nil {
		return err
	}
	beside := strings.Split(strings.TrimSuffix(listed, "\x00"), "\x00")
	if err := os.RemoveAll(r.out); err != nil {
		return err
	}
	//nolint:gosec // What is published may be read by everybody.
	if err := os.MkdirAll(r.out, 0o755); err != nil {
		return err
	}
	var made []string
	for _, system := range systems {
		names, err := r.build(ctx, system, beside)
		if err != nil {
			return fmt.Errorf("build for %s: %w", system, err)
		}
		made = append(made, names...)
	}
	return r.sign(ctx, made)
}

// build makes the archive and the bill of materials for a system, and returns their names.
func (r release) build(ctx context.Context, system string, beside []string) ([]string, error) {
	goos, arch, _ := strings.Cut(system, "/")
	name := fmt.Sprintf("delfos_%s_%s_%s", strings.TrimPrefix(r.version, "v"), goos, arch)
	program, kind := "delfos", ".tar.gz"
	if goos == "windows" {
		program, kind = "delfos.exe", ".zip"
	}
	work, err := os.MkdirTemp("", "delfos-release-")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(work) }()
	binary := filepath.Join(work, program)
	target := []string{"GOOS=" + goos, "GOARCH=" + arch, "CGO_ENABLED=0", "GOFLAGS="}
	flags := fmt.Sprintf("-s -w -X main.version=%s -X main.commit=%s", r.version, r.commit)
	if _, err := output(ctx, target, "go", "build", "-trimpath", "-buildvcs=false", "-ldflags", flags, "-o", binary, "."); err != nil {
		return nil, err
	}
	bill := name + ".cdx.json"
	if _, err := output(ctx, nil, r.sbom, "bin", "-json", "-std", "-noserial", "-notimestamp", "-version", r.version,
		"-output", filepath.Join(r.out, bill), binary); err != nil {
		return nil, err
	}
	files := []file{{name: program, mode: 0o755, from: binary}}
	for _, path := range beside {
		files = append(files, file{name: path, mode: 0o644, from: filepath.FromSlash(path)})
	}
	if goos == "linux" { // of which the image is
		image, err := imageOfProgram("Dockerfile")
		if err != nil {
			return nil, err
		}
		files = append(files, file{name: "Dockerfile", mode: 0o644, content: image},
			file{name: "docker-compose.yaml", mode: 0o644, from: "docker-compose.yaml"})
	}
	for i := range files {
		files[i].name = path.Join(name, files[i].name)
	}
	slices.SortFunc(files, func(a, b file) int { return cmp.Compare(a.name, b.name) })
	pack := packTar
	if kind == ".zip" {
		pack = packZip
	}
	return []string{name + kind, bill}, pack(filepath.Join(r.out, name+kind), r.time, files)
}

// imageOfProgram is the Dockerfile without the stage that builds the program, which
// the archive has already.
func imageOfProgram(name string) ([]byte, error) {
	text, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	const from, built = "\nFROM ", "COPY --from=build /out/delfos "
	last := strings.LastIndex(string(text), from)
	image := strings.Replace(string(text)[last+1:], built, "COPY delfos ", 1)
	if last < 0 || strings.Contains(image, "--from=") || !strings.Contains(image, "COPY delfos ") {
		return nil, fmt.Errorf("%s does not end with a stage that has %q: correct imageOfProgram", name, built)
	}
	return []byte(image), nil
}

// sign writes the checksums of the files that were made, and their signature.
func (r release) sign(ctx context.Context, made []string) error {
	slices.Sort(made)
	var list strings.Builder
	for _, name := range made {
		content, err := os.ReadFile(filepath.Join(r.out, name))
		if err != nil {
			return err
		}
		fmt.Fprintf(&list, "%x  %s\n", sha256.Sum256(content), name)
	}
	sumsFile := filepath.Join(r.out, sums)
	//nolint:gosec // What is published may be read by everybody.
	if err := os.WriteFile(sumsFile, []byte(list.String()), 0o644); err != nil {
		return err
	}
	fmt.Print(list.String())
	if r.key == "" {
		fmt.Println("not signed: no -key was given")
		return nil
	}
	_, err := output(ctx, nil, "ssh-keygen", "-q", "-Y", "sign", "-n", "delfos-release", "-f", r.key, sumsFile)
	return err
}

// output runs a program and returns what it says; its error has what it complained of.
func output(ctx context.Context, environment []string, name string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Env = append(os.Environ(), environment...)
	said, err := cmd.Output()
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		err = fmt.Errorf("%w: %s", err, exit.Stderr)
	}
	if err != nil {
		return "", fmt.Errorf("%s %s: %w", name, strings.Join(args, " "), err)
	}
	return string(said), nil
}
