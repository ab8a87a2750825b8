package trust

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"crossring/internal/cluster"
	"crossring/internal/deploy"
	"crossring/internal/fail"
	"crossring/internal/pki"
	"crossring/internal/pki/verbs"
	"crossring/internal/plain"
	"crossring/internal/safely"
	"crossring/internal/state"
	"crossring/internal/steps"
	"crossring/internal/topology"
	"crossring/internal/until"
	"crossring/ringcheck"
)

// RotateRequest says what of a cluster's certificates is to be new.
type RotateRequest struct {
	Name string
	// CA replaces the CA, too; without, the nodes get certificates of the same one.
	CA bool
	// Restart restarts nodes that could read their stores while they run, so that no
	// connection is left that was made with what they had before.
	Restart bool
	// Until ends after a phase of a CA's replacement, which the next command goes
	// on from; 0 is all.
	Until until.Phase
}

// RotateResult says what is new, as far as Rotate got.
type RotateResult struct {
	Schema  string `json:"schema"`
	Cluster string `json:"cluster"`
	CA      bool   `json:"ca"`
	// Method is how nodes take what is new: "reload" while they run, or "restart".
	Method string       `json:"method"`
	Done   bool         `json:"done"` // nothing is left to do
	Steps  []RotateStep `json:"steps"`
	// Certificates are those that count by now, crossring's own first.
	Certificates []RotatedCertificate `json:"certificates"`
}

// RotatedCertificate is the certificate of a node, or of crossring itself.
type RotatedCertificate struct {
	Name        string            `json:"name"`
	Certificate verbs.Certificate `json:"certificate"`
}

// stepPatience is how long a step may take: a node may have to be drained and
// started, and be seen by all others.
const stepPatience = 15 * time.Minute

// rotator is a rotation under way.
type rotator struct {
	cluster.World
	cluster.Cluster
	saved rotation
}

// Rotate gives the nodes of a running cluster, one after another, new keys and
// certificates and, if asked, another CA, from wherever an earlier attempt got to.
func Rotate(ctx context.Context, w cluster.World, req RotateRequest) (RotateResult, error) {
	res := RotateResult{Schema: topology.Schema, Cluster: req.Name, Steps: []RotateStep{}, Certificates: []RotatedCertificate{}}
	if err := cluster.CheckName(req.Name); err != nil {
		return res, err
	}
	if c, err := w.Open(req.Name); err != nil {
		return res, err
	} else if err := c.Place.NoServers(req.Name, ""); err != nil {
		return res, err
	}
	unlock, err := w.Lock(ctx, req.Name)
	if err != nil {
		return res, err
	}
	defer unlock()
	c, err := w.Open(req.Name)
	if err != nil {
		return res, err
	}
	r := &rotator{World: w, Cluster: c}
	if err := r.prepareFor(ctx, req); err != nil {
		return res, err
	}
	res.CA, res.Method = r.saved.CA, "restart"
	if r.hot() {
		res.Method = "reload"
	}
	err = r.run(ctx, req.Until, &res)
	res.Certificates = append(res.Certificates, r.certificates()...)
	if err != nil {
		return res, &rotateError{name: req.Name, err: err}
	}
	return res, nil
}

// rotateError is what stopped a rotation half-way.
type rotateError struct {
	name string
	err  error
}

func (e *rotateError) Error() string {
	return "rotating the certificates of " + e.name + ": " + e.err.Error()
}

func (e *rotateError) Unwrap() error { return e.err }

// Hint is the command that goes on from there.
func (e *rotateError) Hint() string {
	return "crossring pki rotate " + e.name + "   # goes on from there"
}

