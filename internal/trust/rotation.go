package trust

import (
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"crossring/internal/cluster"
	"crossring/internal/fail"
	"crossring/internal/pki"
	"crossring/internal/safely"
	"crossring/internal/steps"
	"crossring/internal/topology"
	"crossring/internal/until"
)

// Files of a cluster's directory while its certificates are being rotated. The CA
// that takes over lies beside the one that is in use; one that was replaced stays
// as ca-1, ca-2 and so on.
const (
	RotationFile     = "rotation.json"
	RotationJournal  = "rotation.journal"
	nextAuthorityDir = "ca-next"
	oldAuthorityDir  = "ca-%d"
)

// rotation is one under way: it stands in the cluster's directory from before the
// first step until after the last.
type rotation struct {
	Schema string `json:"schema"`
	// CA says that the CA is replaced, too.
	CA bool `json:"ca"`
	// Restart has nodes restarted that could read their stores while they run.
	Restart bool      `json:"restart"`
	Started time.Time `json:"started"`
}

// Kinds of the steps of a rotation, and names of its phases.
const (
	rotateMake        = "make"        // a new CA
	rotateTrust       = "trust"       // both CAs are trusted
	rotateCertificate = "certificate" // a new one, of the new CA where there is one
	rotateDistrust    = "distrust"    // the new CA is trusted alone
	rotateRetire      = "retire"      // the new CA is the cluster's
)

// RotateStep is one step of a rotation.
type RotateStep struct {
	Number int    `json:"number"` // from 1
	Kind   string `json:"kind"`   // make, trust, certificate, distrust, retire
	// Node whose files it is about; crossring is this side's own, "" the CA.
	Node    string  `json:"node"`
	Seconds float64 `json:"seconds"` // 0 for one that an earlier command did
	Earlier bool    `json:"earlier"` // an earlier command did it
}

// ID is the name of a step in the journal, and for people.
func (s RotateStep) ID() string {
	if s.Node == "" {
		return s.Kind
	}
	return s.Kind + " " + s.Node
}

// after says whether a step comes after a phase.
func (s RotateStep) after(phase until.Phase) bool {
	switch phase {
	case until.Trust:
		return s.Kind != rotateMake && s.Kind != rotateTrust
	case until.Certificates:
		return s.Kind == rotateDistrust || s.Kind == rotateRetire
	}
	return false
}

// Describe says what a step does.
func (s RotateStep) Describe() string {
	who := s.Node
	if who == cluster.ClientName {
		who = "crossring itself"
	}
	switch s.Kind {
	case rotateMake:
		return "a new CA is made"
	case rotateTrust:
		return who + " trusts the old CA and the new one"
	case rotateCertificate:
		return who + " gets a new key and certificate"
	case rotateDistrust:
		return who + " trusts the new CA alone"
	case rotateRetire:
		return "the new CA takes the place of the old one"
	}
	return s.ID()
}

// steps are those of the whole rotation, in their order. No node has a certificate
// of a CA before all nodes trust it, and none stops to trust a CA before no
// certificate of it is in use.
func (r rotation) steps(nodes []topology.Node) []RotateStep {
	var all []RotateStep
	add := func(kind string, names ...string) {
		for _, n := range names {
			all = append(all, RotateStep{Number: len(all) + 1, Kind: kind, Node: n})
		}
	}
	names := nodeNames(nodes)
	if r.CA {
		add(rotateMake, "")
		add(rotateTrust, cluster.ClientName)
		add(rotateTrust, names...)
	}
	add(rotateCertificate, cluster.ClientName)
	add(rotateCertificate, names...)
	if r.CA {
		add(rotateDistrust, names...)
		add(rotateDistrust, cluster.ClientName)
		add(rotateRetire, "")
	}
	return all
}

// RotationUnderWayError says that certificates are being rotated, which has to end
// before what was asked for.
type RotationUnderWayError struct{ Name string }

func (e *RotationUnderWayError) Error() string {
	return fmt.Sprintf("the certificates of cluster %q are being rotated, and that has not ended", e.Name)
}

// ExitCode is that of something busy.
func (e *RotationUnderWayError) ExitCode() int { return fail.ExitBusy }

// Hint is the command that goes on with it.
func (e *RotationUnderWayError) Hint() string { return "crossring pki rotate " + e.Name }

// readRotation reads the rotation under way; nil is none.
func readRotation(dir string) (*rotation, error) {
	return steps.Read[rotation](filepath.Join(dir, RotationFile), "rotation")
}

// beginRotation writes it down before anything of it is done.
func beginRotation(dir string, r rotation) error {
	// A journal that is there is of a rotation that has ended.
	if err := os.Remove(filepath.Join(dir, RotationJournal)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove the journal of an earlier rotation: %w", err)
	}
	return safely.JSON(filepath.Join(dir, RotationFile), r, 0o644)
}

// endRotation forgets it.
func endRotation(dir string) error {
	return steps.End(dir, "rotation", RotationFile, RotationJournal)
}

// NotRotating is an error while certificates are being rotated.
func NotRotating(c cluster.Cluster) error {
	r, err := readRotation(c.Dir)
	if err == nil && r != nil {
		err = &RotationUnderWayError{Name: c.Inv.Plan.Name}
	}
	return err
}

// generation is the number of the CA that is in use, from 1.
func generation(c cluster.Cluster) (int, error) {
	for n := 1; ; n++ {
		_, err := os.Stat(filepath.Join(c.Dir, fmt.Sprintf(oldAuthorityDir, n)))
		if errors.Is(err, fs.ErrNotExist) {
			return n, nil
		}
		if err != nil {
			return 0, fmt.Errorf("look for replaced CAs: %w", err)
		}
	}
}

// signer opens the CA that issues now: the next one where there is one.
func signer(c cluster.Cluster) (*pki.Dir, error) {
	d, err := pki.Open(filepath.Join(c.Dir, nextAuthorityDir), "")
	var none *pki.NoneError
	if errors.As(err, &none) {
		return pki.Open(filepath.Join(c.Dir, cluster.AuthorityDir), "")
	}
	return d, err
}

// retire puts the next CA in the place of the one in use, which stays beside it.
// It may be done again after a crash at any point of it.
func retire(c cluster.Cluster) error {
	next, now := filepath.Join(c.Dir, nextAuthorityDir), filepath.Join(c.Dir, cluster.AuthorityDir)
	if _, err := os.Stat(next); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	number, err := generation(c)
	if err != nil {
		return err
	}
	if err := os.Rename(now, filepath.Join(c.Dir, fmt.Sprintf(oldAuthorityDir, number))); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("put the old CA aside: %w", err)
	}
	if err := os.Rename(next, now); err != nil {
		return fmt.Errorf("put the new CA in its place: %w", err)
	}
	return nil
}

// trusted are the roots that nodes trust: that of d and, while one CA takes over
// from another, that of the other.
func trusted(c cluster.Cluster, d *pki.Dir) ([]*x509.Certificate, error) {
	root, err := d.Root()
	if err != nil {
		return nil, err
	}
	all := []*x509.Certificate{root}
	for _, dir := range []string{cluster.AuthorityDir, nextAuthorityDir} {
		other, err := pki.Open(filepath.Join(c.Dir, dir), "")
		if err == nil {
			root, err = other.Root()
		}
		var none *pki.NoneError
		if errors.As(err, &none) {
			continue
		}
		if err != nil {
			return nil, err
		}
		if !all[0].Equal(root) {
			all = append(all, root)
		}
	}
	return all, nil
}
