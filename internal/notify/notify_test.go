package notify_test

import (
	"bufio"
	"encoding/json"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/delfos/delfos/internal/notify"
	"github.com/delfos/delfos/internal/test/await"
)

// block is the code of a language in docs/notify.md.
func block(t *testing.T, language string) string {
	t.Helper()
	text, err := os.ReadFile("../../docs/notify.md")
	if err != nil {
		t.Fatal(err)
	}
	found := regexp.MustCompile("(?s)```" + language + "\n(.*?)```").FindSubmatch(text)
	if found == nil {
		t.Fatalf("docs/notify.md has no block of %s", language)
	}
	return string(found[1])
}

// The event that the document shows is what Send writes, and the receiver that it shows
// takes it, once.
func TestDocument(t *testing.T) {
	t.Parallel()
	var want struct {
		ID, Type, Subject string
		Time              time.Time
		Data              json.RawMessage
	}
	if err := json.Unmarshal([]byte(block(t, "json")), &want); err != nil {
		t.Fatal(err)
	}
	event := notify.Event{ID: want.ID, Type: want.Type, Subject: want.Subject, Time: want.Time, Data: want.Data}
	text, err := json.Marshal(event)
	if err != nil {
		t.Fatal(err)
	}
	var shown, written any
	if err := json.Unmarshal([]byte(block(t, "json")), &shown); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &written); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(shown, written); diff != "" {
		t.Errorf("the event (-document +written):\n%s", diff)
	}

	python, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("no python3")
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(ln.Addr().String())
	ln.Close()
	script := filepath.Join(t.TempDir(), "receiver.py")
	if err := os.WriteFile(script, []byte(strings.ReplaceAll(block(t, "python"), "9000", port)), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), python, script)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	lines := bufio.NewScanner(out)
	receiver := notify.NewReceiver("http://127.0.0.1:"+port+"/", "")
	await.True(t, "the receiver to listen", func() bool { return receiver.Send(t.Context(), event) == nil })
	if err := receiver.Send(t.Context(), event); err != nil {
		t.Error(err)
	}
	event.ID = "another"
	if err := receiver.Send(t.Context(), event); err != nil {
		t.Error(err)
	}
	_ = cmd.Process.Kill()
	var printed int
	for lines.Scan() {
		printed++
		if !strings.HasPrefix(lines.Text(), "delfos.day_failed.begun 2 days, ") {
			t.Errorf("the receiver printed %q", lines.Text())
		}
	}
	if printed != 2 {
		t.Errorf("the receiver printed %d lines for two events, of which one came twice", printed)
	}
}

// Errors name the host and what it answered, and nothing that may be secret.
func TestSendErrors(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "moved") {
			http.Redirect(w, r, "/elsewhere", http.StatusFound)
			return
		}
		http.Error(w, "no", http.StatusInternalServerError)
	}))
	t.Cleanup(server.Close)
	host := strings.TrimPrefix(server.URL, "http://")
	away := httptest.NewServer(nil)
	away.Close()
	for url, want := range map[string]string{
		server.URL + "/hidden?key=hidden":   "send event e: " + host + " answered 500 Internal Server Error",
		server.URL + "/hidden/moved":        "send event e: " + host + " answered 302 Found: set NOTIFY_URL to where that leads",
		away.URL + "/hidden?key=hidden":     "connection refused",
		"http://me:hidden@127.0.0.1:1/":     "send event e to 127.0.0.1:1: ",
		"http://nowhere.invalid/hidden?a=b": "send event e to nowhere.invalid: ",
	} {
		err := notify.NewReceiver(url, "hidden").Send(t.Context(), notify.Event{ID: "e", Data: json.RawMessage("{}")})
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "hidden") {
			t.Errorf("%s: got %v, want %q", url, err, want)
		}
	}
}