// prepareFor finds the rotation under way, or begins one on a ring that is whole.
func (r *rotator) prepareFor(ctx context.Context, req RotateRequest) error {
	name := r.Inv.Plan.Name
	if r.Inv.Plan.TLS == nil {
		return fail.Usage("", fmt.Errorf("cluster %s has no TLS, and so no certificates", name), "write tls: {} in the spec of a new cluster")
	}
	if r.Inv.Plan.TLS.Trust != "" {
		return fail.Usage("", fmt.Errorf("the certificates of %s are signed elsewhere: within a month of their end, up asks for new ones", name), r.Command("pki", "ls", name))
	}
	if req.CA && r.Inv.Plan.TLS.CA != "" {
		return fail.Usage("", fmt.Errorf("the CA of %s is that in %s, which others use, too: it is not this command's to replace", name, r.Inv.Plan.TLS.CA), renewRoot(r.Inv.Plan, ""))
	}
	saved, err := readRotation(r.Dir)
	if err != nil {
		return err
	}
	if req.Until != 0 && !(req.CA || saved != nil && saved.CA) {
		return fail.Usage("", errors.New("only the replacement of a CA has phases to stop after"), plain.Command("crossring", "pki", "rotate", name, "--ca", "--until", req.Until.String()))
	}
	if saved != nil {
		if req.CA && !saved.CA {
			return &RotationUnderWayError{Name: name}
		}
		r.saved = *saved
		if !req.Restart || r.saved.Restart {
			return nil
		}
		r.saved.Restart = true
		return safely.JSON(filepath.Join(r.Dir, RotationFile), r.saved, 0o644)
	}
	change, err := cluster.ReadChange(r.Dir)
	if err != nil {
		return err
	}
	if change != nil {
		return &cluster.ChangeUnderWayError{Name: name}
	}
	ready, err := state.Marked(r.Dir, state.Ready)
	if err != nil {
		return err
	}
	if !ready {
		return fail.Ring("", fmt.Errorf("the ring of %s has never been whole: that comes first", name), "crossring up "+name)
	}
	err = r.Stage("every node is up, as every node sees it", func() error {
		if err := r.allRun(ctx, ""); err != nil {
			return err
		}
		const calm = 2 * time.Minute // after a start, gossip takes a moment
		return r.awaitAll(ctx, calm)
	})
	if err != nil {
		return err
	}
	r.saved = rotation{Schema: topology.Schema, CA: req.CA, Restart: req.Restart, Started: r.Now().UTC()}
	return beginRotation(r.Dir, r.saved)
}

// allRun is an error when the server of a node has ended, but for the one of a step
// that was begun: a node that is down would miss what the others are given, and
// with another one down for a restart rows might have no replica left.
func (r *rotator) allRun(ctx context.Context, begun string) error {
	var down []error
	first := ""
	for _, n := range r.Inv.Nodes {
		p, err := r.Host(n).State(ctx)
		if err != nil {
			return err
		}
		if !p.Running && n.Name != begun {
			down = append(down, fmt.Errorf("%s is %s", n.Name, p))
			first = n.Name
		}
	}
	if len(down) == 0 {
		return nil
	}
	hint := "crossring start " + r.Inv.Plan.Name + ":" + first
	if len(down) > 1 {
		hint = "crossring up " + r.Inv.Plan.Name
	}
	return fail.Ring("certificates are rotated in a ring that is whole", errors.Join(down...), hint)
}

// awaitAll waits until the ring is as planned, as every node sees it.
func (r *rotator) awaitAll(ctx context.Context, timeout time.Duration) error {
	var targets []deploy.Target
	for _, n := range r.Inv.Nodes {
		targets = append(targets, deploy.Target{Node: n, Host: r.Host(n)})
	}
	_, err := cluster.AwaitRing(ctx, r.World, r.Cluster, targets, timeout)
	return err
}

// run does the steps that have not been done.
func (r *rotator) run(ctx context.Context, upTo until.Phase, res *RotateResult) error {
	all := r.saved.steps(r.Inv.Nodes)
	work := steps.Work{
		Path: filepath.Join(r.Dir, RotationJournal), Kind: "rotate", Stage: r.Stage, Now: r.Now,
		Until: func(i int) bool { return all[i].after(upTo) },
		Ended: func(i int, earlier bool, took time.Duration) {
			s := all[i]
			if s.Earlier = earlier; !earlier {
				s.Seconds = took.Seconds()
			}
			res.Steps = append(res.Steps, s)
		},
	}
	for _, s := range all {
		work.Steps = append(work.Steps, steps.Step{
			ID: s.ID(), Text: s.Describe(), What: s, Patience: stepPatience,
			Do: func(ctx context.Context) error { return r.do(ctx, s) },
		})
	}
	whole, err := steps.Run(ctx, work)
	if err != nil || !whole {
		return err
	}
	res.Done = true
	return endRotation(r.Dir)
}

