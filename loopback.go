package fedihook

import (
	"fmt"
	"maps"
	"net"
	"net/netip"
	"slices"
	"strings"
)

// Loopback is a [Config.InsecureAllowLoopback] that a command's flag fills in, a host at a time, for trials on one machine:
//
//	var hosts fedihook.Loopback
//	flag.Var(&hosts, "insecure-allow-loopback", "for trials: `host=address` of a server on this machine")
//
// It is a flag.Value. Its zero value has no hosts.
type Loopback map[string]string

// String lists the hosts as Set takes them.
func (l Loopback) String() string {
	var list []string
	for _, host := range slices.Sorted(maps.Keys(l)) {
		list = append(list, host+"="+l[host])
	}
	return strings.Join(list, " ")
}

// Set adds a host, with or without a port: "a.test=127.0.0.1:8080". The address must be one of loopback, and have a port.
func (l *Loopback) Set(text string) error {
	host, address, ok := strings.Cut(text, "=")
	if !ok || host == "" {
		return fmt.Errorf("%q is not like a.test=127.0.0.1:8080", text)
	}
	name, _, err := net.SplitHostPort(address)
	if err != nil {
		return err
	}
	if ip, err := netip.ParseAddr(name); err != nil || !ip.IsLoopback() {
		return fmt.Errorf("%s is not an address of loopback", name)
	}
	if *l == nil {
		*l = make(Loopback)
	}
	(*l)[host] = address
	return nil
}
