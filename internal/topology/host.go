package topology

import (
	"net/netip"
	"path"
	"strings"
)

// Host is how a node's machine is reached and used, on providers that have
// machines: by SSH.
type Host struct {
	Address  string `json:"address"` // name or IP address that is dialled
	Port     int    `json:"port"`
	User     string `json:"user"`
	Identity string `json:"identity_file,omitempty"` // private key; "" is the agent
	// Jump is a host to go through, as user@host:port; "" is none.
	Jump string `json:"jump,omitempty"`
	// Proxy is a SOCKS5 proxy to go through, as host:port; "" is none.
	Proxy string `json:"socks5,omitempty"`
	// HostKeys are the only keys that the host may show at first, as in an
	// authorized_keys file; none trusts the first key seen. Either way the key is
	// held from then on.
	HostKeys []string `json:"host_keys,omitempty"`
	// Root is a directory that stands for / : everything goes below it, and nothing
	// needs root's rights. "" is / itself.
	Root string `json:"root,omitempty"`
	// JavaHome is a Java to use as it is; "" finds or installs one.
	JavaHome string `json:"java_home,omitempty"`
	// Devices are block devices that may be formatted if they are blank. With
	// AnyDevice it is every device of the machine that is blank.
	Devices   []string `json:"devices,omitempty"`
	AnyDevice bool     `json:"any_device,omitempty"`
	// Java is the java command that was found or installed; "" until then.
	Java string `json:"java,omitempty"`
	// PublicHere says that the node's public address is the machine's own, and that there is
	// no 1:1 NAT; false until the machine was made ready.
	PublicHere bool `json:"public_here,omitempty"`
	// Systemd says that the server runs as a unit; false until the machine was made ready.
	Systemd bool `json:"systemd,omitempty"`
}

// RMIHost is the loopback address on which a node's JMX is switched on for a while, on
// its own machine. Several nodes share one only in tests, each with a loopback address
// of its own.
func (n Node) RMIHost() string {
	if ip, err := netip.ParseAddr(n.PrivateAddress); err == nil && ip.IsLoopback() {
		return n.PrivateAddress
	}
	return "127.0.0.1"
}

// BorderGroup is the group of zones that shares a node's addresses with its zone where
// that is a local zone, us-west-2-lax-1 of us-west-2-lax-1a; local is false in a zone of the region.
func (n Node) BorderGroup() (group string, local bool) {
	at := strings.TrimPrefix(n.Zone, n.Region)
	if at == n.Zone || len(at) <= 1 {
		return n.Region, false
	}
	return n.Zone[:len(n.Zone)-1], true
}

// Remote is what crossring knows of a cluster on machines of their own.
type Remote struct {
	ID  string `json:"id"`  // random; marks what was put on the hosts
	Dir string `json:"dir"` // state directory of the cluster
}

// HostLayout is where a machine of its own keeps a node's files. Root is "" for
// /, or a directory that stands for it.
func HostLayout(root string, d Disks) Layout {
	at := func(elem ...string) string { return path.Join(append([]string{"/", root}, elem...)...) }
	return Layout{
		Root: at("opt/cassandra"), Conf: at("etc/cassandra"),
		Data: at("fs", d.Data, "cassandra/data"), Commitlog: at("fs", d.Commitlog, "cassandra/commitlog"),
		SavedCaches: at("fs", d.SavedCaches, "cassandra/saved_caches"),
		Hints:       at("fs", d.Commitlog, "cassandra/hints"), CDC: at("fs", d.Commitlog, "cassandra/cdc_raw"),
		Log: at("var/log/cassandra"), Tmp: at("var/lib/cassandra/tmp"), Home: at("var/lib/cassandra"),
	}
}
