package awsfault

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"time"
)

// Kind is a way to fail.
type Kind string

// The ways to fail.
const (
	ErrorBefore Kind = "error before effect"     // 500 InternalError, and nothing was done
	Throttle    Kind = "throttled three times"   // 503 RequestLimitExceeded
	LostReply   Kind = "reply lost after effect" // done, and the connection reset
	Slow        Kind = "slow reply"
	NotFoundYet Kind = "not to be seen yet"      // what is made is hidden from the next looks
	Capacity    Kind = "no capacity in the zone" // InsufficientInstanceCapacity
	KillBefore  Kind = "killed before effect"    // SIGKILL when the call arrives
	KillAfter   Kind = "killed after effect"     // SIGKILL instead of the reply
)

// Kinds lists the ways to fail.
func Kinds() []Kind {
	return []Kind{ErrorBefore, Throttle, LostReply, Slow, NotFoundYet, Capacity, KillBefore, KillAfter}
}

// Applies says whether a call can fail in a way.
func (k Kind) Applies(action string) bool {
	switch k {
	case Capacity:
		return action == "RunInstances"
	case NotFoundYet:
		_, ok := makes[action]
		return ok
	case KillAfter:
		return mutating(action)
	}
	return true
}

// Call is one request.
type Call struct {
	Region, Action string
	Nth            int // of this action in this region, from 1
	Status         int
}

func (c Call) String() string { return fmt.Sprintf("%s %s #%d", c.Region, c.Action, c.Nth) }

// Fault is one failure at one call.
type Fault struct {
	Region, Action string
	Nth            int
	Kind           Kind
}

func (f Fault) String() string {
	return fmt.Sprintf("%s %s #%d: %s", f.Region, f.Action, f.Nth, f.Kind)
}

// Proxy stands in front of moto.
type Proxy struct {
	URL string
	// Delay is added to every call.
	Delay time.Duration
	// ElasticIPs is the quota of a region.
	ElasticIPs int
	// VCPUs is the quota of a region for instances of any family.
	VCPUs int
	// Clock is how far the date of the answers is from this computer's clock.
	Clock time.Duration
	// Hide is how many looks miss what was made, under NotFoundYet.
	Hide int
	// Console is what an instance has printed on its console; nil leaves it to moto.
	Console func(instance string) string
	// Kill ends the process whose calls these are.
	Kill func()
	// Struck is told when the fault strikes, if it is set.
	Struck func()

	moto   string
	server *httptest.Server
	client *http.Client
	rules  *rules

	mu      sync.Mutex
	calls   []Call
	count   map[string]int
	fault   *Fault
	left    int // how often the fault still strikes
	reached bool

	quotasAsked []string
}

// NewProxy starts a proxy in front of a moto server.
func NewProxy(moto string) *Proxy {
	p := &Proxy{moto: moto, ElasticIPs: 5, VCPUs: 2048, Hide: 3, client: &http.Client{Timeout: time.Minute}, count: map[string]int{}}
	p.rules = newRules(p)
	p.server = httptest.NewServer(http.HandlerFunc(p.handle))
	p.URL = p.server.URL
	return p
}

// Close stops it.
func (p *Proxy) Close() { p.server.Close() }

// Arm begins a new count of calls, and sets the fault; nil is none.
func (p *Proxy) Arm(f *Fault) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.calls, p.count, p.fault, p.reached, p.left = nil, map[string]int{}, f, false, 0
	if f != nil {
		p.left = 1
		if f.Kind == Throttle {
			p.left = 3
		}
	}
}

// Repeat lets the fault strike up to n times, at every further call of its kind.
func (p *Proxy) Repeat(n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.left = n
}

// Reached says whether the fault struck.
func (p *Proxy) Reached() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.reached
}

// Calls lists the calls since Arm.
func (p *Proxy) Calls() []Call {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]Call(nil), p.calls...)
}

// Mutations counts the calls since Arm that change something.
func (p *Proxy) Mutations() []Call {
	var list []Call
	for _, c := range p.Calls() {
		if mutating(c.Action) {
			list = append(list, c)
		}
	}
	return list
}

func mutating(action string) bool {
	return !strings.HasPrefix(action, "Describe") && !strings.HasPrefix(action, "Get")
}

// Mutating says whether a call changes something.
func (c Call) Mutating() bool { return mutating(c.Action) }

// reply is an answer that is not sent yet.
type reply struct {
	status int
	header http.Header
	body   []byte
}

