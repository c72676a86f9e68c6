package source

import (
	"bytes"
	"context"
	"encoding/json"
	"testing"

	"tw2parquet/source/emulator"
)

// Whoever finds the run void buys nothing and adopts nothing, wherever it stands when that happens.
func TestAcquire_Void(t *testing.T) {
	for name, adopt := range map[string]bool{"to buy": false, "to adopt": true} {
		t.Run(name, func(t *testing.T) {
			void := func(j *memoryJournal) {
				record, data := VoidIntent("run", Trace{})
				if err := j.Put(t.Context(), record, data); err != nil {
					t.Errorf("void: %v", err)
				}
			}
			for i, when := range []string{"before", "meanwhile"} {
				api, j := newAccount(t, emulator.Config{}), newJournal()
				if adopt {
					if _, err := api.client(t, nil).Acquire(t.Context(), "run", testRequest(), newJournal()); err != nil {
						t.Fatal(err)
					}
				}
				posts := api.Ledger().ExportPosts()
				var journal Journal = j
				if i == 0 {
					void(j)
				} else {
					journal = &voided{j, void}
				}
				_, err := api.client(t, nil).Acquire(t.Context(), "run", testRequest(), journal)
				checkClass(t, err, ClassLocked)
				names, _ := j.List(t.Context(), TaskRecord)
				if len(names) > 0 || api.Ledger().ExportPosts() != posts {
					t.Errorf("%s: %d posts, then %d; %v", when, posts, api.Ledger().ExportPosts(), names)
				}
			}
		})
	}
}

// voided is a journal in which somebody else has voided the run just when its first intent is written.
type voided struct {
	*memoryJournal
	void func(*memoryJournal)
}

func (v *voided) Put(ctx context.Context, name string, data []byte) error {
	if name == intentRecord(1) && v.void != nil {
		v.void(v.memoryJournal)
	}
	return v.memoryJournal.Put(ctx, name, data)
}

func TestReadTrace(t *testing.T) {
	intent := func(o outcome) string {
		text, _ := json.Marshal(intentNote{Attempt: "a", Outcome: o})
		return string(text)
	}
	result := func(o outcome) string { text, _ := json.Marshal(outcomeNote{Outcome: o}); return string(text) }
	for name, c := range map[string]struct {
		records map[string]string
		want    Trace
	}{
		"nothing":      {map[string]string{"request.json": "{}"}, Trace{Next: 1}},
		"a task":       {map[string]string{TaskRecord: `{"id":"t"}`}, Trace{Begun: true, Next: 1}},
		"no answer":    {map[string]string{"intent-1.json": intent("")}, Trace{Begun: true, Next: 2}},
		"bought":       {map[string]string{"intent-1.json": intent(""), "intent-1-outcome.json": result(outcomeDone)}, Trace{Begun: true, Next: 2}},
		"refused":      {map[string]string{"intent-1.json": intent(""), "intent-1-outcome.json": result(outcomeRejected)}, Trace{Next: 2}},
		"void":         {map[string]string{"intent-1.json": intent(outcomeVoid)}, Trace{Void: true, Next: 2}},
		"refused,void": {map[string]string{"intent-1.json": intent(""), "intent-1-outcome.json": result(outcomeRejected), "intent-2.json": intent(outcomeVoid)}, Trace{Void: true, Next: 3}},
	} {
		var names []string
		for record := range c.records {
			names = append(names, record)
		}
		got, err := ReadTrace(t.Context(), names, func(_ context.Context, name string) ([]byte, error) { return []byte(c.records[name]), nil })
		if err != nil || got != c.want {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
	_, a := VoidIntent("run", Trace{})
	_, b := VoidIntent("run", Trace{})
	if bytes.Equal(a, b) {
		t.Error("two voids cannot be told apart")
	}
}
