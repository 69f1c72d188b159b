package cli

import (
	"runtime/debug"
	"testing"
)

func TestVersion(t *testing.T) {
	t.Parallel()
	recorded := func(number string, settings ...string) *debug.BuildInfo {
		info := &debug.BuildInfo{Main: debug.Module{Version: number}}
		for i := 0; i < len(settings); i += 2 {
			info.Settings = append(info.Settings, debug.BuildSetting{Key: settings[i], Value: settings[i+1]})
		}
		return info
	}
	const commit = "47e726b"
	for name, c := range map[string]struct {
		told Version
		info *debug.BuildInfo
		want string
	}{
		"a release's linker":       {Version{"v1.2.3", commit}, recorded("v1.2.3", "vcs.revision", "other"), "v1.2.3, commit 47e726b"},
		"make build, without git":  {Version{"dev", "unknown"}, nil, "dev, commit unknown"},
		"go install @v1.2.3":       {Version{}, recorded("v1.2.3"), "v1.2.3"},
		"go install @main":         {Version{}, recorded("v1.2.4-0.20270102030405-47e726b00000"), "v1.2.4-0.20270102030405-47e726b00000"},
		"go build in a clone":      {Version{}, recorded("v1.2.3", "vcs.revision", commit, "vcs.modified", "false"), "v1.2.3, commit 47e726b"},
		"go build of changed code": {Version{}, recorded("v1.2.3+dirty", "vcs.revision", commit, "vcs.modified", "true"), "v1.2.3+dirty, commit 47e726b"},
		"go build -buildvcs=false": {Version{}, recorded("(devel)"), "(devel)"},
		"without a number":         {Version{}, recorded("", "vcs.revision", commit, "vcs.modified", "true"), "(devel), commit 47e726b, changed since"},
		"nothing recorded":         {Version{}, nil, "(devel)"},
	} {
		if got := c.told.with(c.info); got != c.want {
			t.Errorf("%s: got %q, want %q", name, got, c.want)
		}
	}
}
