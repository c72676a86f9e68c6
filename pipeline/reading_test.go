package pipeline_test

import (
	"bytes"
	"encoding/json"
	"os"
	"testing"
	"time"

	"tw2parquet/pipeline"
	"tw2parquet/source/emulator"
)

// The manifest says what reading took, as the server has it in its ledger; a complete run says it again.
func TestReport_SaysWhatReadingTook(t *testing.T) {
	w := newWorld(t, emulator.Config{DocumentsPerDay: 100, ControlEvery: 25, TaskDuration: 200 * time.Millisecond})
	w.rows, w.job.Records = 150, pipeline.Records{Bytes: 16 << 10}
	busy := "busy"
	w.server.SetFaults(&emulator.Faults{Rules: []emulator.Rule{
		{Endpoint: emulator.EndpointResults, To: 2, Cut: &emulator.Cut{At: 600_000, How: "reset"}},
		{Endpoint: emulator.EndpointResults, From: 3, To: 4, Respond: &emulator.Respond{HTTP: 503, Body: &busy}},
		{Endpoint: emulator.EndpointResults, From: 5, To: 5, Respond: &emulator.Respond{HTTP: 429, Body: &busy}},
	}})
	r, err := w.job.Export(t.Context(), w.window)
	if err != nil || r.Rows != 400 {
		t.Fatalf("report %+v, error %v", r, err)
	}
	w.checkQueue()
	var want struct{ reads, refused, bytes int64 }
	for _, call := range w.server.Ledger().Calls(emulator.EndpointResults) {
		if call.Status == 200 {
			want.reads++
			want.bytes += call.Bytes
		} else {
			want.refused++
		}
	}
	text, err := os.ReadFile(w.manifest())
	if err != nil {
		t.Fatal(err)
	}
	var m struct {
		Report struct {
			Reading map[string]float64 `json:"reading"`
		} `json:"report"`
	}
	if err := json.NewDecoder(bytes.NewReader(text)).Decode(&m); err != nil {
		t.Fatal(err)
	}
	got := m.Report.Reading
	if got["reads"] != float64(want.reads) || got["retries"] != float64(want.refused) || want.refused != 3 {
		t.Errorf("%v, the server answered %d reads and refused %d", got, want.reads, want.refused)
	}
	// What was sent into a connection that broke did not all arrive.
	if n := got["bytes"]; n > float64(want.bytes) || n < float64(want.bytes)/2 {
		t.Errorf("%v bytes, the server sent %d", n, want.bytes)
	}
	if got["cuts"] != 2 || got["waits"] < 2 || got["waited_seconds"] <= 0 || got["rate_limit_pauses"] < 1 || got["rate_limit_seconds"] <= 0 {
		t.Errorf("%v", got)
	}
	again, err := w.job.Export(t.Context(), w.window)
	if err != nil || again.Reading == nil || *again.Reading != *r.Reading {
		t.Errorf("run again: %+v, %v; it was %+v", again.Reading, err, r.Reading)
	}
}
