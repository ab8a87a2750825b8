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
	for _, f := range l.InForce {
		if err := k.apply(request(f)); err != nil {
			k.note("%s, which was in force, is not any more: %v", f, err)
			planned := k.planned(f.A, f.B)
			k.faults = k.faults.note(ending(f, planned), planned, time.Now().UTC())
			continue
		}
		k.note("in force again: %s, since %s", f, f.Since.Local().Format(time.DateTime))
	}
	return nil
}

// ending is what ends a fault. planned is the round trip that is none.
func ending(f topology.NetworkFault, planned time.Duration) Fault {
	r := request(f)
	if kind, ok := topology.FaultKindOf(f.Kind); ok {
		r.Kind = kind.Mend
	}
	r.RTT = planned
	return r
}

// planned is the round trip between two regions that is no fault.
func (k *keeper) planned(a, b string) time.Duration {
	return time.Duration(k.inv.Plan.RTT(a, b) * float64(time.Millisecond))
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
	k.faults = k.faults.note(f, k.planned(f.A, f.B), time.Now().UTC())
	if err := k.faults.write(k.dir); err != nil {
		return fmt.Errorf("it is done, and would not survive the keeper: %w", err)
	}
	return nil
}

// inForce lists the faults that are.
func (k *keeper) inForce() []topology.NetworkFault {
	k.faulting.Lock()
	defer k.faulting.Unlock()
	return append([]topology.NetworkFault{}, k.faults.InForce...)
}
