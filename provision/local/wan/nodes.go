package wan

import (
	"fmt"
	"slices"
)

// known lists the nodes of now. The slice is never written to.
func (w *WAN) known() []Endpoint {
	w.nodes.RLock()
	defer w.nodes.RUnlock()
	return w.endpoints
}

// endpoint finds a node by name.
func (w *WAN) endpoint(name string) (Endpoint, bool) {
	all := w.known()
	i := slices.IndexFunc(all, func(e Endpoint) bool { return e.Node == name })
	if i < 0 {
		return Endpoint{}, false
	}
	return all[i], true
}

// Add takes a node in, in a region that has nodes: its public ports are open when it
// returns, unless the region's are closed. A node that is in is left as it is.
func (w *WAN) Add(e Endpoint) error {
	if err := w.hasRegion(e.Region); err != nil {
		return fmt.Errorf("add %s: %w", e.Node, err)
	}
	if _, in := w.endpoint(e.Node); in {
		return nil
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		return fmt.Errorf("add %s: the network is closed", e.Node)
	}
	if len(w.listeners[e.Region]) > 0 { // otherwise accept opens it with the others
		ls, err := w.listen(e)
		if err != nil {
			return err
		}
		w.listeners[e.Region] = append(w.listeners[e.Region], ls...)
	}
	w.nodes.Lock()
	defer w.nodes.Unlock()
	w.endpoints = append(slices.Clone(w.endpoints), e)
	return nil
}

// Remove closes the public ports of a node, and forgets it. The connections of its
// server end with that.
func (w *WAN) Remove(name string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for region, ls := range w.listeners {
		closeAll(slices.DeleteFunc(slices.Clone(ls), func(l listener) bool { return l.node != name }))
		w.listeners[region] = slices.DeleteFunc(ls, func(l listener) bool { return l.node == name })
	}
	w.nodes.Lock()
	defer w.nodes.Unlock()
	w.endpoints = slices.DeleteFunc(slices.Clone(w.endpoints), func(e Endpoint) bool { return e.Node == name })
}
