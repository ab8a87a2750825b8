package sshhost

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"

	"crossring/internal/safely"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"
)

// hostKeys is what is known of the key of the host at one address.
type hostKeys struct {
	cfg     Config
	address string // as in a known_hosts file
	held    []ssh.PublicKey
	given   []ssh.PublicKey
	shown   ssh.PublicKey // and accepted
	refused error         // why the one shown was refused
}

// loadHostKeys reads the file anew each time: several hosts share it.
func loadHostKeys(cfg Config, address string) (*hostKeys, error) {
	h := &hostKeys{cfg: cfg, address: knownhosts.Normalize(address)}
	for _, line := range cfg.HostKeys {
		key, _, _, _, err := ssh.ParseAuthorizedKey([]byte(line))
		if err != nil {
			return nil, fmt.Errorf("host key given for %s: %w", cfg.Address, err)
		}
		h.given = append(h.given, key)
	}
	if cfg.KnownHosts == "" {
		return h, nil
	}
	data, err := os.ReadFile(cfg.KnownHosts)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("read host keys: %w", err)
	}
	for len(data) > 0 {
		_, hosts, key, _, rest, err := ssh.ParseKnownHosts(data)
		if err != nil {
			break // io.EOF: none left
		}
		if slices.Contains(hosts, h.address) {
			h.held = append(h.held, key)
		}
		data = rest
	}
	return h, nil
}

// algorithms are those of the keys that would be accepted: asked for any, the
// host could show one of another kind than the one that is held.
func (h *hostKeys) algorithms() []string {
	var list []string
	for _, key := range h.wanted() {
		switch t := key.Type(); t {
		case ssh.KeyAlgoRSA:
			list = append(list, ssh.KeyAlgoRSASHA256, ssh.KeyAlgoRSASHA512)
		default:
			list = append(list, t)
		}
	}
	return list // nil is the library's own choice
}

func (h *hostKeys) wanted() []ssh.PublicKey {
	if len(h.held) > 0 {
		return h.held
	}
	return h.given
}

// check is the callback of the handshake. Its error would come out as text only,
// so it is kept, too.
func (h *hostKeys) check(_ string, _ net.Addr, key ssh.PublicKey) error {
	wanted := h.wanted()
	for _, w := range wanted {
		if string(w.Marshal()) == string(key.Marshal()) {
			h.shown = key
			return nil
		}
	}
	switch {
	case len(wanted) > 0:
		e := &HostKeyChangedError{Address: h.address, Got: ssh.FingerprintSHA256(key)}
		for _, w := range wanted {
			e.Held = append(e.Held, ssh.FingerprintSHA256(w))
		}
		if len(h.held) > 0 {
			e.File = h.cfg.KnownHosts
		}
		h.refused = e
	case !h.cfg.TrustFirst:
		h.refused = &UnknownHostKeyError{Address: h.address, Got: ssh.FingerprintSHA256(key)}
	default:
		h.shown = key
	}
	return h.refused
}

// holding keeps two hosts of this process from writing one file at once. Whole
// lines are appended, so that other processes do no harm either.
var holding sync.Mutex

// hold writes down the key that was accepted, unless it is there.
func (h *hostKeys) hold() error {
	if len(h.held) > 0 || h.cfg.KnownHosts == "" || h.shown == nil {
		return nil
	}
	return appendKeys(h.cfg.KnownHosts, h.address, []ssh.PublicKey{h.shown})
}

func appendKeys(file, address string, keys []ssh.PublicKey) error {
	holding.Lock()
	defer holding.Unlock()
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return fmt.Errorf("hold host key: %w", err)
	}
	f, err := os.OpenFile(file, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("hold host key: %w", err)
	}
	text := ""
	for _, key := range keys {
		text += knownhosts.Line([]string{address}, key) + "\n"
	}
	_, err = f.WriteString(text)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("hold host key: %w", err)
	}
	return nil
}

// Held says whether a file of host keys has one of a host.
func Held(file, address string, port int) (bool, error) {
	h, err := loadHostKeys(Config{KnownHosts: file, Address: address}, net.JoinHostPort(address, strconv.Itoa(port)))
	return err == nil && len(h.held) > 0, err
}

// Hold writes the keys of a host, as in an authorized_keys file, into a file of host
// keys: it may show any of them, and no other.
func Hold(file, address string, port int, keys []string) error {
	h, err := loadHostKeys(Config{HostKeys: keys, Address: address}, net.JoinHostPort(address, strconv.Itoa(port)))
	if err != nil {
		return err
	}
	return appendKeys(file, h.address, h.given)
}

// Keep takes the keys of all other hosts out of a file of host keys. An address that
// was given up may come back as another machine's.
func Keep(file string, hosts []string) error {
	holding.Lock()
	defer holding.Unlock()
	data, err := os.ReadFile(file)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read host keys: %w", err)
	}
	var kept strings.Builder
	for line := range strings.Lines(string(data)) {
		_, names, _, _, _, err := ssh.ParseKnownHosts([]byte(line))
		of := func(name string) bool {
			return slices.ContainsFunc(hosts, func(h string) bool { return knownhosts.Normalize(h) == name })
		}
		if err != nil || slices.ContainsFunc(names, of) {
			kept.WriteString(line)
		}
	}
	if kept.Len() == len(data) {
		return nil
	}
	if err := safely.Write(file, []byte(kept.String()), 0o600); err != nil {
		return fmt.Errorf("forget host keys: %w", err)
	}
	return nil
}

// keyType is the beginning of a public key.
var keyType = regexp.MustCompile(`\b(ssh-(rsa|ed25519)|ecdsa-sha2-nistp(256|384|521)) `)

// cloudInitEnd is the last that cloud-init prints, behind the keys.
var cloudInitEnd = regexp.MustCompile(`(?i)cloud-init v\. \S+ finished at `)

// ConsoleDone says whether a console shows host keys, or will not: some images keep
// cloud-init from printing them.
func ConsoleDone(console string) bool {
	return len(ConsoleKeys(console)) > 0 || cloudInitEnd.MatchString(console)
}

// ConsoleKeys finds the host keys that cloud-init prints on the console of an
// instance at its first boot, as in an authorized_keys file.
func ConsoleKeys(console string) []string {
	const begin, end = "-----BEGIN SSH HOST KEY KEYS-----", "-----END SSH HOST KEY KEYS-----"
	_, rest, ok := strings.Cut(console, begin)
	if !ok {
		return nil
	}
	block, _, ok := strings.Cut(rest, end)
	if !ok {
		return nil // still being printed
	}
	var keys []string
	for line := range strings.Lines(block) {
		// A console may put a time or the name of a program before what is printed.
		if at := keyType.FindStringIndex(line); at != nil {
			line = line[at[0]:]
		}
		line = strings.TrimSpace(line)
		if key, _, _, _, err := ssh.ParseAuthorizedKey([]byte(line)); err == nil {
			keys = append(keys, strings.TrimSpace(string(ssh.MarshalAuthorizedKey(key))))
		}
	}
	return keys
}
