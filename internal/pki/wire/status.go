package wire

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"time"

	"golang.org/x/crypto/ocsp"
)

// Call is one thing that was asked of the network.
type Call struct {
	Kind   string `json:"kind"`   // dns, tcp, ocsp or crl
	Target string `json:"target"` // a name, an address or a URL
	Result string `json:"result"`
}

// Asker asks responders and distribution points, and keeps a list of every call.
// It makes none unless it is told to.
type Asker struct {
	Calls   []Call
	Timeout time.Duration // of each request; 0 is 10 s
}

func (a *Asker) note(kind, target string, result string, err error) {
	if err != nil {
		result = err.Error()
	}
	a.Calls = append(a.Calls, Call{kind, target, result})
}

// client makes connections whose look-ups are noted; it uses no proxy, and goes
// where a redirection leads, which is noted too.
func (a *Asker) client() *http.Client {
	timeout := a.Timeout
	if timeout == 0 {
		timeout = 10 * time.Second
	}
	dial := func(ctx context.Context, network, address string) (net.Conn, error) {
		host, port, err := net.SplitHostPort(address)
		if err != nil {
			return nil, err
		}
		addresses := []string{host}
		if net.ParseIP(host) == nil {
			addresses, err = net.DefaultResolver.LookupHost(ctx, host)
			a.note("dns", host, fmt.Sprint(addresses), err)
			if err != nil {
				return nil, err
			}
		}
		var errs []error
		for _, ip := range addresses {
			conn, err := (&net.Dialer{}).DialContext(ctx, network, net.JoinHostPort(ip, port))
			a.note("tcp", net.JoinHostPort(ip, port), "connected", err)
			if err == nil {
				return conn, nil
			}
			errs = append(errs, err)
		}
		return nil, errors.Join(errs...)
	}
	return &http.Client{Timeout: timeout, Transport: &http.Transport{DialContext: dial, DisableKeepAlives: true}}
}

// OCSP asks the responders that a certificate names whether it still counts, one
// after the other until judge, which is given the answer as it came, believes one.
// judge returns the status in words, for the list of calls.
func (a *Asker) OCSP(ctx context.Context, c, issuer *x509.Certificate, judge func(der []byte) (string, error)) error {
	if len(c.OCSPServer) == 0 {
		return fmt.Errorf("certificate of %s names no OCSP responder", c.Subject)
	}
	body, err := ocsp.CreateRequest(c, issuer, nil)
	if err != nil {
		return fmt.Errorf("make OCSP request: %w", err)
	}
	var errs []error
	for _, responder := range c.OCSPServer {
		data, err := a.do(ctx, http.MethodPost, responder, "application/ocsp-request", body)
		status := ""
		if err == nil {
			status, err = judge(data)
		}
		a.note("ocsp", responder, status, err)
		if err == nil {
			return nil
		}
		errs = append(errs, fmt.Errorf("ask %s: %w", responder, err))
	}
	return errors.Join(errs...)
}

// Lists fetches the revocation lists from a certificate's distribution points.
func (a *Asker) Lists(ctx context.Context, c *x509.Certificate) ([]*x509.RevocationList, error) {
	var lists []*x509.RevocationList
	var errs []error
	for _, point := range c.CRLDistributionPoints {
		if u, err := url.Parse(point); err != nil || u.Scheme != "http" && u.Scheme != "https" {
			a.note("crl", point, "not asked: only http and https are", nil)
			continue
		}
		data, err := a.do(ctx, http.MethodGet, point, "", nil)
		var got []*x509.RevocationList
		if err == nil {
			got, err = ParseLists(data)
		}
		a.note("crl", point, fmt.Sprintf("%d bytes", len(data)), err)
		if err != nil {
			errs = append(errs, fmt.Errorf("fetch %s: %w", point, err))
		}
		lists = append(lists, got...)
	}
	if len(lists) == 0 && len(errs) == 0 {
		return nil, fmt.Errorf("certificate of %s names no distribution point that can be fetched from", c.Subject)
	}
	return lists, errors.Join(errs...)
}

func (a *Asker) do(ctx context.Context, method, target, contentType string, body []byte) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, method, target, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	resp, err := a.client().Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("answer %s", resp.Status)
	}
	return io.ReadAll(io.LimitReader(resp.Body, 64<<20))
}

// ParseLists reads revocation lists, DER or PEM.
func ParseLists(data []byte) ([]*x509.RevocationList, error) {
	if len(data) > 0 && data[0] == 0x30 {
		l, err := x509.ParseRevocationList(data)
		if err != nil {
			return nil, fmt.Errorf("read revocation list: %w", err)
		}
		return []*x509.RevocationList{l}, nil
	}
	var lists []*x509.RevocationList
	for block, rest := pem.Decode(data); block != nil; block, rest = pem.Decode(rest) {
		if block.Type != "X509 CRL" {
			continue
		}
		l, err := x509.ParseRevocationList(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("read revocation list: %w", err)
		}
		lists = append(lists, l)
	}
	if len(lists) == 0 {
		return nil, errors.New("no revocation list in it: neither DER nor PEM")
	}
	return lists, nil
}
