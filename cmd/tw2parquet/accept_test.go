package main

import (
	"strings"
	"testing"
	"time"

	"tw2parquet/source/emulator"
)

// A window that cannot be finished stays so until somebody accepts it; from then on it is covered, and nothing is bought.
func TestExport_Accept(t *testing.T) {
	x := newTrial(t, emulator.Config{DocumentsPerDay: 2, LimitBatch: 1})
	x.script(`{"endpoint":"export","nth":1,"task":{"end":"failed","at":0.5}}`)
	if code, _, stderr := x.export(t.Context(), "--stop=2024-03-01"); code != exitTask {
		t.Fatalf("exit %d\n%s", code, stderr)
	}
	if code, _, stderr := x.export(t.Context(), "--stop=2024-03-01", "--accept=42"); code != exitUsage {
		t.Fatalf("exit %d\n%s", code, stderr)
	}
	if code, _, stderr := x.export(t.Context(), "--stop=2024-03-01", "--accept=41,43"); code != exitTask {
		t.Fatalf("exit %d\n%s", code, stderr)
	}
	code, r, stderr := x.export(t.Context(), "--stop=2024-03-01", "--accept=40")
	if code != exitOK || r.Windows[0].Partial == "" || r.Windows[0].Rows != 31 || r.Windows[1].Partial != "" || !strings.Contains(stderr, "accepted") {
		t.Fatalf("exit %d, %+v\n%s", code, r, stderr)
	}
	for _, flags := range []string{"--stop=2024-03-01", "--stop=2024-02-01 --split=week --strict"} {
		if code, _, stderr := x.export(t.Context(), strings.Fields(flags)...); code != exitOK || x.Ledger().ExportPosts() != 2 {
			t.Errorf("%s: exit %d, %d posts\n%s", flags, code, x.Ledger().ExportPosts(), stderr)
		}
	}
	if code, stdout, stderr := call(t, "verify", x.out); code != exitOK {
		t.Errorf("exit %d\n%s%s", code, stdout, stderr)
	}

	y := newTrial(t, emulator.Config{DocumentsPerDay: 2, LimitBatch: 1})
	if code, _, stderr := y.export(t.Context(), "--stop=2024-02-01", "--limit=5", "--accept=41"); code != exitOK {
		t.Fatalf("exit %d\n%s", code, stderr)
	}
	if code, r, stderr := y.export(t.Context(), "--stop=2024-02-01"); code != exitTruncated || y.Ledger().ExportPosts() != 1 {
		t.Errorf("exit %d, %+v\n%s", code, r, stderr)
	}
	if code, r, stderr := y.export(t.Context(), "--stop=2024-02-01", "--accept=40,41"); code != exitOK || y.Ledger().ExportPosts() != 1 {
		t.Errorf("exit %d, %+v\n%s", code, r, stderr)
	}

	z := newTrial(t, emulator.Config{DocumentsPerDay: 2})
	z.script(`{"endpoint":"results","error":{"at":3,"code":24}}`)
	if code, _, stderr := z.export(t.Context(), "--stop=2024-02-01"); code != exitLocked {
		t.Fatalf("exit %d\n%s", code, stderr)
	}
	z.SetFaults(nil)
	z.Advance(8 * 24 * time.Hour)
	for accept, want := range map[string]int{"40": exitExpired, "40,41": exitExpired} {
		if code, r, stderr := z.export(t.Context(), "--stop=2024-02-01", "--accept="+accept); code != want {
			t.Fatalf("exit %d, %+v\n%s", code, r, stderr)
		}
	}
	if code, r, stderr := z.export(t.Context(), "--stop=2024-02-01", "--accept=43"); code != exitOK || r.Windows[0].Partial == "" || z.Ledger().ExportPosts() != 1 {
		t.Errorf("exit %d, %+v\n%s", code, r, stderr)
	}
}
