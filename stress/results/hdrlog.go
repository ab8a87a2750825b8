package results

import (
	"errors"
	"fmt"
	"io"
	"time"

	"crossring/stress/record"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// Second is one second of a phase: its first attempts by the time of their answers.
type Second struct {
	At      int64 // seconds since the start of the phase
	Ops     int64 // first attempts answered or given up
	Missing int64
	Bad     int64 // neither acknowledged, found nor missing
	Latency Percentiles
}

// Seconds gives the course of a phase over time, seconds without operations left
// out. Several streams are merged by their clocks.
func Seconds(raws ...io.Reader) ([]Second, error) {
	var out []Second
	c := &course{}
	err := c.run(raws, func() error {
		c.now.Latency = percentiles(c.service)
		out = append(out, c.now)
		return nil
	})
	return out, err
}

// WriteHDR writes a histogram log, version 1.3, of the raw results: a histogram
// for each second, in nanoseconds, tagged write-st or read-st for service time
// and, of an open loop, write-rt or read-rt for response time.
func WriteHDR(w io.Writer, raws ...io.Reader) error {
	c := &course{}
	log := hdrhistogram.NewHistogramLogWriter(w)
	headed := false
	head := func() error {
		headed = true
		// Times are given relative to a base in whole seconds, since the line
		// that states the base has no more.
		base := c.start.Unix() * 1000
		log.SetBaseTime(base)
		return errors.Join(
			log.OutputComment("[Logged with crossring]"),
			log.OutputLogFormatVersion(),
			log.OutputBaseTime(base),
			log.OutputStartTime(c.start.UnixMilli()),
			log.OutputLegend(),
		)
	}
	err := c.run(raws, func() error {
		var err error
		if !headed {
			err = head()
		}
		err = errors.Join(err, c.interval(log, c.service, "-st"))
		if c.paced {
			err = errors.Join(err, c.interval(log, c.response, "-rt"))
		}
		return err
	})
	if err == nil && !headed {
		err = head()
	}
	if err != nil {
		return fmt.Errorf("writing histogram log: %w", err)
	}
	return nil
}

// course goes through raw results second by second, holding only one of them.
type course struct {
	op                string
	start             time.Time // of the first stream to start
	paced             bool
	now               Second
	service, response *hdrhistogram.Histogram
}

// source is a stream with its next record at hand.
type source struct {
	rd     *record.Reader
	offset time.Duration // its start after the course's
	rec    record.Record
	done   bool
}

func (s *source) finish() time.Duration { return s.offset + s.rec.Start + s.rec.Service }

// advance gets the next first attempt.
func (s *source) advance() error {
	for {
		err := s.rd.Next(&s.rec)
		var cut *record.TruncatedError
		if errors.Is(err, io.EOF) || errors.As(err, &cut) {
			s.done = true
			return nil
		}
		if err != nil || s.rec.Attempt == 0 {
			return err
		}
	}
}

// run calls second for each second that had operations, in order.
func (c *course) run(raws []io.Reader, second func() error) error {
	if len(raws) == 0 {
		return errors.New("no raw results")
	}
	c.service, c.response = newHistogram(), newHistogram()
	var sources []*source
	for _, raw := range raws {
		rd, err := record.NewReader(raw)
		var cut *record.TruncatedError
		if errors.As(err, &cut) {
			continue // it has no records
		}
		if err != nil {
			return err
		}
		p := rd.Phase()
		if c.start.IsZero() || p.Start.Before(c.start) {
			c.start = p.Start
		}
		c.op = p.Op
		c.paced = c.paced || p.Rate > 0
		sources = append(sources, &source{rd: rd})
	}
	for _, s := range sources {
		s.offset = s.rd.Phase().Start.Sub(c.start)
		if err := s.advance(); err != nil {
			return err
		}
	}
	for {
		var next *source
		for _, s := range sources {
			if !s.done && (next == nil || s.finish() < next.finish()) {
				next = s
			}
		}
		if next == nil {
			break
		}
		// A stream is in the order of its answers but for moments: what comes a
		// little late counts to the second that is at hand.
		if at := int64(next.finish() / time.Second); at > c.now.At {
			if err := c.flush(second); err != nil {
				return err
			}
			c.now.At = at
		}
		c.count(&next.rec)
		if err := next.advance(); err != nil {
			return err
		}
	}
	return c.flush(second)
}

func (c *course) flush(second func() error) error {
	if c.now.Ops == 0 {
		return nil
	}
	err := second()
	c.now = Second{}
	c.service.Reset()
	c.response.Reset()
	return err
}

func (c *course) count(rec *record.Record) {
	c.now.Ops++
	switch rec.Outcome {
	case record.Missing:
		c.now.Missing++
	case record.Failed, record.Unknown, record.Wrong:
		c.now.Bad++
	}
	if rec.Coordinator == "" {
		return
	}
	// What is out of range is counted by the summary.
	_ = c.service.RecordValue(int64(rec.Service))
	_ = c.response.RecordValue(int64(rec.Delay + rec.Service))
}

func (c *course) interval(log *hdrhistogram.HistogramLogWriter, h *hdrhistogram.Histogram, suffix string) error {
	h.SetTag(c.op + suffix)
	h.SetStartTimeMs(c.start.UnixMilli() + c.now.At*1000)
	h.SetEndTimeMs(c.start.UnixMilli() + (c.now.At+1)*1000)
	return log.OutputIntervalHistogram(h)
}
