// Package export writes what a run recorded as files that other tools read: CSV, lines of JSON,
// and Parquet, by the attempt or by the second.
package export

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/parquet-go/parquet-go"

	"crossring/stress/record"
	"crossring/stress/results"
)

// Attempt is one request.
type Attempt struct {
	Op      string `json:"op" parquet:"op,dict"`
	Key     int64  `json:"key" parquet:"key"`
	Attempt int32  `json:"attempt" parquet:"attempt"` // 0 is the first
	// Outcome is acknowledged, failed, unknown, found, missing or wrong.
	Outcome string `json:"outcome" parquet:"outcome,dict"`
	// Start is UTC, of the clock of the computer that asked.
	Start     time.Time `json:"start" parquet:"start,timestamp(microsecond)"`
	ServiceUS int64     `json:"service_us" parquet:"service_us"` // from start to answer
	// DelayUS is from when it was due to the start; 0 where nothing was due.
	DelayUS     int64  `json:"delay_us" parquet:"delay_us"`
	Coordinator string `json:"coordinator" parquet:"coordinator,dict"` // "" of a request that reached none
	Error       string `json:"error" parquet:"error,dict"`             // its class; "" of none
	// LagUS is from the acknowledgement of a row to this first sight of it; nil where that is
	// not known, or it had been there at once.
	LagUS *int64 `json:"lag_us" parquet:"lag_us,optional"`
	// Written is the outcome of the row's write, of one that was missing; "" where not known.
	Written string `json:"written" parquet:"written,dict"`
}

// Second is one second of a phase.
type Second struct {
	Op      string  `json:"op" parquet:"op,dict"`
	Second  int64   `json:"second" parquet:"second"`   // since the start of the phase
	Rows    int64   `json:"rows" parquet:"rows"`       // first attempts answered or given up
	Missing int64   `json:"missing" parquet:"missing"` // of those
	Bad     int64   `json:"bad" parquet:"bad"`         // neither acknowledged, found nor missing
	P50     float64 `json:"p50_ms" parquet:"p50_ms"`   // of service time, as those that follow
	P95     float64 `json:"p95_ms" parquet:"p95_ms"`
	P99     float64 `json:"p99_ms" parquet:"p99_ms"`
	P999    float64 `json:"p999_ms" parquet:"p999_ms"`
	Max     float64 `json:"max_ms" parquet:"max_ms"`
}

// OfRecord is an attempt as it was recorded.
func OfRecord(p record.Phase, r *record.Record) Attempt {
	a := Attempt{
		Op: p.Op, Key: r.Key, Attempt: int32(r.Attempt), Outcome: r.Outcome.String(), Start: p.Start.Add(r.Start).UTC(),
		ServiceUS: r.Service.Microseconds(), DelayUS: r.Delay.Microseconds(), Coordinator: r.Coordinator, Error: r.Class,
	}
	if r.Attempt > 0 && r.Outcome == record.Found && r.Lag >= 0 {
		a.LagUS = new(r.Lag.Microseconds())
	}
	if r.Written != 0 {
		a.Written = r.Written.String()
	}
	return a
}

// OfSecond is a second of a phase.
func OfSecond(op string, s results.Second) Second {
	l := s.Latency
	return Second{op, s.At, s.Ops, s.Missing, s.Bad, l.P50, l.P95, l.P99, l.P999, l.Max}
}

// Formats are those that New knows.
func Formats() []string { return []string{"csv", "jsonl", "parquet"} }

// Writer takes rows, one after the other, and has all of them out once it is closed.
type Writer[T any] interface {
	Add(row T) error
	Close() error
}

// New begins a file in a format of Formats.
func New[T Attempt | Second](format string, w io.Writer) (Writer[T], error) {
	switch format {
	case "csv":
		return &csvWriter[T]{w: csv.NewWriter(w)}, nil
	case "jsonl":
		enc := json.NewEncoder(w)
		enc.SetEscapeHTML(false)
		return jsonWriter[T]{enc}, nil
	case "parquet":
		return &parquetWriter[T]{w: parquet.NewGenericWriter[T](w, parquet.Compression(&parquet.Zstd), parquet.MaxRowsPerRowGroup(group))}, nil
	}
	return nil, fmt.Errorf("there is no format %q", format)
}

type jsonWriter[T any] struct{ enc *json.Encoder }

func (w jsonWriter[T]) Add(row T) error { return w.enc.Encode(row) }
func (jsonWriter[T]) Close() error      { return nil }

// parquetWriter hands rows on in batches: one by one takes several times as long.
type parquetWriter[T any] struct {
	w    *parquet.GenericWriter[T]
	rows []T
}

const (
	batch = 1024
	// group bounds the memory that a file takes while it is written, which is that of one group
	// of rows.
	group = 1 << 20
)

func (w *parquetWriter[T]) Add(row T) error {
	if w.rows = append(w.rows, row); len(w.rows) < batch {
		return nil
	}
	return w.flush()
}

func (w *parquetWriter[T]) flush() error {
	_, err := w.w.Write(w.rows)
	w.rows = w.rows[:0]
	return err
}

func (w *parquetWriter[T]) Close() error {
	if err := w.flush(); err != nil {
		return err
	}
	return w.w.Close()
}

type csvWriter[T Attempt | Second] struct {
	w     *csv.Writer
	begun bool
}

func (w *csvWriter[T]) Add(row T) error {
	if err := w.head(); err != nil {
		return err
	}
	return w.w.Write(cells(any(row)))
}

// head writes the names of the columns, once.
func (w *csvWriter[T]) head() error {
	if w.begun {
		return nil
	}
	w.begun = true
	var none T
	if _, ok := any(none).(Attempt); ok {
		return w.w.Write([]string{"op", "key", "attempt", "outcome", "start", "service_us", "delay_us", "coordinator", "error", "lag_us", "written"})
	}
	return w.w.Write([]string{"op", "second", "rows", "missing", "bad", "p50_ms", "p95_ms", "p99_ms", "p999_ms", "max_ms"})
}

func (w *csvWriter[T]) Close() error {
	if err := w.head(); err != nil {
		return err
	}
	w.w.Flush()
	return w.w.Error()
}

func cells(row any) []string {
	n := func(v int64) string { return strconv.FormatInt(v, 10) }
	f := func(v float64) string { return strconv.FormatFloat(v, 'f', -1, 64) }
	switch r := row.(type) {
	case Attempt:
		lag := ""
		if r.LagUS != nil {
			lag = n(*r.LagUS)
		}
		return []string{r.Op, n(r.Key), n(int64(r.Attempt)), r.Outcome, r.Start.Format(time.RFC3339Nano), n(r.ServiceUS), n(r.DelayUS), r.Coordinator, r.Error, lag, r.Written}
	case Second:
		return []string{r.Op, n(r.Second), n(r.Rows), n(r.Missing), n(r.Bad), f(r.P50), f(r.P95), f(r.P99), f(r.P999), f(r.Max)}
	}
	return nil
}
