package emulator

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"
)

// control serves the emulator's own pages, to loopback only:
//
//	GET  /_emulator/ledger                  the Ledger as JSON
//	GET  /_emulator/documents?collector=ID  the lines of all results the collector ever got, in order
//	POST /_emulator/faults                  replaces the fault script (FaultFormat); an empty body clears it
//	POST /_emulator/release                 lets held and stalled requests go on
//	POST /_emulator/clock                   {"advance":"24h"} moves the account's clock; answers {"now":…}
func (s *Server) control(w http.ResponseWriter, r *http.Request) {
	if !loopback(r.RemoteAddr) {
		http.Error(w, "loopback only", http.StatusForbidden)
		return
	}
	body, _ := io.ReadAll(io.LimitReader(r.Body, 16<<20))
	var err error
	switch r.Method + " " + r.URL.Path {
	case "GET /_emulator/ledger":
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(encode(s.Ledger()))
	case "GET /_emulator/documents":
		w.Header().Set("Content-Type", "text/plain;charset=UTF-8")
		err = s.WriteResults(w, r.URL.Query().Get("collector"))
	case "POST /_emulator/faults":
		f := &Faults{}
		if !blank(body) {
			f, err = ParseFaults(body)
		}
		if err == nil {
			s.SetFaults(f)
			fmt.Fprintln(w, "{}")
		}
	case "POST /_emulator/release":
		s.Release()
		fmt.Fprintln(w, "{}")
	case "POST /_emulator/clock":
		var ask struct {
			Advance string `json:"advance"`
		}
		var d time.Duration
		if err = json.Unmarshal(body, &ask); err == nil {
			d, err = time.ParseDuration(ask.Advance)
		}
		if err == nil {
			s.Advance(d)
			fmt.Fprintf(w, "{\"now\":%q}\n", wireTime(s.Now()))
		}
	default:
		http.NotFound(w, r)
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
	}
}

// ErrNoCollector is returned for a collector that does not exist.
var ErrNoCollector = errors.New("no such collector")

// WriteResults writes every result that the collector ever got, expired ones included, in order, each
// exactly as a read delivers it and with a newline behind it.
func (s *Server) WriteResults(w io.Writer, collector string) error {
	s.mu.Lock()
	s.settle(s.now())
	col, ok := s.collectors[collector]
	if !ok {
		s.mu.Unlock()
		return fmt.Errorf("collector %q: %w", collector, ErrNoCollector)
	}
	spans := col.spans
	s.mu.Unlock()
	var buf []byte
	for i := range spans {
		sp := &spans[i]
		for n := int64(0); n < sp.n; {
			var got int64
			var err error
			if buf, got, err = sp.source.appendChunks(buf, sp.from+n, sp.n-n, flushSize); err != nil {
				return err
			}
			buf = append(buf, '\n')
			if n += got; len(buf) >= flushSize {
				if _, err := w.Write(buf); err != nil {
					return fmt.Errorf("write results: %w", err)
				}
				buf = buf[:0]
			}
		}
	}
	_, err := w.Write(buf)
	if err != nil {
		return fmt.Errorf("write results: %w", err)
	}
	return nil
}