func (p *Proxy) handle(w http.ResponseWriter, req *http.Request) {
	if p.Clock != 0 {
		w.Header().Set("Date", time.Now().Add(p.Clock).UTC().Format(http.TimeFormat))
	}
	body, err := io.ReadAll(io.LimitReader(req.Body, 1<<20))
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	form, err := url.ParseQuery(string(body))
	if err != nil || form.Get("Action") == "" {
		if r, ok := p.quota(req, body); ok {
			send(w, r)
			return
		}
		send(w, p.forward(req, body)) // another service's
		return
	}
	region, action := RegionOf(req), form.Get("Action")
	call, kind := p.begin(region, action)
	if kind != "" && p.Struck != nil {
		p.Struck()
	}
	if p.Delay > 0 {
		time.Sleep(p.Delay)
	}
	switch kind {
	case ErrorBefore:
		send(w, failure(http.StatusInternalServerError, "InternalError", "an internal error has occurred"))
		return
	case Throttle:
		send(w, failure(http.StatusServiceUnavailable, "RequestLimitExceeded", "request limit exceeded"))
		return
	case Capacity:
		send(w, failure(http.StatusInternalServerError, "InsufficientInstanceCapacity", "there is no capacity in "+form.Get("Placement.AvailabilityZone")))
		return
	case KillBefore:
		p.Kill()
		reset(w)
		return
	}
	hide := 0
	if kind == NotFoundYet {
		hide = p.Hide
	}
	r := p.rules.apply(req, region, action, form, body, hide)
	p.end(call, r.status)
	switch kind {
	case LostReply:
		reset(w)
		return
	case KillAfter:
		p.Kill()
		reset(w)
		return
	case Slow:
		time.Sleep(time.Second)
	}
	send(w, r)
}

// begin counts a call, and says how it fails.
func (p *Proxy) begin(region, action string) (index int, kind Kind) {
	p.mu.Lock()
	defer p.mu.Unlock()
	key := region + " " + action
	p.count[key]++
	p.calls = append(p.calls, Call{Region: region, Action: action, Nth: p.count[key]})
	if f := p.fault; f != nil && p.left > 0 && f.Region == region && f.Action == action && p.count[key] >= f.Nth {
		p.left--
		p.reached = true
		kind = f.Kind
	}
	return len(p.calls) - 1, kind
}

func (p *Proxy) end(index, status int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if index < len(p.calls) {
		p.calls[index].Status = status
	}
}

// RegionOf reads the region out of a request's signature; "" if it has none.
func RegionOf(req *http.Request) string {
	_, scope, _ := strings.Cut(req.Header.Get("Authorization"), "Credential=")
	fields := strings.Split(scope, "/")
	if len(fields) < 3 {
		return ""
	}
	return fields[2]
}

// forward gives a request to moto.
func (p *Proxy) forward(req *http.Request, body []byte) reply {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(req.Context()), time.Minute)
	defer cancel()
	out, err := http.NewRequestWithContext(ctx, req.Method, p.moto+req.URL.RequestURI(), bytes.NewReader(body))
	if err != nil {
		return failure(http.StatusBadGateway, "Proxy", err.Error())
	}
	out.Header = req.Header.Clone()
	out.Header.Del("Accept-Encoding")
	res, err := p.client.Do(out)
	if err != nil {
		return failure(http.StatusBadGateway, "Proxy", err.Error())
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(res.Body)
	if err != nil {
		return failure(http.StatusBadGateway, "Proxy", err.Error())
	}
	return reply{status: res.StatusCode, header: res.Header, body: answer}
}

func send(w http.ResponseWriter, r reply) {
	if t := r.header.Get("Content-Type"); t != "" {
		w.Header().Set("Content-Type", t)
	}
	w.WriteHeader(r.status)
	_, _ = w.Write(r.body) // who asked may be gone
}

// failure is an error as EC2 words it.
func failure(status int, code, message string) reply {
	body := fmt.Sprintf(`<?xml version="1.0" encoding="UTF-8"?><Response><Errors><Error><Code>%s</Code><Message>%s</Message></Error></Errors><RequestID>00000000-0000-0000-0000-000000000000</RequestID></Response>`, code, message)
	return reply{status: status, header: http.Header{"Content-Type": {"text/xml;charset=UTF-8"}}, body: []byte(body)}
}

// reset ends a connection without an answer.
func reset(w http.ResponseWriter) {
	h, ok := w.(http.Hijacker)
	if !ok {
		return
	}
	conn, _, err := h.Hijack()
	if err != nil {
		return
	}
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	conn.Close()
}
