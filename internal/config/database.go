package config

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"strings"

	"github.com/delfos/delfos/internal/pgpool"
)

type part struct{ suffix, keyword string }

// parts are those of variables that stand in for a URL, such as SOURCE_DB_HOST.
func parts() []part {
	return []part{{"USER", "user"}, {"PASSWORD", "password"}, {"HOST", "host"}, {"PORT", "port"}, {"NAME", "dbname"}}
}

// database finds the URL in variable, such as SOURCE_DB_URL. A flag counts before the environment,
// that before .env, and in each the URL before its parts. Parts in the environment replace what .env
// says.
func (v *Vars) database(variable, fallback string) (string, error) {
	if value, ok := v.flags[variable]; ok {
		return value, nil
	}
	prefix := strings.TrimSuffix(variable, "URL")
	above, err := v.partsIn(v.environ, prefix)
	if value, ok := above[variable]; ok || err != nil {
		return value, err
	}
	below, err := v.partsIn(v.file, prefix)
	if err != nil {
		return "", err
	}
	if len(above)+len(below) == 0 {
		return fallback, nil
	}
	var made []string // the variables
	pieces := map[string]string{}
	for _, p := range parts() {
		name := prefix + p.suffix
		value, ok := above[name]
		if !ok && below[variable] == "" {
			value, ok = below[name]
		}
		if ok {
			made = append(made, name)
			pieces[p.keyword] = value
		}
	}
	if len(made) == 0 {
		return below[variable], nil
	}
	if port, ok := pieces["port"]; ok && !isPort(port) {
		return "", &Error{Variable: prefix + "PORT", Value: port, Want: "a port from 1 to 65535"}
	}
	v.origin[variable] = variable + ", made of " + strings.Join(made, ", ")
	if base := below[variable]; base != "" {
		return override(base, pieces), nil
	}
	return compose(fallback, pieces), nil
}

// partsIn finds the URL and its parts in the environment or .env: the value itself or, in a variable
// with _FILE behind its name, the file that holds it.
func (v *Vars) partsIn(place place, prefix string) (found map[string]string, err error) {
	found = map[string]string{}
	for _, suffix := range []string{"URL", "USER", "PASSWORD", "HOST", "PORT", "NAME"} {
		name := prefix + suffix
		if fault, ok := place.broken[name]; ok {
			err = errors.Join(err, fault)
			continue
		}
		value, ok := place.value[name]
		if ok {
			found[name] = value
			v.origin[name] = name + place.where
		}
		if suffix != "URL" && suffix != "PASSWORD" {
			continue
		}
		file := name + "_FILE"
		if fault, ok := place.broken[file]; ok {
			err = errors.Join(err, fault)
		} else if path, ok := place.value[file]; ok {
			text, fault := held(name, value, path, file+place.where)
			if err = errors.Join(err, fault); fault == nil {
				found[name], v.origin[name] = text, "the URL in "+file+place.where
			}
		}
	}
	return found, err
}

// reason is why a file could not be read, without its name.
func reason(err error) string {
	if bad, ok := errors.AsType[*os.PathError](err); ok {
		return bad.Err.Error()
	}
	return err.Error()
}

// override puts other pieces into a URL or a list of keywords: what comes last counts.
func override(base string, pieces map[string]string) string {
	var b strings.Builder
	b.WriteString(base)
	for _, p := range parts() {
		value, ok := pieces[p.keyword]
		switch {
		case !ok:
		case !strings.Contains(base, "://"):
			fmt.Fprintf(&b, " %s='%s'", p.keyword, strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(value))
		default:
			sign := "?"
			if strings.Contains(b.String(), "?") {
				sign = "&"
			}
			b.WriteString(sign + p.keyword + "=" + queryValue(value))
		}
	}
	return b.String()
}

// queryValue encodes a value as libpq and pgx decode it, to which + is a plus.
func queryValue(s string) string { return strings.ReplaceAll(url.QueryEscape(s), "+", "%20") }

// compose makes a URL of pieces; those that are not given are the fallback's. On
// another machine, whether TLS is used is up to PGSSLMODE, or to the server.
func compose(fallback string, pieces map[string]string) string {
	u, err := url.Parse(fallback)
	if err != nil {
		return override(fallback, pieces) // no default of ours is such
	}
	get := func(keyword, otherwise string) string {
		if value, ok := pieces[keyword]; ok {
			return value
		}
		return otherwise
	}
	password, _ := u.User.Password()
	host, port := get("host", u.Hostname()), get("port", u.Port())
	u.User = url.UserPassword(get("user", u.User.Username()), get("password", password))
	u.Path = "/" + get("dbname", strings.TrimPrefix(u.Path, "/"))
	if ip := net.ParseIP(host); host != "localhost" && !strings.HasPrefix(host, "/") && (ip == nil || !ip.IsLoopback()) {
		u.RawQuery = ""
	}
	u.Host = net.JoinHostPort(host, port)
	if strings.ContainsAny(host, "/,@?%[] ") { // a socket's folder, or several hosts
		u.Host = ""
		u.RawQuery = strings.TrimPrefix(u.RawQuery+"&host="+queryValue(host)+"&port="+port, "&")
	}
	return u.String()
}

// Redact hides what may be a password in a URL, or in a database's keywords. Of what is neither and
// may hold one it shows nothing, since nobody can tell where in it.
func Redact(value string) string {
	if masked, ok := pgpool.Mask(value); ok {
		return masked
	}
	return redactURL(value)
}

func redactURL(value string) string {
	const hidden = "(not shown, it may hold a password)"
	u, err := url.Parse(value)
	if err != nil {
		return hidden
	}
	if u.Host == "" {
		if strings.Contains(value, "@") || strings.Contains(strings.ToLower(value), "pass") {
			return hidden
		}
		return value
	}
	// A password with an unescaped slash, question mark or hash ends up here.
	if strings.Contains(u.Path+u.RawQuery+u.Fragment, "@") {
		return hidden
	}
	query, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return hidden
	}
	for _, name := range []string{"password", "sslpassword"} {
		if query.Has(name) {
			query.Set(name, "xxxxx")
			u.RawQuery = query.Encode()
		}
	}
	return u.Redacted()
}
