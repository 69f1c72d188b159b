//go:build release

package main

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// A build is a release that was made from a clone of its own.
type build struct{ clone, out string }

// makeRelease clones a repository into a folder of its own and makes a release there.
func makeRelease(t *testing.T, repository, key string, systems ...string) build {
	t.Helper()
	b := build{clone: filepath.Join(t.TempDir(), "clone")}
	b.out = filepath.Join(b.clone, "bin", "dist")
	run(t, ".", "git", "clone", "-q", "--no-hardlinks", repository, b.clone)
	run(t, b.clone, "make", "dist", "VERSION=v9.8.7", "SIGNING_KEY="+key, "SYSTEMS="+strings.Join(systems, " "))
	return b
}

func run(t *testing.T, dir, name string, args ...string) string {
	t.Helper()
	out, err := try(t, dir, name, args...)
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return out
}

func try(t *testing.T, dir, name string, args ...string) (string, error) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func read(t *testing.T, path ...string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(path...))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func put(t *testing.T, text string, path ...string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(path...), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// newKey makes a key that signs, and the line of allowed_signers that SECURITY.md describes.
func newKey(t *testing.T) (private, signers string) {
	t.Helper()
	private = filepath.Join(t.TempDir(), "KEY")
	run(t, ".", "ssh-keygen", "-q", "-t", "ed25519", "-C", "release@delfos", "-N", "", "-f", private)
	return private, `release@delfos namespaces="delfos-release" ` + read(t, private+".pub")
}

// recipe returns the lines by which SECURITY.md has a release verified.
func recipe(t *testing.T, clone string) []string {
	t.Helper()
	block := regexp.MustCompile("(?s)## Verify a release.*?```sh\n(.*?)\n```").FindStringSubmatch(read(t, clone, "SECURITY.md"))
	if block == nil {
		t.Fatal("SECURITY.md has no lines that verify a release")
	}
	return strings.Split(block[1], "\n")
}

// demo runs `delfos demo --once` of an unpacked archive, on ports that are free.
func demo(t *testing.T, home string) {
	t.Helper()
	var ports [4]string
	for i := range ports {
		ln, err := new(net.ListenConfig).Listen(t.Context(), "tcp4", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		_, ports[i], _ = net.SplitHostPort(ln.Addr().String())
		_ = ln.Close()
	}
	t.Setenv("SOURCE_DB_URL", "postgres://delfos:delfos@localhost:"+ports[0]+"/delfos")
	t.Setenv("TARGET_DB_URL", "postgres://delfos:delfos@localhost:"+ports[1]+"/delfos")
	t.Setenv("API_ADDR", "127.0.0.1:"+ports[2])
	t.Setenv("CONSOLE_ADDR", "127.0.0.1:"+ports[3])
	got := run(t, home, "./delfos", "demo", "--once")
	t.Log(got)
	if !strings.Contains(got, "It works.") {
		t.Errorf("delfos demo --once does not say that it works:\n%s", got)
	}
}

// TestRelease makes a release of every system twice, in clones at different places,
// verifies it as SECURITY.md says, and runs the demo of the archive for this system.
func TestRelease(t *testing.T) {
	key, signers := newKey(t)
	systems := strings.Fields(os.Getenv("SYSTEMS"))
	first := makeRelease(t, strings.TrimSpace(run(t, ".", "git", "rev-parse", "--show-toplevel")), key, systems...)
	second := makeRelease(t, first.clone, key, systems...)
	for _, name := range []string{sums, sums + ".sig"} {
		if a, b := read(t, first.out, name), read(t, second.out, name); a != b {
			t.Errorf("%s of two builds differ:\n%s\n%s", name, a, b)
		}
	}
	if got, want := strings.Count(read(t, first.out, sums), "\n"), 2*len(systems); got != want {
		t.Errorf("%s has %d files, want %d", sums, got, want)
	}
	lines := recipe(t, first.clone)
	put(t, signers, first.out, "allowed_signers")
	for i, want := range []string{`Good "delfos-release" signature for release@delfos`, "delfos_9.8.7_linux_amd64.tar.gz: OK"} {
		if got := run(t, first.out, "sh", "-c", lines[i]); !strings.Contains(got, want) {
			t.Errorf("%s: got %s, want %q in it", lines[i], got, want)
		}
	}
	t.Run("refused", func(t *testing.T) {
		_, stranger := newKey(t)
		archive := filepath.Join(second.out, "delfos_9.8.7_linux_amd64.tar.gz")
		put(t, read(t, archive)+" ", archive)
		put(t, signers, second.out, "allowed_signers")
		if got, err := try(t, second.out, "sh", "-c", lines[1]); err == nil {
			t.Errorf("a changed archive passes: %s", got)
		}
		put(t, stranger, second.out, "allowed_signers")
		if got, err := try(t, second.out, "sh", "-c", lines[0]); err == nil {
			t.Errorf("another key's signature passes: %s", got)
		}
		put(t, signers, second.out, "allowed_signers")
		put(t, read(t, second.out, sums)+"\n", second.out, sums)
		if got, err := try(t, second.out, "sh", "-c", lines[0]); err == nil {
			t.Errorf("changed checksums pass: %s", got)
		}
	})
	t.Run("archive", func(t *testing.T) {
		dir := t.TempDir()
		run(t, dir, "tar", "-xzf", filepath.Join(first.out, "delfos_9.8.7_linux_amd64.tar.gz"))
		home := filepath.Join(dir, "delfos_9.8.7_linux_amd64")
		commit := strings.TrimSpace(run(t, first.clone, "git", "rev-parse", "HEAD"))
		if got, want := run(t, home, "./delfos", "--version"), "delfos v9.8.7, commit "+commit+", go"; !strings.HasPrefix(got, want) {
			t.Errorf("--version: got %s, want %s first", got, want)
		}
		if got := read(t, home, "Dockerfile"); !strings.Contains(got, "\nCOPY delfos /usr/local/bin/delfos\n") {
			t.Errorf("the Dockerfile does not copy the archive's program:\n%s", got)
		}
		demo(t, home)
	})
}
