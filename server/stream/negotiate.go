package stream

import (
	"mime"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/delfos/delfos/server/param"
	"github.com/delfos/delfos/server/problem"
)

// Negotiate picks the format named, if one is, and else the one that the Accept
// headers like best (RFC 9110, 12.5.1); among equals the first on offer, and
// that one too when nothing is said. The error lists what is on offer: a 422
// for a name that is not, a 406 for headers that take none.
func Negotiate(accept []string, format string, onOffer []Format) (Format, error) {
	if format != "" {
		return named(format, onOffer)
	}
	all := strings.Join(accept, ",")
	if strings.TrimSpace(all) == "" {
		return onOffer[0], nil
	}
	ranges := parseAccept(all)
	var best Format
	var most float64
	for _, f := range onOffer {
		if q := quality(ranges, f.MediaType); q > most {
			best, most = f, q
		}
	}
	if most == 0 {
		types := make([]string, len(onOffer))
		for i, f := range onOffer {
			types[i] = f.MediaType
		}
		return Format{}, problem.NotAcceptable(all, types)
	}
	return best, nil
}

// Acceptable is the hook of operations that answers, by fail, a request whose
// Accept headers take nothing of what the operation produces, before anything is
// done for it. Probes are answered whatever they accept, and where there are
// several formats the handler negotiates.
func Acceptable(fail func(http.ResponseWriter, *http.Request, error)) func(param.Operation, http.Handler) http.Handler {
	return func(o param.Operation, next http.Handler) http.Handler {
		if len(o.Produces) != 1 || slices.Contains(o.Tags, "health") {
			return next
		}
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if _, err := Negotiate(r.Header.Values("Accept"), "", []Format{{MediaType: o.Produces[0]}}); err != nil {
				fail(w, r, err)
				return
			}
			next.ServeHTTP(w, r)
		})
	}
}

// named is the format of the name.
func named(name string, onOffer []Format) (Format, error) {
	names := make([]string, len(onOffer))
	for i, f := range onOffer {
		if f.Name == name {
			return f, nil
		}
		names[i] = f.Name
	}
	return Format{}, problem.Parameters(problem.Invalid("format", name, "is not on offer here; allowed is "+strings.Join(names, ", ")))
}

// mediaRange is an element of Accept.
type mediaRange struct {
	pattern string // type/subtype, type/* or */*, in lower case
	q       float64
}

// parseAccept reads the elements that are well-formed. Parameters other than q
// are disregarded: what is on offer has none that could differ.
func parseAccept(header string) []mediaRange {
	var ranges []mediaRange
	for element := range strings.SplitSeq(header, ",") {
		pattern, params, err := mime.ParseMediaType(element)
		if err != nil {
			continue
		}
		q := 1.0
		if s, ok := params["q"]; ok {
			if q, err = strconv.ParseFloat(s, 64); err != nil || !(q >= 0 && q <= 1) {
				continue
			}
		}
		ranges = append(ranges, mediaRange{pattern, q})
	}
	return ranges
}

// quality is that of the most specific range that covers the media type, 0 if
// none does.
func quality(ranges []mediaRange, mediaType string) float64 {
	major, _, _ := strings.Cut(mediaType, "/")
	var q float64
	specific := -1
	for _, r := range ranges {
		level := -1
		switch r.pattern {
		case mediaType:
			level = 2
		case major + "/*":
			level = 1
		case "*/*", "*":
			level = 0
		}
		if level > specific {
			q, specific = r.q, level
		} else if level == specific && level >= 0 {
			q = max(q, r.q)
		}
	}
	return q
}
