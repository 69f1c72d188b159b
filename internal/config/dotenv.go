package config

import (
	"bytes"
	"fmt"
	"regexp"
	"strings"
)

// dotenv is what a .env says, read as docker compose reads it.
type dotenv struct {
	value map[string]string
	// broken are the references of variables to one that is not set.
	broken map[string]string
}

var (
	assignment = regexp.MustCompile(`^(?:export[ \t]+)?([A-Za-z_][A-Za-z0-9_.-]*)[ \t]*[=:][ \t]*`)
	reference  = regexp.MustCompile(`\$(?:\$|([A-Za-z_][A-Za-z0-9_]*)|\{([A-Za-z_][A-Za-z0-9_]*)(:?-[^}]*)?\})`)
)

// readDotenv reads a .env. A reference is looked up in the environment, then above in the file. The
// error names the line and quotes nothing: it may hold a password.
func readDotenv(text []byte, environ map[string]string) (dotenv, error) {
	d := dotenv{value: map[string]string{}, broken: map[string]string{}}
	whole := strings.ReplaceAll(string(bytes.TrimPrefix(text, []byte("\uFEFF"))), "\r\n", "\n")
	for rest := whole; ; {
		rest = strings.TrimLeft(rest, " \t\n")
		if rest == "" {
			return d, nil
		}
		line := 1 + strings.Count(whole[:len(whole)-len(rest)], "\n")
		if rest[0] == '#' {
			_, rest, _ = strings.Cut(rest, "\n")
			continue
		}
		found := assignment.FindStringSubmatch(rest)
		if found == nil {
			return d, fmt.Errorf("line %d: want NAME=value, a comment or nothing", line)
		}
		value, expands, after, err := cutValue(rest[len(found[0]):])
		if err != nil {
			return d, fmt.Errorf("line %d: %w", line, err)
		}
		rest = after
		d.set(found[1], value, expands, environ)
	}
}

// cutValue takes a value, and what else is on its last line, off the text.
func cutValue(text string) (value string, expands bool, rest string, err error) {
	if text == "" || text[0] != '\'' && text[0] != '"' {
		value, rest, _ = strings.Cut(text, "\n")
		value, _, _ = strings.Cut(value, " #")
		return strings.TrimSpace(value), true, rest, nil
	}
	quote, end := text[0], 1
	for ; end < len(text) && text[end] != quote; end++ {
		if text[end] == '\\' {
			end++ // whatever follows, the quote too
		}
	}
	if end >= len(text) {
		return "", false, "", fmt.Errorf("want a %c at the end of the value", quote)
	}
	value = text[1:end]
	remark, rest, _ := strings.Cut(text[end+1:], "\n")
	if remark = strings.TrimSpace(remark); remark != "" && remark[0] != '#' {
		return "", false, "", fmt.Errorf("want nothing behind the closing %c but a comment", quote)
	}
	if quote == '\'' {
		return strings.ReplaceAll(value, `\'`, `'`), false, rest, nil
	}
	// \$ is left for the references, where $$ is a dollar.
	escapes := strings.NewReplacer(`\n`, "\n", `\r`, "\r", `\t`, "\t", `\"`, `"`, `\\`, `\`, `\$`, "$$")
	return escapes.Replace(value), true, rest, nil
}

func (d *dotenv) set(name, value string, expands bool, environ map[string]string) {
	delete(d.broken, name)
	if expands {
		value = reference.ReplaceAllStringFunc(value, func(text string) string {
			found := reference.FindStringSubmatch(text)
			to, fallback := found[1]+found[2], found[3]
			if to == "" {
				return "$"
			}
			switch {
			case environ[to] != "":
				return environ[to]
			case d.broken[to] != "":
				d.broken[name] = d.broken[to]
			case d.value[to] != "":
				return d.value[to]
			case fallback == "":
				d.broken[name] = to
			}
			return strings.TrimPrefix(strings.TrimPrefix(fallback, ":"), "-")
		})
	}
	d.value[name] = value
}
