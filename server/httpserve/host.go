package httpserve

import (
	"maps"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
)

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

// validHost reports whether a text can stand as the host of a URL.
func validHost(host string) bool {
	return host != "" && !strings.ContainsFunc(host, func(c rune) bool {
		return notUnreserved(c) && !strings.ContainsRune(":[]", c)
	})
}
