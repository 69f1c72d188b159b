package config_test

import (
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/dotenv"

	"github.com/delfos/delfos/internal/config"
)

// A .env is read as documented, and as docker compose reads the same file.
func TestDotenv(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, text, want string }{
		{"bare", "LOG_LEVEL=debug", "debug"},
		{"blanks", "  LOG_LEVEL =  debug  \n", "debug"},
		{"export", "export LOG_LEVEL=debug\n", "debug"},
		{"colon", "LOG_LEVEL: debug\n", "debug"},
		{"lines of Windows, and its mark", "\uFEFF# first\r\nLOG_LEVEL=debug\r\n", "debug"},
		{"remark", "LOG_LEVEL=debug # or info", "debug"},
		{"no remark", "LOG_LEVEL=de#bug", "de#bug"},
		{"single quotes", `LOG_LEVEL='a b # $HOME ${NAME} \n "'`, `a b # $HOME ${NAME} \n "`},
		{"single quotes in single quotes", `LOG_LEVEL='it\'s'`, `it's`},
		{"double quotes", `LOG_LEVEL="a # \"b\" $$c"` + "\n", `a # "b" $c`},
		{"remark behind quotes", `LOG_LEVEL="a" # b`, "a"},
		{"several lines", "LOG_LEVEL=\"a\nb\"\nLOG_FORMAT=text", "a\nb"},
		{"line ends", `LOG_LEVEL="a\nb"`, "a\nb"},
		{"the last of two", "LOG_LEVEL=a\nLOG_LEVEL=b", "b"},
		{"from above", "NAME=x\nLOG_LEVEL=<${NAME}$NAME>", "<xx>"},
		{"from the environment", "LOG_LEVEL=${FROM_ENV}", "environment"},
		{"the environment first", "FROM_ENV=file\nLOG_LEVEL=${FROM_ENV}", "environment"},
		{"default", "LOG_LEVEL=${NONE:-loud}", "loud"},
		{"default that begins with a sign", "LOG_LEVEL=${NONE:--1}", "-1"},
		{"default not needed", "LOG_LEVEL=${FROM_ENV:-loud}", "environment"},
		{"default instead of nothing", "NAME=\nLOG_LEVEL=${NAME:-loud}", "loud"},
		{"a dollar", "LOG_LEVEL=a$$b$5$", "a$b$5$"},
		{"quoted dollar", `LOG_LEVEL="a\$b"`, "a$b"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			environ := map[string]string{"FROM_ENV": "environment"}
			theirs, err := dotenv.UnmarshalWithLookup(strings.TrimPrefix(test.text, "\uFEFF"), func(name string) (string, bool) {
				value, ok := environ[name]
				return value, ok
			})
			if err != nil || theirs["LOG_LEVEL"] != test.want {
				t.Errorf("docker compose reads %q (%v), want %q", theirs["LOG_LEVEL"], err, test.want)
			}
			_, err = config.Parse[config.Client](load(t, test.text, "FROM_ENV=environment"))
			// A level that is none is shown as it was read.
			got := `LOG_LEVEL in .env is "` + strings.NewReplacer("\n", `\n`, `\`, `\\`, `"`, `\"`).Replace(test.want) + `": want`
			switch {
			case test.want == "debug" && err != nil:
				t.Errorf("got %v, want none", err)
			case test.want != "debug" && (err == nil || !strings.HasPrefix(err.Error(), got)):
				t.Errorf("got %v, want %s", err, got)
			}
		})
	}
}

// What a reference leads to nowhere is an error of who reads the variable.
func TestDotenvReferences(t *testing.T) {
	t.Parallel()
	const advice = " in the environment or above, ${NONE:-default}, or a $ that is meant as such in single quotes"
	tests := []struct{ name, text, want string }{
		{"not set", "LOG_LEVEL=${NONE}", "LOG_LEVEL in .env refers to ${NONE}, which is not set or empty: want NONE" + advice},
		{"bare", "LOG_LEVEL=a$NONE", "LOG_LEVEL in .env refers to ${NONE}, which is not set or empty: want NONE" + advice},
		{"empty above", "NONE=\nLOG_LEVEL=${NONE}", "LOG_LEVEL in .env refers to ${NONE}, which is not set or empty: want NONE" + advice},
		{"empty in the environment", "LOG_LEVEL=${EMPTY}", "LOG_LEVEL in .env refers to ${EMPTY}, which is not set or empty: want " + strings.ReplaceAll("NONE"+advice, "NONE", "EMPTY")},
		{"set below", "LOG_LEVEL=${NONE}\nNONE=debug", "LOG_LEVEL in .env refers to ${NONE}, which is not set or empty: want NONE" + advice},
		{"by another", "OTHER=<$NONE>\nLOG_LEVEL=${OTHER:-debug}", "LOG_LEVEL in .env refers to ${NONE}, which is not set or empty: want NONE" + advice},
		{"of another program", "THEIRS=$NONE\nLOG_LEVEL=debug", ""},
		{"set again", "LOG_LEVEL=$NONE\nLOG_LEVEL=debug", ""},
	}
	for _, test := range tests {
		if _, err := config.Parse[config.Client](load(t, test.text, "EMPTY=")); errText(err) != test.want {
			t.Errorf("%s: got %v\nwant %s", test.name, err, test.want)
		}
	}
	if _, err := config.Parse[config.Client](load(t, "LOG_LEVEL=${NONE}", "LOG_LEVEL=debug")); err != nil {
		t.Errorf("the environment counts more: got %v, want none", err)
	}
}

func TestDotenvRefusals(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, text, want string }{
		{"no assignment", "LOG_LEVEL=info\n\nhunter2", "line 3: want NAME=value, a comment or nothing"},
		{"open quote", "A='b'\nLOG_LEVEL=\"hunter2\nB=c", `line 2: want a " at the end of the value`},
		{"behind a quote", "LOG_LEVEL='hunter'2", "line 1: want nothing behind the closing ' but a comment"},
	}
	for _, test := range tests {
		_, err := config.Load(nil, write(t, test.text))
		if want := "read .env: " + test.want; errText(err) != want {
			t.Errorf("%s: got %v, want %s", test.name, err, want)
		}
	}
}

func FuzzDotenv(f *testing.F) {
	f.Add("export LOG_LEVEL=\"a\\n$$${NAME:-b}\" # c\r\nB='it\\'s'\n")
	f.Add("\uFEFFA: $B${C}\n#\nLOG_LEVEL=x\\")
	f.Fuzz(func(t *testing.T, text string) {
		vars, err := config.Load(nil, write(t, text))
		if err == nil {
			_, err = config.Parse[config.Serve](vars)
		}
		if err != nil && strings.ContainsAny(err.Error(), "\r\x00") {
			t.Errorf("the error can't be shown: %q", err)
		}
	})
}
