package httpserve

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"slices"
	"strings"

	"github.com/rs/cors"
)

// Access says under which addresses a server may be reached. The zero value
// takes requests for loopback's names and for any IP address, at the root.
type Access struct {
	// Addr is where the server listens, HOST:PORT; an empty host is every address.
	Addr string
	// Hosts are the names that requests may be for, beside loopback's. Without
	// any they are the names of Addr.
	Hosts []string
	// BasePath is the path under which a proxy shows the server, such as /delfos.
	// A request may arrive with it or without.
	BasePath string
	// Proxies may say by X-Forwarded-Host, -Proto and -Prefix what the client
	// asked for, and by -For who it is. These headers of anybody else are ignored.
	Proxies []netip.Prefix
	// Origins are the sites whose pages may read answers, such as https://notebook.example.org.
	Origins []string
}

// A ForbiddenError is why a request was turned away, in a sentence for its
// client.
type ForbiddenError struct{ Detail string }

func (e *ForbiddenError) Error() string { return e.Detail }

// Middleware takes requests for this server alone. Requests for a host that nobody
// configured, as after DNS rebinding, and writes from pages of other sites are answered
// by fail; probes may always ask. What it hands on has the path without its prefix and
// the host that the client asked for; see URL.
func (a Access) Middleware(fail func(http.ResponseWriter, *http.Request, error)) func(http.Handler) http.Handler {
	hosts := a.hosts()
	sites := http.NewCrossOriginProtection()
	return func(next http.Handler) http.Handler {
		next = a.share(next)
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			arrived := r.Host
			r = a.reached(r)
			setHSTS(w, r)
			if err := check(hosts, sites, arrived, r); err != nil {
				fail(w, r, err)
				return
			}
			next.ServeHTTP(w, r)
		})
	}
}

// share lets the pages of Origins read answers, with a token and without cookies.
func (a Access) share(next http.Handler) http.Handler {
	if len(a.Origins) == 0 {
		return next
	}
	return cors.New(cors.Options{
		AllowedOrigins: a.Origins,
		AllowedMethods: []string{http.MethodGet, http.MethodHead},
		AllowedHeaders: []string{"Accept", "Authorization", "If-None-Match", "Last-Event-ID", "Traceparent", RequestIDHeader},
		ExposedHeaders: []string{"ETag", "Link", "Content-Digest", "Content-Disposition", "Retry-After", "WWW-Authenticate", RequestIDHeader},
		MaxAge:         600,
	}).Handler(next)
}

// setHSTS has browsers come by https alone for half a year, where this server itself speaks TLS.
// For a name of loopback it would also concern whatever else listens there.
func setHSTS(w http.ResponseWriter, r *http.Request) {
	if r.TLS != nil && hostName(r.Host) != "localhost" {
		w.Header().Set("Strict-Transport-Security", "max-age=15552000")
	}
}

// check says why a request is turned away. The host that it arrived with counts
// as well as the one that a proxy tells of: a proxy that hands on its client's
// own X-Forwarded-Host must not open the door.
func check(hosts hostSet, sites *http.CrossOriginProtection, arrived string, r *http.Request) error {
	if isProbe(r.URL.Path) {
		return nil
	}
	for _, host := range []string{arrived, r.Host} {
		if !hosts.has(host) {
			return &ForbiddenError{fmt.Sprintf("this server does not answer for the host %q: ask for %s, or add the host to ALLOWED_HOSTS", clip(host), hosts)}
		}
	}
	if sites.Check(r) != nil {
		return &ForbiddenError{fmt.Sprintf("%s from a page of another site (Origin %q) is not allowed; this server answers for %q. "+
			"If both are the same, the proxy in between has to hand on Host, or X-Forwarded-Host with its own address in TRUSTED_PROXIES",
			r.Method, clip(r.Header.Get("Origin")), clip(r.Host))}
	}
	return nil
}

func isProbe(path string) bool { return path == "/health" || path == "/ready" }

// clip keeps what a client sent from growing its answer.
func clip(s string) string { return s[:min(len(s), 100)] }

type addressKey struct{}

// address is what the path and the host of a request don't tell of how it was
// reached.
type address struct{ scheme, prefix, client string }

// reached is the request as its client meant it.
func (a Access) reached(r *http.Request) *http.Request {
	reached := address{scheme: "http", prefix: a.BasePath}
	if r.TLS != nil {
		reached.scheme = "https"
	}
	host := bracketed(r.Host)
	reached.client = hostName(r.RemoteAddr)
	if a.trusts(r.RemoteAddr) {
		if client, err := netip.ParseAddr(forwarded(r, "For")); err == nil {
			reached.client = client.Unmap().String()
		}
		if proto := forwarded(r, "Proto"); proto == "http" || proto == "https" {
			reached.scheme = proto
		}
		if name := bracketed(forwarded(r, "Host")); validHost(name) {
			host = name
		}
		if prefix, ok := ParseBasePath(forwarded(r, "Prefix")); ok {
			reached.prefix = prefix
		}
	}
	r = r.WithContext(context.WithValue(r.Context(), addressKey{}, reached))
	r.Host = host
	r.URL = strip(r.URL, reached.prefix)
	return r
}

func (a Access) trusts(remote string) bool {
	peer, err := netip.ParseAddrPort(remote)
	if err != nil {
		return false
	}
	for _, proxies := range a.Proxies {
		if proxies.Contains(peer.Addr().Unmap().WithZone("")) {
			return true
		}
	}
	return false
}

// forwarded is the last value of an X-Forwarded header: the one that the proxy
// which is trusted wrote itself. Those before may be its client's own.
func forwarded(r *http.Request, what string) string {
	values := strings.Split(strings.Join(r.Header.Values("X-Forwarded-"+what), ","), ",")
	return strings.TrimSpace(values[len(values)-1])
}