// do does one step. Each looks at what is, and does what is missing: it may have
// been begun, or even done, by a command that died before it could say so.
func (r *rotator) do(ctx context.Context, s RotateStep) error {
	switch s.Kind {
	case rotateMake:
		return r.makeAuthority(ctx)
	case rotateRetire:
		return retire(r.Cluster)
	}
	if s.Node == cluster.ClientName && s.Kind == rotateTrust {
		return r.clientTrust(true)
	}
	// From here on a node may be about to lose what another one lives by.
	if err := r.wholeFor(ctx, s.Node); err != nil {
		return err
	}
	if err := r.gate(ctx, s); err != nil {
		return err
	}
	switch {
	case s.Node == cluster.ClientName && s.Kind == rotateDistrust:
		return r.clientTrust(false)
	case s.Node == cluster.ClientName:
		return r.clientCertificate(ctx)
	}
	n, err := r.Inv.Node(s.Node)
	if err != nil {
		return err
	}
	if s.Kind == rotateCertificate {
		return r.nodeCertificate(ctx, n)
	}
	return r.nodeTrust(ctx, n, s.Kind == rotateTrust)
}

// wholeFor waits until the ring is whole. An attempt that died may have left the step's
// own node on its way down, at any point of it: that one is put back.
func (r *rotator) wholeFor(ctx context.Context, node string) error {
	const settle, once = 5 * time.Minute, 20 * time.Second
	if err := r.allRun(ctx, node); err != nil {
		return err
	}
	n, err := r.Inv.Node(node)
	if err != nil { // the step is not a node's
		return r.awaitAll(ctx, settle)
	}
	for until := r.Now().Add(settle); ; {
		if err := r.putBack(ctx, n); err != nil {
			return err
		}
		err := r.awaitAll(ctx, once)
		var dead *deploy.DeadError
		switch died := errors.As(err, &dead); {
		case err == nil:
			return nil
		case died && dead.Node != n.Name, ctx.Err() != nil, r.Now().After(until):
			return err
		}
	}
}

// putBack starts a node that is stopped, or that has written everything down and only
// waits to be stopped.
func (r *rotator) putBack(ctx context.Context, n topology.Node) error {
	targets := []deploy.Target{{Node: n, Host: r.Host(n)}}
	p, err := targets[0].Host.State(ctx)
	if err != nil {
		return err
	}
	if p.Running {
		// One that does not say may be starting, or ending: what it comes to is seen later.
		if mode, err := ringcheck.Mode(ctx, cluster.Query(r.World, r.Cluster), n); err != nil || mode != ringcheck.ModeDrained {
			return nil
		}
		if err := cluster.StopTargets(ctx, r.World, r.Cluster, targets); err != nil {
			return err
		}
	}
	return StartServers(ctx, r.World, r.Cluster, targets)
}

// certificates lists what counts by now.
func (r *rotator) certificates() []RotatedCertificate {
	var all []RotatedCertificate
	for _, name := range append([]string{cluster.ClientName}, nodeNames(r.Inv.Nodes)...) {
		var newest *x509.Certificate
		for _, dir := range []string{cluster.AuthorityDir, nextAuthorityDir} {
			d, err := pki.Open(filepath.Join(r.Dir, dir), "")
			if err != nil {
				continue // there is no such CA now
			}
			if _, cert, err := d.Latest(name); err == nil {
				newest = cert
			}
		}
		if newest != nil {
			all = append(all, RotatedCertificate{Name: name, Certificate: verbs.Describe(0, newest, r.Now())})
		}
	}
	return all
}
