package table

import (
	"errors"
	"testing"

	"tw2parquet/sink/dataset"
	"tw2parquet/sink/store"
)

// A look says what a registration would meet, and leaves no trace.
func TestTryDelta_SaysWhatARegistrationMeets(t *testing.T) {
	for kind, open := range places {
		t.Run(kind, func(t *testing.T) {
			s := open(t)
			defer s.Close()
			commits := func() (n int) {
				for _, err := range s.List(t.Context(), dataset.DeltaLog+"/") {
					if err != nil {
						t.Fatal(err)
					}
					n++
				}
				return n
			}
			expect := func(want int64) {
				t.Helper()
				if got, err := TryDelta(t.Context(), s); err != nil || got != want || int64(commits()) != want+1 {
					t.Errorf("version %d, %v, want %d; %d commits", got, err, want, commits())
				}
			}
			expect(-1)
			write(t, s, 1, 1)
			if _, err := register(t, s, nil); err != nil {
				t.Fatal(err)
			}
			expect(0)
		})
	}
	const window = `{"name":"window_start","type":"string","nullable":true,"metadata":{}}`
	for name, x := range map[string]struct {
		fields, partition string
		reason            Reason
	}{
		"another type":      {`{"name":"reach","type":"string","nullable":true,"metadata":{}},` + window, `"window_start"`, Types},
		"another partition": {`{"name":"lang","type":"string","nullable":true,"metadata":{}},` + window, `"lang"`, Types},
	} {
		s := places["bucket"](t)
		table0(t, s, x.fields, `{"minReaderVersion":1,"minWriterVersion":2}`, `{}`, x.partition)
		_, err := TryDelta(t.Context(), s)
		var e *Error
		if !errors.As(err, &e) || e.Reason != x.reason || e.Hint == "" {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := store.Stat(t.Context(), s, dataset.DeltaLog+"/"+commitName(1)); err == nil {
			t.Errorf("%s: there is a commit", name)
		}
		s.Close()
	}
}
