package config

import (
	"cmp"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/delfos/delfos/internal/dates"
	"github.com/delfos/delfos/internal/pgpool"
	"github.com/delfos/delfos/server/httpserve"
)

// maxDays is the most that a number of days may be, as over HTTP.
const maxDays = 20_000

const wantURL = "a URL such as postgres://user:password@localhost:5432/database" //nolint:gosec // no password, the word

func (v Variable) check(value string) *Error {
	ok, fault := true, &Error{Variable: v.Name, Value: value}
	switch v.want {
	case "", "secret":
	case "database":
		if _, err := pgpool.Parse(value); err != nil {
			ok, fault.Value, fault.Why = false, Redact(value), err.Error()
		}
		fault.Want = wantURL
	case "service":
		u, web := webURL(value)
		ok = web && u.RawQuery == "" && u.Fragment == ""
		fault.Value, fault.Want = Redact(value), "an http or https URL such as "+cmp.Or(v.Default, "https://login.example.org")
	case "webhook":
		u, web := webURL(value)
		ok = web && u.Fragment == ""
		// Path and query of a webhook are often all that keeps others from using it.
		fault.Value, fault.Found = "", "is not one that events can be sent to (not shown, it may hold a secret)"
		fault.Want = "an http or https URL such as https://alerts.example.org/delfos?farm=north"
	case "address":
		_, port, err := net.SplitHostPort(value)
		ok = err == nil && (port == "0" || isPort(port))
		example := cmp.Or(v.Default, "127.0.0.1:9464")
		fault.Want = "HOST:PORT such as " + example + ", or " + example[strings.LastIndex(example, ":"):] + " for every address"
	case "days", "number":
		i, err := strconv.Atoi(value)
		ok = err == nil && i >= v.least && i <= maxDays
		fault.Want = "a whole number from " + strconv.Itoa(v.least) + " to " + strconv.Itoa(maxDays)
	case "day":
		day, err := time.Parse(time.DateOnly, value)
		ok = err == nil && !day.Before(dates.Earliest())
		fault.Want = "a day such as 2025-01-31, not before " + dates.Earliest().Format(time.DateOnly)
	case "time":
		t, err := time.ParseDuration(value)
		ok = err == nil && t >= 0
		fault.Want = "a time such as 10s, or 0"
	case "every":
		t, err := time.ParseDuration(value)
		ok = err == nil && (t == 0 || t >= time.Minute)
		fault.Want = "a time of at least 1m such as 10m, or 0"
	case "names":
		ok = !slices.ContainsFunc(items(value), func(name string) bool {
			_, err := netip.ParseAddr(name)
			return err != nil && strings.ContainsAny(name, ":/*@[]")
		})
		fault.Want = "names such as delfos.example.org, without scheme, port or path, separated by commas"
	case "origins":
		ok = !slices.ContainsFunc(items(value), func(origin string) bool { return !isOrigin(origin) })
		if strings.Contains(value, "*") {
			fault.Why = "pages of everybody could read all that this server's clients can reach"
		}
		fault.Want = "origins such as https://notebook.example.org, each scheme and host without a path, separated by commas"
	case "path":
		_, ok = httpserve.ParseBasePath(value)
		fault.Want = "a path of letters, digits and -._~ that begins with a slash, such as /delfos"
	case "networks":
		ok = !slices.ContainsFunc(items(value), func(item string) bool {
			_, is := network(item)
			return !is
		})
		fault.Want = "IP addresses and networks such as 10.0.0.7, 10.1.0.0/16, separated by commas"
	default:
		ok = slices.Contains(v.Choices(), strings.ToLower(value))
		fault.Want = "one of " + v.want
	}
	if ok {
		return nil
	}
	return fault
}

func isPort(s string) bool {
	n, err := strconv.ParseUint(s, 10, 16)
	return err == nil && n > 0
}
