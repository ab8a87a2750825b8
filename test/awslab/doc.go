// Package awslab is an AWS that fits on one computer, for tests of the whole way: an
// emulated EC2 API, and behind it real hosts. When the emulator is asked for an
// instance, the lab starts one: a Debian with systemd, sshd and two disks, in a
// container and a network namespace of its own, with a private address, a public one
// by 1:1 NAT, and instance metadata at 169.254.169.254. Security groups are rules of
// the router between the hosts: what they do not allow is dropped without a word, as
// on EC2, and what is established stays.
//
// From the operator's namespace the program under test sees nothing else:
//
//	operator 198.18.255.4 ─┐              ┌─ host 10.11.0.10  (203.0.113.10)   us-east-1
//	   API on 127.0.0.1 ├─ router, NAT ┤
//	 mirror 198.18.255.80 ─┘              ├─ host 10.22.0.10  (198.51.100.10)  us-west-2
//	                                   └─ host 10.33.0.10  (198.18.0.10)    eu-west-1
//
// It needs root, network and mount namespaces, and podman, runc, debootstrap, nft and
// losetup, which it installs by apt-get where they are missing. The image is made once,
// in about two minutes, and kept in the user's cache directory. One lab runs at a time;
// what one that was killed left is removed by the next.
//
// What it is not: the hosts share a kernel, a clock, two processors and one disk with
// the tests; there is no distance between the regions; user-data runs as a script or
// not at all; an instance does not stop and start; a volume is a sparse file.
package awslab
