package record

// Connections is what a phase cost in connections.
type Connections struct {
	Policy            string `json:"policy"`
	Sessions          int64  `json:"sessions"`
	Flows             int64  `json:"flows"`              // TCP connections, the driver's own one of each session included
	FullHandshakes    int64  `json:"full_handshakes"`    // of TLS, with certificates
	ResumedHandshakes int64  `json:"resumed_handshakes"` // of TLS, that went on from a session
}

// Plus sums up two parts of a phase, either of which may not have counted.
func (c *Connections) Plus(more *Connections) *Connections {
	switch {
	case more == nil:
		return c
	case c == nil:
		sum := *more
		return &sum
	}
	return &Connections{c.Policy, c.Sessions + more.Sessions, c.Flows + more.Flows, c.FullHandshakes + more.FullHandshakes, c.ResumedHandshakes + more.ResumedHandshakes}
}
