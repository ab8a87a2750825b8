package cluster

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"

	"crossring/internal/fail"
	"crossring/internal/plain"
	"crossring/internal/spec"
	"crossring/internal/state"
	"crossring/internal/topology"
	"crossring/provision/local"
)

// ForeignStateError says that a cluster's directory was made as another one's: it was
// copied or moved here. What it tells of has its files elsewhere.
type ForeignStateError struct {
	Name string // asked for
	Dir  string // where it was found
	Of   string // whose it is
	Made string // directory it was made in; "" when that is not the matter
}

func (e *ForeignStateError) Error() string {
	if e.Made == "" {
		return fmt.Sprintf("%s is the state of cluster %q, not of %q", e.Dir, e.Of, e.Name)
	}
	return fmt.Sprintf("%s is a copy of the state of cluster %q, which was made in %s", e.Dir, e.Of, e.Made)
}

// ExitCode is that of a name that is taken.
func (e *ForeignStateError) ExitCode() int { return fail.ExitBusy }

// Hint is the way out.
func (e *ForeignStateError) Hint() string {
	if e.Made == "" {
		return "crossring ls   # and choose another state directory with --state DIR"
	}
	// clusters/NAME is below the state directory.
	return plain.Command("crossring", "--state", filepath.Dir(filepath.Dir(e.Made)), "status", e.Of)
}

// notAnothers refuses to change a cluster that another user made. Root could, and would
// find none of its processes: those of others are never ours.
func (w World) notAnothers(name string) error {
	dir := state.Dir(w.StateDir, name)
	info, err := os.Stat(dir)
	if err != nil {
		return nil // there is none, or whoever reads it says why that can't be done
	}
	if st, ok := info.Sys().(*syscall.Stat_t); ok && int(st.Uid) != os.Geteuid() {
		return &local.DeniedError{Cluster: name, Err: fmt.Errorf("%s belongs to the user of number %d", dir, st.Uid)}
	}
	return nil
}

// CheckOwn refuses the directory of a cluster that was made as another's or, while that
// is still there, in another place: what is done to it would be done to the other.
func (w World) CheckOwn(name string) error {
	inv, err := state.Inventory(w.StateDir, name)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return ownState(name, state.Dir(w.StateDir, name), inv)
}

func ownState(name, dir string, inv topology.Inventory) error {
	if of := inv.Plan.Name; of != "" && of != name {
		return &ForeignStateError{Name: name, Dir: dir, Of: of}
	}
	made := inv.Dir()
	there, err := os.Stat(made)
	if made == "" || err != nil {
		return nil // there is no other
	}
	here, err := os.Stat(dir)
	if err != nil {
		return fmt.Errorf("look at the state of %s: %w", name, err)
	}
	if !os.SameFile(here, there) {
		return &ForeignStateError{Name: name, Dir: dir, Of: name, Made: made}
	}
	return nil
}

// WithSavedOperators is a spec with the networks that the cluster was made with, where
// the spec leaves them to the command line, and that did not name any this time.
func WithSavedOperators(w World, s spec.Spec) spec.Spec {
	if asked, ok := s.Operators(); !ok || len(asked) > 0 || CheckName(s.Name) != nil {
		return s
	}
	var saved []string
	have, err := ReadSpec(state.Dir(w.StateDir, s.Name))
	if cidrs, ok := have.Operators(); err == nil && ok {
		saved = cidrs
	} else if inv, err := state.Inventory(w.StateDir, s.Name); err == nil {
		saved = inv.Plan.Operators()
	}
	s.SetOperators(append([]string(nil), saved...))
	return s
}
