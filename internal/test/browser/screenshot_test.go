//go:build browser

package browser_test

import (
	"bufio"
	"flag"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"syscall"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
)

var pictures = flag.Bool("screenshots", false, "write the pictures of docs/img anew, of what the demo shows")

// TestScreenshots writes README's pictures, in both themes.
//
//nolint:tparallel // They share a browser.
func TestScreenshots(t *testing.T) {
	t.Parallel()
	if !*pictures {
		t.Skip("-screenshots is not set: make screenshots")
	}
	console := demo(t)
	browser := newBrowser(t)
	for name, shown := range map[string]struct {
		address string
		height  int64
	}{
		"calendar":    {"?view=calendar&from=2024-12-28&to=2025-01-12&select=2025-01-06,2025-01-08", 620},
		"data":        {"?view=data&start=2025-01-02&end=2025-01-09&turbines=1,3&variables=wind_speed,power", 700},
		"power-curve": {"?view=power-curve", 820},
	} {
		for _, theme := range []string{"light", "dark"} {
			t.Run(name+" "+theme, func(t *testing.T) {
				p := newPage(t, browser, console)
				t.Cleanup(p.judge)
				p.theme(theme)
				p.do(call(emulation.SetDeviceMetricsOverride, emulation.SetDeviceMetricsOverrideParams{Width: 1280, Height: shown.height, DeviceScaleFactor: 1}))
				p.open(shown.address)
				p.wait(connectionIs("live"))
				if name == "calendar" {
					p.wait(`document.querySelector(".glance svg path, .glance svg polyline")`)
				}
				p.settle()
				picture, err := chromedp.Run(p.ctx, chromedp.CaptureScreenshot())
				must(t, err)
				must(t, os.WriteFile(filepath.Join(root, "docs/img", name+"-"+theme+".png"), picture, 0o644))
			})
		}
	}
}

// demo runs `delfos demo` on free ports until the test ends, and returns its console's
// address.
func demo(t *testing.T) string {
	t.Helper()
	path, err := filepath.Abs(program)
	must(t, err)
	database := func() string {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		must(t, err)
		defer func() { _ = ln.Close() }()
		return "postgres://delfos:delfos@" + ln.Addr().String() + "/delfos?sslmode=disable"
	}
	cmd := exec.Command(path, "demo")
	cmd.Dir = t.TempDir()
	cmd.Env = []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + cmd.Dir, "SOURCE_DB_URL=" + database(), "TARGET_DB_URL=" + database(),
		"API_ADDR=127.0.0.1:0", "CONSOLE_ADDR=127.0.0.1:0",
	}
	cmd.Stderr = t.Output()
	stdout, err := cmd.StdoutPipe()
	must(t, err)
	must(t, cmd.Start())
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		if err := cmd.Wait(); err != nil {
			t.Errorf("demo: %v", err)
		}
	})
	address := regexp.MustCompile(`(http://\S+)/\?view=calendar`)
	for lines := bufio.NewScanner(stdout); lines.Scan(); {
		if found := address.FindStringSubmatch(lines.Text()); found != nil {
			go func() {
				for lines.Scan() { // it goes on to print what to try
				}
			}()
			return found[1]
		}
	}
	t.Fatal("the demo ended before it was up")
	return ""
}
