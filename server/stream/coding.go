package stream

import (
	"strconv"
	"strings"
)

// NegotiateCoding picks the content coding that the Accept-Encoding headers
// like best (RFC 9110, 12.5.3): "zstd", "gzip", or "" for identity, which a
// client that names no coding gets, and whoever asks for a format that is
// compressed by itself.
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
	for element := range strings.SplitSeq(strings.Join(acceptEncoding, ","), ",") {
		name, q, ok := parseCoding(element)
		if !ok {
			continue
		}
		switch name {
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

// codingsOnOffer are those that the format may have.
func codingsOnOffer(f Format) []string {
	if f.Compressed {
		return []string{"identity"}
	}
	return []string{codingZstd, codingGzip, "identity"}
}

// parseCoding reads an element of Accept-Encoding.
func parseCoding(element string) (name string, q float64, ok bool) {
	name, weight, weighted := strings.Cut(element, ";")
	name = strings.ToLower(strings.TrimSpace(name))
	if !weighted {
		return name, 1, name != ""
	}
	key, value, _ := strings.Cut(weight, "=")
	if !strings.EqualFold(strings.TrimSpace(key), "q") {
		return "", 0, false
	}
	q, err := strconv.ParseFloat(strings.TrimSpace(value), 64)
	return name, q, err == nil && q >= 0 && q <= 1
}
