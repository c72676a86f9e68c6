package pipeline_test

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"testing"

	"tw2parquet/pipeline"
	"tw2parquet/source/emulator"
)

// More or fewer results come than the task counted. The count is all there is to tell it by.
func TestExport_OtherThanTheTaskCounted(t *testing.T) {
	for name, c := range map[string]struct {
		rule emulator.Rule
		want error
		rows int64
		says string
	}{
		"fewer": {emulator.Rule{Endpoint: emulator.EndpointResults, Shift: 7}, pipeline.ErrMissing, 393, "missing=7"},
		"more": {emulator.Rule{Endpoint: emulator.EndpointResults, Inject: &emulator.Inject{At: 5, Repeat: 2,
			Lines: []string{`{"chunk_type":"CT_RESULT","chunk_result":{"data":{"data":{"url":"https://new.example"}}}}`}}}, pipeline.ErrExtra, 402, "extra=2"},
	} {
		for _, strict := range []bool{false, true} {
			w := newWorld(t, emulator.Config{DocumentsPerDay: 100, ControlEvery: 20})
			var log bytes.Buffer
			w.job.Strict, w.job.Log = strict, slog.New(slog.NewTextHandler(&log, nil))
			c.rule.Nth = 1
			w.server.SetFaults(&emulator.Faults{Rules: []emulator.Rule{c.rule}})
			r, err := w.job.Export(t.Context(), w.window)
			if strict != errors.Is(err, c.want) || strict == r.Complete || r.Rows != c.rows {
				t.Errorf("%s, strict %v: %d rows, %v", name, strict, r.Rows, err)
			}
			if !strings.Contains(log.String(), c.says) || w.server.Ledger().ExportPosts() != 1 {
				t.Errorf("%s: %s", name, &log)
			}
		}
	}
}
