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

// Negotiate picks the format named, if one is, and else the one that the Accept headers
// like best (RFC 9110, 12.5.1), among equals the first on offer. The error lists what is
// on offer: a 422 for a name that is not, a 406 for headers that take none.
func Negotiate(accept []string, format string, onOffer []Format) (Format, error) {
	if format != "" {
		return named(format, onOffer)
	}
	formats := slices.Clone(onOffer)
	var types []string // of formats, one each
	for _, f := range onOffer {
		types = append(types, f.MediaType)
	}
	for _, f := range onOffer { // after all proper names, which win among equals
		for _, name := range f.Also {
			types, formats = append(types, name), append(formats, f)
		}
	}
	best, err := negotiate(accept, types)
	if err != nil {
		return Format{}, err
	}
	return formats[best], nil
}

func negotiate(accept, onOffer []string) (best int, err error) {
	all := strings.Join(accept, ",")
	if strings.TrimSpace(all) == "" {
		return 0, nil
	}
	ranges := parseAccept(all)
	var most float64
	for i, mediaType := range onOffer {
		if q := quality(ranges, mediaType); q > most {
			best, most = i, q
		}
	}
	if most == 0 {
		return 0, problem.NotAcceptable(all, onOffer)
	}
	return best, nil
}

// Acceptable is a hook of generated routes. It answers by fail a request that does
// not take the one media type that an operation produces, before anything is done
// for it. Of several the operation chooses itself, and probes are always answered.
func Acceptable(fail func(http.ResponseWriter, *http.Request, error)) func(param.Operation, http.Handler) http.Handler {
	return func(o param.Operation, next http.Handler) http.Handler {
		if len(o.Produces) != 1 || slices.Contains(o.Tags, "health") {
			return next
		}
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if _, err := negotiate(r.Header.Values("Accept"), o.Produces); err != nil {
				fail(w, r, err)
				return
			}
			next.ServeHTTP(w, r)
		})
	}
}

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

// preference is an element of Accept or Accept-Encoding.
type preference struct {
	pattern string // type/subtype, type/*, */*, a coding or *, in lower case
	q       float64
	params  int // other than q
}

func parseAccept(header string) []preference {
	var ranges []preference
	for element := range strings.SplitSeq(header, ",") {
		pattern, params, err := mime.ParseMediaType(element)
		if err != nil {
			continue
		}
		q := 1.0
		if s, ok := params["q"]; ok {
			delete(params, "q")
			if q, err = strconv.ParseFloat(s, 64); err != nil || !(q >= 0 && q <= 1) {
				continue
			}
		}
		ranges = append(ranges, preference{pattern, q, len(params)})
	}
	return ranges
}

// quality is that of the most specific range that covers the media type, 0 if
// none does. Its parameters don't count: what is on offer has none that could
// differ.
func quality(ranges []preference, mediaType string) float64 {
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

// NegotiateCoding picks the content coding that the Accept-Encoding headers like best
// (RFC 9110, 12.5.3): "zstd", "gzip", or "" for identity, also of a format compressed by
// itself.
func NegotiateCoding(acceptEncoding []string, f Format) string {
	coding, _ := negotiateCoding(acceptEncoding, f)
	return coding
}

// negotiateCoding also says whether the client takes the coding: it may rule
// out identity, and all else.
func negotiateCoding(acceptEncoding []string, f Format) (coding string, ok bool) {
	const unnamed = -1
	// What the header says of each, in the order in which we like them.
	codings := [...]string{codingZstd, codingGzip, ""}
	named := [...]float64{unnamed, unnamed, unnamed}
	rest := float64(unnamed) // what it says of all that it does not name
	for _, p := range parseAccept(strings.Join(acceptEncoding, ",")) {
		if p.params > 0 {
			continue // a coding has none
		}
		switch q := p.q; p.pattern {
		case codingZstd:
			named[0] = q
		case codingGzip, "x-gzip":
			named[1] = max(named[1], q)
		case "identity":
			named[2] = q
		case "*":
			rest = q
		}
	}
	if f.Compressed {
		named[0], named[1] = min(named[0], 0), min(named[1], 0)
	}
	best := 0
	for i := range named {
		if named[i] > named[best] {
			best = i
		}
	}
	identity := named[2]
	if identity == unnamed {
		identity = rest
	}
	switch {
	case named[best] > 0:
		return codings[best], true
	case identity != 0:
		return "", true
	case rest > 0 && !f.Compressed:
		return codingGzip, true
	default:
		return "", false
	}
}

func codingsOnOffer(f Format) []string {
	if f.Compressed {
		return []string{"identity"}
	}
	return []string{codingZstd, codingGzip, "identity"}
}
