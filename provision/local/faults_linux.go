package local

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"crossring/internal/journal"
	"crossring/internal/topology"
)

// restoreFaults puts the faults in force that were when the last keeper ended. What it
// has to say about that is among the keeper's notes.
func (k *keeper) restoreFaults() error {
	l, err := readFaults(k.dir)
	var damaged *journal.DamagedError
	if errors.As(err, &damaged) {
		if err := setAside(filepath.Join(k.dir, faultsFile)); err != nil {
			return err
		}
		k.note("%v; which faults were in force is not known, and none is", err)
		k.faults = newFaultLog()
		return nil
	}
	if err != nil {
		return err
	}
	k.faults = l
	for _, f := range inOrder(l.InForce) {
		if kind, _ := topology.FaultKindOf(f.Kind); kind.Node {
			continue
		}
		if err := k.apply(request(f)); err != nil {
			k.note("%s, which was in force, is not any more: %v", f, err)
			k.faults = k.faults.without(f, time.Now().UTC())
			continue
		}
		k.note("in force again: %s, since %s", f, f.Since.Local().Format(time.DateTime))
	}
	k.reconcile()
	return nil
}

// setAside renames a file that can't be read, so that it is in nobody's way and can
// still be looked at.
func setAside(path string) error {
	if err := os.Rename(path, path+".damaged"); err != nil {
		return fmt.Errorf("set %s aside: %w", path, err)
	}
	return nil
}

// note is for whoever started the keeper, and for its log.
func (k *keeper) note(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	k.notes = append(k.notes, text)
	k.log.Warn(text)
}

// fault changes the network, and has it on disk before it answers.
func (k *keeper) fault(f Fault) error {
	k.faulting.Lock()
	defer k.faulting.Unlock()
	if err := k.apply(f); err != nil {
		return err
	}
	k.faults = k.faults.note(f, k.inv.Plan, time.Now().UTC())
	if err := k.faults.write(k.dir); err != nil {
		return fmt.Errorf("it is done, and would not survive the keeper: %w", err)
	}
	return nil
}

// inForce lists the faults that are.
func (k *keeper) inForce() []topology.NetworkFault {
	k.faulting.Lock()
	defer k.faulting.Unlock()
	k.reconcile()
	return append([]topology.NetworkFault{}, k.faults.InForce...)
}
