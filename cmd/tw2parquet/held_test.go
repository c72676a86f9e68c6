package main

import (
	"strings"
	"testing"

	"tw2parquet/source/emulator"
)

// TestExport_WarnsOfWhatIsThere: before anything is bought that the output holds already.
func TestExport_WarnsOfWhatIsThere(t *testing.T) {
	x := newTrial(t, emulator.Config{DocumentsPerDay: 2})
	january := []string{"--stop=2024-02-01"}
	if code, _, stderr := x.export(t.Context(), january...); code != exitOK || strings.Contains(stderr, "already") {
		t.Fatalf("exit %d\n%s", code, stderr)
	}
	for flags, want := range map[string]string{
		"--stop=2024-02-01":                   "", // the same run: nothing is bought
		"--start=2024-02-01":                  "",
		"--stop=2024-02-01 --query=cats":      "", // another source
		"--stop=2024-02-01 --limit=700":       "max_credits=1700",
		"--start=2024-01-15":                  "max_credits=1001000",
		"--split=week --limit=10":             "windows_to_buy=5",
		"--stop=2024-02-01 --generation=2":    "generation=1",
		"--stop=2024-02-01 --topic=" + "none": "",
	} {
		before := len(x.Ledger().Changing())
		code, _, stderr := x.export(t.Context(), append(strings.Fields(flags), "--dry-run")...)
		warned := strings.Contains(stderr, "already holds results of the same source and time")
		if code != exitOK || warned != (want != "") || !strings.Contains(stderr, want) || warned && !strings.Contains(stderr, "run="+x.runs[0]) || len(x.Ledger().Changing()) != before {
			t.Errorf("%s: exit %d\n%s", flags, code, stderr)
		}
	}
	// What is begun is paid for as well, and the warning comes before the purchase.
	y := newTrial(t, emulator.Config{DocumentsPerDay: 2})
	y.script(`{"endpoint":"results","error":{"at":3,"code":24}}`)
	y.export(t.Context(), january...)
	y.SetFaults(nil)
	_, _, stderr := y.export(t.Context(), "--stop=2024-02-01", "--limit=800")
	warning, buying := strings.Index(stderr, "results of the same source"), strings.Index(stderr, "export task created")
	if warning < 0 || buying < warning {
		t.Errorf("%s", stderr)
	}
}