// ParseBasePath reads a path under which a server is shown: "" for the root,
// else a slash and segments of letters, digits and -._~, without a slash at the
// end. It reports whether there is one.
func ParseBasePath(path string) (prefix string, ok bool) {
	trimmed := strings.TrimRight(path, "/")
	if trimmed == "" {
		return "", path != ""
	}
	for segment := range strings.SplitSeq(strings.TrimPrefix(trimmed, "/"), "/") {
		if strings.Trim(segment, ".") == "" || strings.ContainsFunc(segment, notUnreserved) {
			return "", false
		}
	}
	return trimmed, trimmed[0] == '/'
}

// notUnreserved reports whether a character of a path would have to be escaped
// in a URL, or in a page.
func notUnreserved(c rune) bool {
	const unreserved = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~"
	return !strings.ContainsRune(unreserved, c)
}

func strip(u *url.URL, prefix string) *url.URL {
	path, ok := strings.CutPrefix(u.Path, prefix)
	if prefix == "" || !ok || path != "" && path[0] != '/' {
		return u
	}
	stripped := *u
	stripped.Path = path
	if path == "" {
		stripped.Path = "/"
	}
	stripped.RawPath = strings.TrimPrefix(u.RawPath, prefix)
	return &stripped
}

func addressOf(r *http.Request) address {
	reached, _ := r.Context().Value(addressKey{}).(address)
	return reached
}

// PathOf is the path of a request as its client sees it; path is one of the
// server's own.
func PathOf(r *http.Request, path string) string { return addressOf(r).prefix + path }

// ClientAddress is the IP address that a request comes from, as far as it is known.
func ClientAddress(r *http.Request) string { return addressOf(r).client }

// IsSecure reports whether the client of r reaches the server by https.
func IsSecure(r *http.Request) bool { return addressOf(r).scheme == "https" }

// Link is a value of Link: the address that r asked for, with another query.
func Link(r *http.Request, query url.Values, rel string) string {
	return "<" + URL(r, r.URL.Path, query.Encode()) + `>; rel="` + rel + `"`
}

// URL is the absolute address of a path of this server, as the client of r
// reaches it.
func URL(r *http.Request, path, query string) string {
	reached := addressOf(r)
	host := r.Host
	if local, ok := r.Context().Value(http.LocalAddrContextKey).(net.Addr); ok && host == "" {
		host = local.String() // HTTP/1.0 may do without a host
	}
	u := url.URL{Scheme: cmp.Or(reached.scheme, "http"), Host: host, Path: reached.prefix + path, RawQuery: query}
	return u.String()
}

// hostSet are the names that a server answers for, whatever the port. A page can
// ask under a name of its own that it has pointed here (DNS rebinding), never
// under one of these.
type hostSet struct {
	names map[string]bool
	// anyIP takes every IP address: a server that listens on all of them can't
	// know by which it is reached through a published port, and rebinding needs a
	// name.
	anyIP bool
}

// hosts are loopback's names and those configured, or else those of the address
// that is listened on.
func (a Access) hosts() hostSet {
	set := hostSet{names: map[string]bool{"localhost": true, "127.0.0.1": true, "::1": true}}
	for _, name := range a.Hosts {
		set.names[hostName(name)] = true
	}
	listening, _, err := net.SplitHostPort(a.Addr)
	ip, notIP := netip.ParseAddr(listening)
	switch {
	case err == nil && listening != "" && (notIP != nil || !ip.IsUnspecified()):
		set.names[hostName(listening)] = true
	case len(a.Hosts) == 0:
		set.anyIP = true
		if machine, err := os.Hostname(); err == nil {
			set.names[hostName(machine)] = true
		}
	}
	return set
}

// has reports whether a request for the host is taken. HTTP/1.0 may name none,
// which no browser does.
func (s hostSet) has(host string) bool {
	if host == "" {
		return true
	}
	if !validHost(bracketed(host)) {
		return false
	}
	name := hostName(host)
	if s.names[name] {
		return true
	}
	ip, err := netip.ParseAddr(name)
	return err == nil && (s.anyIP || ip.IsLoopback())
}

// String lists the names for a sentence.
func (s hostSet) String() string {
	names := slices.Sorted(maps.Keys(s.names))
	if s.anyIP {
		names = append(names, "an IP address of it")
	}
	return strings.Join(names, ", ")
}

// hostName is a host without its port, in one spelling.
func hostName(host string) string {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	host = strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
	if ip, err := netip.ParseAddr(host); err == nil {
		return ip.Unmap().WithZone("").String()
	}
	return strings.TrimSuffix(strings.ToLower(host), ".")
}

// bracketed is a host as a URL writes it: an IPv6 address stands in brackets
// there, which not everybody puts around it in Host.
func bracketed(host string) string {
	if ip, err := netip.ParseAddr(host); err == nil && ip.Is6() {
		return "[" + host + "]"
	}
	return host
}

// validHost reports whether a host, with or without a port, can stand in a URL.
func validHost(host string) bool {
	u, err := url.Parse("http://" + host)
	return err == nil && host != "" && u.Host == host && !strings.ContainsFunc(host, func(c rune) bool {
		return notUnreserved(c) && !strings.ContainsRune(":[]", c)
	})
}

// Secure sets the headers of a page, or of a part of one, that a browser may load what a
// Content-Security-Policy allows for alone, and takes for nothing but what it is.
func Secure(w http.ResponseWriter, policy string) {
	h := w.Header()
	h.Set("Content-Security-Policy", policy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
}
