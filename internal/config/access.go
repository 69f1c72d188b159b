package config

import (
	"net/netip"
	"strings"

	"github.com/delfos/delfos/internal/httpserve"
)

// Access says under which addresses a server may be reached, and through whom.
type Access struct {
	AllowedHosts string `env:"ALLOWED_HOSTS" help:"names that requests may be for beside localhost, separated by commas; without any, those of the address listened on" kind:"NAMES"`

	BasePath string `env:"BASE_PATH" help:"path under which a proxy shows the server, such as /delfos" kind:"PATH"`

	TrustedProxies string `env:"TRUSTED_PROXIES" help:"addresses and networks of the proxies whose X-Forwarded-Host, -Proto and -Prefix are believed, separated by commas" kind:"ADDRESSES"`
}

func (c Access) faults() (faults []Fault) {
	for _, name := range items(c.AllowedHosts) {
		if _, err := netip.ParseAddr(name); err != nil && strings.ContainsAny(name, ":/*@[]") {
			faults = append(faults, Fault{Variable: "ALLOWED_HOSTS", Value: c.AllowedHosts, Want: "names such as delfos.example.org, without scheme, port or path, separated by commas"})
			break
		}
	}
	if _, ok := httpserve.ParseBasePath(c.BasePath); !ok && c.BasePath != "" {
		faults = append(faults, Fault{Variable: "BASE_PATH", Value: c.BasePath, Want: "a path of letters, digits and -._~ that begins with a slash, such as /delfos"})
	}
	for _, item := range items(c.TrustedProxies) {
		if _, ok := network(item); !ok {
			faults = append(faults, Fault{Variable: "TRUSTED_PROXIES", Value: c.TrustedProxies, Want: "IP addresses and networks such as 10.0.0.7, 10.1.0.0/16, separated by commas"})
			break
		}
	}
	return faults
}

// At is what a server that listens at addr is told. Call it on a configuration
// that is valid.
func (c Access) At(addr string) httpserve.Access {
	a := httpserve.Access{Addr: addr, Hosts: items(c.AllowedHosts)}
	a.BasePath, _ = httpserve.ParseBasePath(c.BasePath)
	for _, item := range items(c.TrustedProxies) {
		if proxies, ok := network(item); ok {
			a.Proxies = append(a.Proxies, proxies)
		}
	}
	return a
}

// items are the parts of a list, separated by commas or blanks.
func items(list string) []string {
	return strings.FieldsFunc(list, func(c rune) bool { return c == ',' || c == ' ' })
}

// network reads an address, or a network as CIDR has it.
func network(text string) (netip.Prefix, bool) {
	if ip, err := netip.ParseAddr(text); err == nil {
		return netip.PrefixFrom(ip, ip.BitLen()), true
	}
	p, err := netip.ParsePrefix(text)
	return p.Masked(), err == nil
}
